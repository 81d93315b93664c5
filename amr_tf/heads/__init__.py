"""Functional fusion heads: a list of M encodings -> logits [B, C].

A head is any Keras model of that form without layers that mix samples and without a softmax at its
end; see `check_head`. Those here take the encodings' shapes (flattened where of rank > 1 a sample),
the number of classes C, `hidden`, `dropout` before the last layer in training, and the `seed` of
every initial weight and mask. They are in float32 whatever the precision policy: softmax and
attributions need range and digits, and next to encoders a head costs nothing. A new head is one new
file and one line below; a user's own is registered by `register_head`.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras

from amr_tf._registry import Registry, check_options
from amr_tf.heads.attention import attention
from amr_tf.heads.checks import check_head
from amr_tf.heads.linear import concat, sum_branches
from amr_tf.heads.modulation import film, gated

HEADS: Registry[Callable[..., keras.Model]] = Registry("fusion head")
_GIVEN = ("encoding_shapes", "num_classes", "seed")


def register_head(name: str, build: Callable[..., keras.Model] | None = None) -> Any:
    """Registers a fusion head, so that commands know it by a name.

    Example:
        >>> @amr_tf.register_head("mean")
        ... def mean(encoding_shapes, num_classes, seed=0):
        ...     inputs = [keras.Input(shape) for shape in encoding_shapes]
        ...     logits = [keras.layers.Dense(num_classes)(x) for x in inputs]
        ...     return keras.Model(inputs, keras.layers.Average()(logits), name="head")
        >>> amr_tf.heads.build_head("mean", [(4,), (6,)], num_classes=3).output_shape
        (None, 3)

    Args:
        name: String, a lower-case identifier, as in `--fusion=NAME`.
        build: Function, `(encoding_shapes, num_classes, seed=..., **options)` -> a functional
            Keras model; without one, this is a decorator.

    Returns:
        The function, or the decorator.

    Raises:
        ValueError: The name is not a lower-case identifier, or another head has it.
    """

    def register(build: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
        return HEADS.register(name, build)

    return register if build is None else register(build)


register_head("concat", concat)
register_head("sum", sum_branches)
register_head("film", film)
register_head("gated", gated)
register_head("attention", attention)


def build_head(
    name: str,
    encoding_shapes: Sequence[tuple[int, ...]],
    num_classes: int,
    seed: int = 0,
    **options: Any,
) -> keras.Model:
    """Builds a fusion head.

    Example:
        >>> head = amr_tf.heads.build_head("gated", [(4,), (6,)], num_classes=3, hidden=5)
        >>> head.output_shape
        (None, 3)

    Args:
        name: String, a key of `HEADS`.
        encoding_shapes: Tuples of integers, the shape of each modality's encoding.
        num_classes: Integer, the number of classes C.
        seed: Integer, the seed of the initial weights and masks.
        **options: The head's own, e.g. `hidden`. None stands for the head's default.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]`.

    Raises:
        ValueError: There is no such head or option, or there are fewer modalities than it fuses.
    """
    options = {key: value for key, value in options.items() if value is not None}
    check_options(f"the fusion head {name}", options, head_options(name))
    return HEADS[name](encoding_shapes, num_classes, seed=seed, **options)


def head_options(name: str) -> tuple[str, ...]:
    """The names of a head's own options.

    Example:
        >>> amr_tf.heads.head_options("film")
        ('hidden', 'dropout')

    Args:
        name: String, a key of `HEADS`.

    Raises:
        ValueError: There is no such head.
    """
    return tuple(n for n in inspect.signature(HEADS.find(name)).parameters if n not in _GIVEN)


__all__ = [
    "HEADS",
    "attention",
    "build_head",
    "check_head",
    "concat",
    "film",
    "gated",
    "head_options",
    "register_head",
    "sum_branches",
]
