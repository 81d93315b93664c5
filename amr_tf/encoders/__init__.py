"""Encoders: functional Keras models, one sample's input -> its encoding.

A new encoder is one new file and one line below; a user's own is registered by `register_encoder`.
"""

import dataclasses
import inspect
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from amr_tf._registry import Registry, check_options
from amr_tf.encoders.actions_transformations import actions_transformations
from amr_tf.encoders.c3d import c3d
from amr_tf.encoders.mlp import mlp
from amr_tf.encoders.p3d import p3d
from amr_tf.encoders.recurrence import gru
from amr_tf.encoders.resnet import resnet18
from amr_tf.encoders.small import small
from amr_tf.encoders.text import text_cnn, text_gru, text_transformer
from amr_tf.encoders.time_fusion import late_fusion, slow_fusion
from amr_tf.saving import load_model

# What `build_encoder` and its caller give to an encoder; its other arguments are its options.
_GIVEN = ("shape", "seed", "name", "vocabulary_size")


@dataclasses.dataclass(frozen=True)
class EncoderPlugin:
    """A registered encoder.

    Example:
        >>> plugin = amr_tf.encoders.ENCODERS["mlp"]
        >>> plugin.kinds, plugin.options
        (('features',), ('width', 'depth'))

    Attributes:
        build: Function, `(shape, seed=..., name=..., **options)` -> a functional Keras model.
        kinds: Strings, the kinds of modalities whose input it takes.
    """

    build: Callable[..., keras.Model]
    kinds: tuple[str, ...]

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the encoder's own options."""
        return tuple(n for n in inspect.signature(self.build).parameters if n not in _GIVEN)


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
            `[T, F, 1]`), `video` (frames `[T, H, W, 3]`), `features` (arrays of any shape).
        build: Function that makes the model of the shape of one sample, a seed of the initial
            weights and the model's name; further arguments are its options. Without one, this is a
            decorator.

    Returns:
        The function, or the decorator.

    Raises:
        ValueError: The name is no lower-case identifier, or another encoder has it.
    """

    def register(build: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
        ENCODERS.register(name, EncoderPlugin(build, tuple(kinds)), build)
        return build

    return register if build is None else register(build)


# the first of a kind is its default
register_encoder("small", ("audio", "video", "image"), small)
register_encoder("resnet18", ("audio", "video", "image"), resnet18)
register_encoder("c3d", ("video",), c3d)
register_encoder("p3d", ("video",), p3d)
register_encoder("slow_fusion", ("video",), slow_fusion)
register_encoder("late_fusion", ("video",), late_fusion)
register_encoder("actions_transformations", ("video",), actions_transformations)
register_encoder("mlp", ("features",), mlp)
register_encoder("gru", ("features",), gru)
register_encoder("text_cnn", ("text",), text_cnn)
register_encoder("text_gru", ("text",), text_gru)
register_encoder("text_transformer", ("text",), text_transformer)


def build_encoder(
    name: str,
    modality: str,
    shape: tuple[int, ...],
    seed: int = 0,
    weights: str | pathlib.Path | None = None,
    frozen: bool = False,
    given: Mapping[str, Any] | None = None,
    **options: Any,
) -> keras.Model:
    """Builds one modality's encoder.

    Example:
        >>> shape = amr_tf.modalities.AudioConfig().shape
        >>> encoder = amr_tf.encoders.build_encoder("small", "audio", shape, width=4)
        >>> encoder.name, encoder.output_shape
        ('audio_encoder', (None, 16))

    Args:
        name: String, a key of `ENCODERS`.
        modality: String, the modality's name. The model is named `<modality>_encoder`, and starts
            with weights of its own.
        shape: Integers, the shape of one sample, e.g. `AudioConfig().shape`.
        seed: Integer, the seed of the initial weights.
        weights: Path of a saved encoder to start from, `.keras` or `.weights.h5`.
        frozen: Boolean, whether training leaves the encoder alone, its batch normalisation
            included.
        given: Mapping, what the modality tells besides the shape, e.g. `{"vocabulary_size": 5000}`;
            an encoder gets of it what it has an argument for.
        **options: The encoder's own, e.g. `width`, the channels of its first stage. None stands
            for the encoder's default.

    Returns:
        A functional model, `[B, *shape]` -> `[B, D]`.

    Raises:
        ValueError: No such encoder or option, an impossible width, depth or shape (e.g. sound for
            an encoder of video alone), weights of another encoder, or something that the encoder
            needs is not given.
        FileNotFoundError: `weights` does not exist.
    """
    plugin = ENCODERS.find(name)
    options = {key: value for key, value in options.items() if value is not None}
    check_options(f"the {modality} encoder {name}", options, plugin.options)
    if options.get("width", 1) < 1:
        raise ValueError(f"the {modality} encoder's width must be positive, not {options['width']}")
    told = _told(f"the {modality} encoder {name}", plugin, given or {})
    encoder = plugin.build(tuple(shape), seed=seed, name=f"{modality}_encoder", **told, **options)
    if weights is not None:
        load_weights(encoder, weights)
    encoder.trainable = not frozen
    return encoder


def _told(owner: str, plugin: EncoderPlugin, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an encoder gets of what its modality tells.

    Raises:
        ValueError: The encoder can't do without something that is not given.
    """
    parameters = inspect.signature(plugin.build).parameters
    for name in _GIVEN[3:]:
        if name in parameters and name not in given:
            if parameters[name].default is inspect.Parameter.empty:
                raise ValueError(f"{owner} needs given={{{name!r}: ...}}, which is not there")
    return {name: value for name, value in given.items() if name in parameters}


