"""Parts that encoders share: initial weights from a seed, frames one by one, frames together."""

import zlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from amr_tf.layers import FoldFrames, MeanOverFrames
from amr_tf.normalization import SyncBatchNormalization


class Initializers:
    """Hands out initializers, each with a seed of its own.

    Args:
        seed: Integer, the seed of all of them.
        name: String, the model's name: two encoders made with one seed start with different
            weights.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._random = np.random.default_rng((seed, zlib.crc32(name.encode())))

    def kaiming(self, mode: str = "fan_in") -> keras.initializers.Initializer:
        """He et al. (2015): normal, of variance 2 / fan."""
        return keras.initializers.VarianceScaling(
            scale=2.0, mode=mode, distribution="untruncated_normal", seed=self.seed()
        )

    def glorot(self) -> keras.initializers.Initializer:
        """Glorot and Bengio (2010): uniform, for layers without a ReLU behind them."""
        return keras.initializers.GlorotUniform(seed=self.seed())

    def seed(self) -> int:
        """The next seed, for a layer that makes its own initializer."""
        return int(self._random.integers(2**31))


def per_frame(
    trunk: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...], name: str
) -> keras.Model:
    """A model of an image encoder, applied to each frame where samples have frames.

    Args:
        trunk: Function, images `[B, H, W, channels]` -> encodings `[B, D]`, as symbolic tensors.
        shape: Integers, the shape of one sample, `[H, W, channels]` or `[T, H, W, channels]`.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, D]`, the mean over the frames.

    Raises:
        ValueError: The shape is neither.
    """
    if len(shape) not in (3, 4) or None in shape[:1] + shape[-1:]:
        raise ValueError(
            f"{name}: expected samples of shape [H, W, channels] or [T, H, W, channels] with "
            f"known T and channels, not {tuple(shape)}"
        )
    inputs = keras.Input(shape, name="inputs")
    if len(shape) == 3:
        return keras.Model(inputs, trunk(inputs), name=name)
    encodings = trunk(FoldFrames(name="fold")(inputs))
    mean = MeanOverFrames(shape[0], name="mean_over_frames")(encodings)
    return keras.Model(inputs, mean, name=name)


def check_clips(shape: tuple[int, ...], name: str) -> None:
    """Refuses samples that an encoder of motion can't take.

    Raises:
        ValueError: The shape is not `[T, H, W, channels]`, all known, with T >= 2.
    """
    if len(shape) != 4 or None in shape or shape[0] < 2:
        raise ValueError(
            f"{name}: an encoder of video alone; expected clips of shape [T, H, W, channels] with "
            f"at least 2 frames, not {tuple(shape)}"
        )


def conv2d(
    x: tf.Tensor, channels: int, kernel: int, stride: int, name: str, initializers: Initializers
) -> tf.Tensor:
    """A convolution over height and width, batch normalisation and ReLU, named as in `conv3d`."""
    x = keras.layers.Conv2D(
        channels,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=initializers.kaiming(),
        name=name,
    )(x)
    return keras.layers.ReLU(name=f"{name}_relu")(norm(x, name))


def conv3d(
    x: tf.Tensor,
    channels: int,
    kernel: int | tuple[int, int, int],
    name: str,
    initializers: Initializers,
    strides: int | tuple[int, int, int] = 1,
    padding: str = "same",
    batch_norm: bool = True,
    relu: bool = True,
) -> tf.Tensor:
    """A convolution over time, height and width, batch normalisation (else a bias) and ReLU.

    Layers are named `name`, `<name>_norm` and `<name>_relu`.
    """
    x = keras.layers.Conv3D(
        channels,
        kernel,
        strides,
        padding=padding,
        use_bias=not batch_norm,
        kernel_initializer=initializers.kaiming(),
        name=name,
    )(x)
    if batch_norm:
        x = norm(x, name)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def dense(
    x: tf.Tensor, units: int, name: str, initializers: Initializers, batch_norm: bool = True
) -> tf.Tensor:
    """A fully connected layer, batch normalisation and ReLU, named as those of `conv3d`."""
    x = keras.layers.Dense(
        units, use_bias=not batch_norm, kernel_initializer=initializers.kaiming(), name=name
    )(x)
    if batch_norm:
        x = norm(x, name)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def norm(x: tf.Tensor, name: str) -> tf.Tensor:
    """Batch normalisation over the global batch, named `<name>_norm`."""
    return SyncBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
