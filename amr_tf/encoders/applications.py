"""Networks of `keras.applications` for images and, frame by frame, for video.

Nothing is downloaded: without weights from a file they are trained from scratch.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf.encoders.common import Initializers, per_frame
from amr_tf.encoders.converted import FixedStatistics, converted
from amr_tf.layers import ReverseChannels
from amr_tf.modalities.video import IMAGENET_MEAN, IMAGENET_STD

# What each of Keras' ways to preprocess makes of our inputs, x = (pixels / 255 - mean) / std:
# scale and offset of each channel, and whether the channels become blue, green, red.
_MEAN, _STD = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
PREPROCESSING = {
    "pixels": (255 * _STD, 255 * _MEAN, False),
    "tf": (2 * _STD, 2 * _MEAN - 1, False),
    "torch": (np.ones(3), np.zeros(3), False),
    "caffe": (255 * _STD, 255 * _MEAN - np.array([123.68, 116.779, 103.939]), True),
}


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network of `keras.applications`.

    Attributes:
        make: Function of `keras.applications` that makes it.
        preprocessing: String, a key of `PREPROCESSING`: what its `preprocess_input` does; `pixels`
            where the network does that itself.
    """

    make: Callable[..., keras.Model]
    preprocessing: str

    def plain(self, height: int | None, width: int | None) -> keras.Model:
        """The network as Keras makes it, without its classifier."""
        return self.make(include_top=False, weights=None, input_shape=(height, width, 3))


BACKBONES = {
    "mobilenet_v2": Backbone(keras.applications.MobileNetV2, "tf"),
    "mobilenet_v3_small": Backbone(keras.applications.MobileNetV3Small, "pixels"),
    "efficientnet_b0": Backbone(keras.applications.EfficientNetB0, "pixels"),
    "efficientnet_v2_b0": Backbone(keras.applications.EfficientNetV2B0, "pixels"),
    "densenet121": Backbone(keras.applications.DenseNet121, "torch"),
    "resnet50": Backbone(keras.applications.ResNet50, "caffe"),
    "convnext_tiny": Backbone(keras.applications.ConvNeXtTiny, "pixels"),
}


def application(
    backbone: str, shape: tuple[int, ...], seed: int = 0, name: str = "application"
) -> keras.Model:
    """Builds a network of `keras.applications` without its classifier, and the mean over space.

    It sees what its own `preprocess_input` makes of pixels, in 0..255: the normalisation of our
    inputs, `(pixels / 255 - mean) / std` with the mean and deviation of ImageNet, is undone first.
    Initial weights are of the distributions that Keras gives them, but a function of the seed.

    Two kinds of layers differ from Keras' networks, and no weight does. Batch normalisation is that
    of `amr_tf`: over the global batch of all replicas, where Keras' own would normalise each
    replica's part by itself, so that several devices would train another model than one. Dropout,
    stochastic depth included, is left to the methods. Frozen, an encoder computes what Keras'
    network computes in inference.

    Weights come from a file (`build_encoder(..., weights=PATH)`): that of such an encoder, or of
    the network itself with `include_top=False`: `.weights.h5`, or `.h5` as Keras publishes them.

    Example:
        >>> encoder = amr_tf.encoders.application("mobilenet_v3_small", (32, 32, 3))
        >>> encoder.output_shape
        (None, 576)

    Args:
        backbone: String, the network's name: mobilenet_v2, mobilenet_v3_small, efficientnet_b0,
            efficientnet_v2_b0, densenet121, resnet50 or convnext_tiny.
        shape: Integers, the shape of one sample: `[H, W, 3]` for an image, or `[T, H, W, 3]` for
            frames, whose encodings are averaged over time; 32 pixels at least.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, D]`.

    Raises:
        ValueError: There is no such network, or it can't see images of that shape.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"{name}: no network {backbone!r}: there are {', '.join(BACKBONES)}")
    if shape and shape[-1] != 3:
        raise ValueError(f"{name}: {backbone} sees images of 3 channels, not {tuple(shape)}")
    network = BACKBONES[backbone]
    initializers = Initializers(seed, name)

    def trunk(x: tf.Tensor) -> tf.Tensor:
        height, width = x.shape[1:3]
        try:
            plain = network.plain(height, width)
        except ValueError as error:
            raise ValueError(
                f"{name}: {backbone} can't see images of {height} x {width}: {error}"
            ) from error
        x = _preprocessed(x, network.preprocessing)
        x = converted(plain, initializers, name=backbone)(x)
        return keras.layers.GlobalAveragePooling2D(name="mean")(x)

    return per_frame(trunk, shape, name)


def encoder_of(backbone: str) -> Callable[..., keras.Model]:
    """The function that builds one of the networks, to be registered under its name."""

    def build(shape: tuple[int, ...], seed: int = 0, name: str = backbone) -> keras.Model:
        return application(backbone, shape, seed, name)

    return build


def _preprocessed(x: tf.Tensor, way: str) -> tf.Tensor:
    """Our inputs as a network's own `preprocess_input` would have made them of pixels."""
    scale, offset, reverse = PREPROCESSING[way]
    x = keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="preprocessing")(x)
    return ReverseChannels(name="blue_green_red")(x) if reverse else x


def backbone_of(encoder: keras.Model) -> keras.Model | None:
    """The network of `keras.applications` within an encoder, None if it has none."""
    networks = (layer for layer in encoder.layers if isinstance(layer, keras.Model))
    return next((network for network in networks if network.name in BACKBONES), None)


def read_published(encoder: keras.Model, path: pathlib.Path) -> keras.Model:
    """The network within an encoder as Keras makes it, with the weights of a file.

    Its weights are, one by one, those of the encoder.
    """
    network: Any = backbone_of(encoder)
    plain = BACKBONES[network.name].plain(*network.input_shape[1:3])
    plain.load_weights(path)
    return plain


def adjust_statistics(encoder: keras.Model) -> None:
    """Makes up for a step that Keras puts into EfficientNets with its own weights only.

    The published files hold the deviation of ImageNet's channels where the variance belongs, and
    `weights="imagenet"` adds a layer that divides by the deviation's root once more (TensorFlow's
    issue 49930). Without that layer the variance has to be one.
    """
    network = backbone_of(encoder)
    for layer in network.layers if network is not None else ():
        if isinstance(layer, FixedStatistics):
            mean, variance, count = layer.get_weights()
            if np.allclose(variance, _STD, rtol=1e-3):
                layer.set_weights([mean, variance * _STD, count])