def load_weights(encoder: keras.Model, path: str | pathlib.Path) -> None:
    """Gives an encoder the weights of a saved one.

    Example:
        >>> trained = amr_tf.encoders.mlp((5,), width=4, seed=1)
        >>> trained.save_weights(directory / "audio.weights.h5")
        >>> encoder = amr_tf.encoders.mlp((5,), width=4)
        >>> amr_tf.encoders.load_weights(encoder, directory / "audio.weights.h5")
        >>> all(np.array_equal(*w) for w in zip(trained.get_weights(), encoder.get_weights()))
        True

    Args:
        encoder: Model, the encoder.
        path: Path of a `.keras` model or a `.weights.h5` file of the same architecture; the height,
            width and number of frames of its input may differ where it ends in an average (c3d,
            slow_fusion and late_fusion end in a dense layer of the input's size).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is neither, cannot be read, or holds another architecture.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights of the {encoder.name}: {path} does not exist")
    try:
        if path.name.endswith(".weights.h5"):
            encoder.load_weights(path)
            return
        if path.suffix != ".keras":
            raise ValueError("expected a name that ends in .keras or .weights.h5")
        saved = load_model(path, compile=False)
    except Exception as error:  # zip, HDF5, JSON and Keras each have their own
        raise ValueError(f"weights of the {encoder.name}: {path} does not fit: {error}") from error
    _check_same(encoder, saved, path)
    encoder.set_weights(saved.get_weights())


def _check_same(encoder: keras.Model, saved: keras.Model, path: pathlib.Path) -> None:
    """Refuses weights that are not, one by one, of the encoder's shapes."""
    wanted, found = ([tuple(w.shape) for w in model.weights] for model in (encoder, saved))
    if wanted == found:
        return
    where = next(
        (f"{w} here, {f} there" for w, f in zip(wanted, found, strict=False) if w != f),
        f"{len(wanted)} weights here, {len(found)} there",
    )
    raise ValueError(
        f"weights of the {encoder.name}: {path} holds {saved.name!r}, of another architecture "
        f"or width: {where}"
    )


__all__ = [
    "ENCODERS",
    "EncoderPlugin",
    "actions_transformations",
    "build_encoder",
    "c3d",
    "gru",
    "late_fusion",
    "load_weights",
    "mlp",
    "p3d",
    "register_encoder",
    "resnet18",
    "slow_fusion",
    "small",
    "text_cnn",
    "text_gru",
    "text_transformer",
]
