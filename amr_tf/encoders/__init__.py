"""Encoders: functional Keras models, one sample's input -> its encoding.

A new encoder is one new file and one line below. A user's own is registered by `register_encoder`,
or named without that: see `find_encoder`.
"""

import inspect
import pathlib
from collections.abc import Mapping
from typing import Any

import keras

from amr_tf._registry import check_options
from amr_tf.encoders.actions_transformations import actions_transformations
from amr_tf.encoders.applications import BACKBONES, application, encoder_of
from amr_tf.encoders.c3d import c3d
from amr_tf.encoders.custom import find_encoder
from amr_tf.encoders.mlp import mlp
from amr_tf.encoders.p3d import p3d
from amr_tf.encoders.plugins import ENCODERS, OF_MODALITY, EncoderPlugin, register_encoder
from amr_tf.encoders.recurrence import gru
from amr_tf.encoders.resnet import resnet18
from amr_tf.encoders.small import small
from amr_tf.encoders.spectrogram import spectrogram_cnn
from amr_tf.encoders.text import text_cnn, text_gru, text_transformer
from amr_tf.encoders.time_fusion import late_fusion, slow_fusion
from amr_tf.encoders.towers import towers
from amr_tf.encoders.weights import load_weights

# the first of a kind is its default
register_encoder("small", ("audio", "video", "image"), small)
register_encoder("resnet18", ("audio", "video", "image"), resnet18)
register_encoder("spectrogram_cnn", ("audio",), spectrogram_cnn)
register_encoder("towers", ("video",), towers)
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
for _backbone in BACKBONES:
    register_encoder(_backbone, ("video", "image"), encoder_of(_backbone))


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
        name: String, a key of `ENCODERS`, `module:function` or the path of a saved Keras model: see
            `find_encoder`.
        modality: String, the modality's name. The model is named `<modality>_encoder`, and starts
            with weights of its own.
        shape: Integers, the shape of one sample, e.g. `AudioConfig().shape`.
        seed: Integer, the seed of the initial weights.
        weights: Path of a saved encoder to start from, `.keras` or `.weights.h5`.
        frozen: Boolean, whether training leaves the encoder as it is, its batch normalisation
            included.
        given: Mapping, what the modality tells besides the shape, e.g. `{"vocabulary_size": 5000}`;
            an encoder gets of it what it has an argument for.
        **options: The encoder's own, e.g. `width`, the channels of its first stage. None stands
            for the encoder's default.

    Returns:
        A functional model, `[B, *shape]` -> `[B, D]`.

    Raises:
        ValueError: There is no such encoder or option, an impossible width, depth or shape (e.g.
            sound for an encoder that takes only video), weights of another encoder, or something
            that the encoder needs is not given.
        FileNotFoundError: `weights` does not exist.
    """
    plugin = find_encoder(name)
    options = {key: value for key, value in options.items() if value is not None}
    check_options(f"the {modality} encoder {name}", options, plugin.options)
    if options.get("width", 1) < 1:
        raise ValueError(f"the {modality} encoder's width must be positive, not {options['width']}")
    told = _told(f"the {modality} encoder {name}", plugin, given or {})
    encoder = plugin.build(tuple(shape), seed=seed, name=f"{modality}_encoder", **told, **options)
    if weights is not None:
        load_weights(encoder, weights)
    if frozen:  # else as it is: an encoder of the user's own may have frozen parts
        encoder.trainable = False
    return encoder


def _told(owner: str, plugin: EncoderPlugin, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that an encoder gets from its modality.

    Raises:
        ValueError: An argument that the encoder needs is missing.
    """
    parameters = inspect.signature(plugin.build).parameters
    for name in OF_MODALITY:
        needed = name in parameters and parameters[name].default is inspect.Parameter.empty
        if needed and name not in given:
            raise ValueError(f"{owner} needs given={{{name!r}: ...}}, which is not there")
    return {name: value for name, value in given.items() if name in parameters}


__all__ = [
    "ENCODERS",
    "EncoderPlugin",
    "actions_transformations",
    "application",
    "build_encoder",
    "c3d",
    "find_encoder",
    "gru",
    "late_fusion",
    "load_weights",
    "mlp",
    "p3d",
    "register_encoder",
    "resnet18",
    "slow_fusion",
    "small",
    "spectrogram_cnn",
    "text_cnn",
    "text_gru",
    "text_transformer",
    "towers",
]
