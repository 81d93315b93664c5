"""Encoders: functional Keras models, one sample's input -> its encoding."""

import inspect
import pathlib
from collections.abc import Callable

import keras

from amr_tf.encoders.actions_transformations import actions_transformations
from amr_tf.encoders.c3d import c3d
from amr_tf.encoders.p3d import p3d
from amr_tf.encoders.resnet import resnet18
from amr_tf.encoders.small import small
from amr_tf.encoders.time_fusion import late_fusion, slow_fusion
from amr_tf.saving import load_model

__all__ = [
    "ENCODERS",
    "IMAGE_ENCODERS",
    "VIDEO_ENCODERS",
    "actions_transformations",
    "build_encoder",
    "c3d",
    "late_fusion",
    "load_weights",
    "p3d",
    "resnet18",
    "slow_fusion",
    "small",
]

# for spectrograms, and frame by frame for video
IMAGE_ENCODERS: dict[str, Callable[..., keras.Model]] = {"resnet18": resnet18, "small": small}
# for clips of at least two frames alone
VIDEO_ENCODERS: dict[str, Callable[..., keras.Model]] = {
    "actions_transformations": actions_transformations,
    "c3d": c3d,
    "late_fusion": late_fusion,
    "p3d": p3d,
    "slow_fusion": slow_fusion,
}
ENCODERS = IMAGE_ENCODERS | VIDEO_ENCODERS


def build_encoder(
    name: str,
    modality: str,
    shape: tuple[int, ...],
    width: int | None = None,
    seed: int = 0,
    weights: str | pathlib.Path | None = None,
    frozen: bool = False,
    depth: int | None = None,
) -> keras.Model:
    """Builds one modality's encoder.

    Args:
        name: A key of `ENCODERS`.
        modality: The model is named `<modality>_encoder`, and starts with weights of its own.
        shape: Of one sample, `AudioConfig.shape` say.
        width: Channels of the first stage; the encoder's own default where None.
        seed: Of the initial weights.
        weights: A saved encoder to start from, `.keras` or `.weights.h5`.
        frozen: Whether training leaves the encoder alone, its batch normalisation included.
        depth: Layers of an encoder that comes in several depths (c3d, p3d); its own default where
            None.

    Returns:
        A functional model, `[B, *shape]` -> `[B, D]`.

    Raises:
        ValueError: No such encoder, an impossible width, depth or shape (an encoder of video alone
            for sound, say), or weights of another encoder.
        FileNotFoundError: `weights` does not exist.
    """
    if name not in ENCODERS:
        raise ValueError(f"no encoder {name!r}; there are {', '.join(sorted(ENCODERS))}")
    if width is not None and width < 1:
        raise ValueError(f"the {modality} encoder's width must be positive, not {width}")
    make = ENCODERS[name]
    if depth is not None and "depth" not in inspect.signature(make).parameters:
        raise ValueError(f"the {modality} encoder {name} has one depth only, not {depth}")
    options = {"width": width, "depth": depth}
    options = {key: value for key, value in options.items() if value is not None}
    encoder = make(tuple(shape), seed=seed, name=f"{modality}_encoder", **options)
    if weights is not None:
        load_weights(encoder, weights)
    encoder.trainable = not frozen
    return encoder


def load_weights(encoder: keras.Model, path: str | pathlib.Path) -> None:
    """Gives an encoder the weights of a saved one.

    Args:
        encoder: The encoder.
        path: A `.keras` model or a `.weights.h5` file of the same architecture; the height,
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
