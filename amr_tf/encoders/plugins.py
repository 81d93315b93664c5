"""Encoders by name: those of this package and those that a user registers."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras

from amr_tf._registry import Registry

# What an encoder is given by `build_encoder`, and what by the modality where it asks for it.
_OF_BUILD = ("shape", "seed", "name")
OF_MODALITY = ("vocabulary_size",)
ANY_KIND = "any"
_SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclasses.dataclass(frozen=True)
class EncoderPlugin:
    """A registered encoder.

    Example:
        >>> plugin = amr_tf.encoders.ENCODERS["mlp"]
        >>> plugin.kinds, plugin.options
        (('features',), ('width', 'depth'))

    Attributes:
        build: Function, `(shape, seed=..., name=..., **options)` -> a functional Keras model.
        kinds: Strings, the kinds of modalities whose input it takes; `any` stands for all of them.
    """

    build: Callable[..., keras.Model]
    kinds: tuple[str, ...]

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the encoder's own options."""
        return tuple(
            name
            for name, parameter in inspect.signature(self.build).parameters.items()
            if name not in _OF_BUILD + OF_MODALITY and parameter.kind not in _SEVERAL
        )

    def takes(self, kind: str) -> bool:
        """Whether it takes the input of modalities of a kind."""
        return kind in self.kinds or ANY_KIND in self.kinds


ENCODERS: Registry[EncoderPlugin] = Registry("encoder")


def register_encoder(
    name: str, kinds: Sequence[str], build: Callable[..., keras.Model] | None = None
) -> Any:
    """Registers an encoder, so that commands know it by a name.

    Example:
        >>> @amr_tf.register_encoder("flat", kinds=("features",))
        ... def flat(shape, units=8, seed=0, name="flat"):
        ...     inputs = keras.Input(shape)
        ...     x = keras.layers.Flatten()(inputs)
        ...     return keras.Model(inputs, keras.layers.Dense(units)(x), name=name)
        >>> amr_tf.encoders.build_encoder("flat", "audio", (3, 5), units=2).output_shape
        (None, 2)

    Args:
        name: String, a lower-case identifier, as in `--audio_encoder=NAME`.
        kinds: Strings, the kinds of modalities whose input it takes: `audio` (spectrograms
            `[T, F, 1]`), `video` (frames `[T, H, W, 3]`), `image` (`[H, W, 3]`), `text` (token ids
            `[L]`, 0 for padding), `features` (arrays of any shape), those of a user's own; `any`.
        build: Function that makes the model of the shape of one sample, a seed of the initial
            weights and the model's name; further arguments are its options, but `vocabulary_size`,
            which a text tells. Without one, this is a decorator.

    Returns:
        The function, or the decorator.

    Raises:
        ValueError: The name is not a lower-case identifier, or another encoder has it.
    """

    def register(build: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
        ENCODERS.register(name, EncoderPlugin(build, tuple(kinds)), build)
        return build

    return register if build is None else register(build)
