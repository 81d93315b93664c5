"""The parts of heads: flat inputs, dense layers with a seed each, the last layer."""

import functools
import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import keras

from amr_tf.layers import MeanOver, StatelessDropout

Shapes = Sequence[tuple[int | None, ...]]


def in_float32(build: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    """Builds a head in float32 whatever Keras' precision policy is."""

    @functools.wraps(build)
    def built(*args: Any, **options: Any) -> keras.Model:
        policy = keras.mixed_precision.global_policy()
        keras.mixed_precision.set_global_policy("float32")
        try:
            return build(*args, **options)
        finally:
            keras.mixed_precision.set_global_policy(policy)

    return built


def flat_inputs(encoding_shapes: Shapes, at_least: int = 1, name: str = "") -> tuple[list, list]:
    """The model's inputs, and each flattened to `[B, D_m]`, averaged over unknown dimensions.

    Raises:
        ValueError: Fewer modalities than the head `name` takes.
    """
    if len(encoding_shapes) < at_least:
        raise ValueError(
            f"the head {name} fuses at least {at_least} modalities, not {len(encoding_shapes)}: "
            "for one, take concat"
        )
    inputs = [
        keras.Input(tuple(shape), name=f"encoding_{m}") for m, shape in enumerate(encoding_shapes)
    ]
    return inputs, [_flat(x) for x in inputs]


def _flat(x: Any) -> Any:
    """An encoding as `[B, D]`: averaged over dimensions of unknown size, and flattened."""
    unknown = [axis for axis, size in enumerate(x.shape) if axis and size is None]
    x = MeanOver(unknown)(x) if unknown else x
    return keras.layers.Flatten()(x) if len(x.shape) > 2 else x


def joined(parts: list, axis: int = -1) -> Any:
    """One tensor of several, concatenated."""
    return keras.layers.Concatenate(axis=axis)(parts) if len(parts) > 1 else parts[0]


def default_width(encoding_shapes: Shapes) -> int:
    """Features of the largest encoding, at most 512."""
    return min(512, max(math.prod(n or 1 for n in shape) for shape in encoding_shapes))


def last_layer(x: Any, num_classes: int, dropout: float, seed: int, suffix: str = "") -> Any:
    """Dropout and the last layer, `logits<suffix>`."""
    if dropout:
        name = f"dropout{suffix}"
        x = StatelessDropout(dropout, seed=own_seed(seed, name), name=name)(x)
    return dense(num_classes, f"logits{suffix}", seed)(x)


def dense(units: int, name: str, seed: int, own: bool = True, **options: Any) -> keras.layers.Dense:
    """A dense layer, its weights drawn from a seed of its own (by its name) or from `seed`."""
    initializer = keras.initializers.GlorotUniform(seed=own_seed(seed, name) if own else seed)
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name, **options)


def own_seed(seed: int, name: str) -> int:
    """A seed for what is called `name`, from that of the whole head."""
    return zlib.crc32(f"{seed} {name}".encode()) % 2**31
