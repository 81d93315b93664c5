"""Multiple towers: frames share the first convolution, and the next one sees them all, in order.

Source: Chung and Zisserman, Lip Reading in the Wild, ACCV 2016, the architecture MT: a
tower for each frame, stacked along the channels, a 1x1 convolution, then a network for images. This
one is small, for two CPU cores, and differs in what is stacked: behind the first convolution a clip
is parted into its mean over time (how it looks) and the frames' deviations from it (what moves).
As a convolution is linear, these are the convolutions of the mean frame and of the frames'
deviations. Each part is normalised by itself, so that a small mouth that moves in a large still
picture counts.
"""

import keras
import tensorflow as tf

from amr_tf.encoders.common import Initializers, check_clips, conv2d, dense, norm
from amr_tf.layers import (
    FoldFrames,
    MeanOverFrames,
    StatelessDropout,
    SubtractMeanOverFrames,
    UnfoldFrames,
)


def towers(
    shape: tuple[int, ...],
    width: int = 16,
    dropout: float = 0.5,
    seed: int = 0,
    name: str = "towers",
) -> keras.Model:
    """Builds the network, which keeps the order of the frames and the places in them.

    Example:
        >>> encoder = amr_tf.encoders.towers((16, 64, 64, 3))
        >>> encoder.output_shape
        (None, 128)

    Args:
        shape: Integers, the shape of one clip, `[T, H, W, channels]`, T >= 2.
        width: Integer, the channels of the first convolution; the rest is in proportion.
        dropout: Number, the probability of dropping a feature before the dense layer.
        seed: Integer, the seed of the initial weights and of dropout.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 8 * width]`, not negative.

    Raises:
        ValueError: The shape is not that of a clip, or `dropout` is outside [0, 1).
    """
    check_clips(shape, name)
    initializers = Initializers(seed, name)
    inputs = keras.Input(shape, name="inputs")
    x = FoldFrames(name="fold")(inputs)
    x = keras.layers.Conv2D(
        width,
        5,
        4,
        padding="same",
        use_bias=False,
        kernel_initializer=initializers.kaiming(),
        name="conv1",
    )(x)
    looks = MeanOverFrames(shape[0], name="looks")(x)
    looks = keras.layers.ReLU(name="looks_relu")(norm(looks, "looks"))
    moves = SubtractMeanOverFrames(shape[0], name="moves")(x)
    moves = keras.layers.ReLU(name="moves_relu")(norm(moves, "moves"))
    x = keras.layers.Concatenate(name="stack")([looks, _side_by_side(moves, shape[0])])
    x = conv2d(x, 4 * width, 1, 1, "reduce", initializers)
    x = conv2d(x, 2 * width, 3, 2, "conv2", initializers)
    x = conv2d(x, 4 * width, 3, 2, "conv3", initializers)
    x = keras.layers.Flatten(name="flatten")(x)
    x = StatelessDropout(dropout, initializers.seed(), name="dropout1")(x)
    return keras.Model(inputs, dense(x, 8 * width, "dense", initializers), name=name)


def _side_by_side(x: tf.Tensor, frames: int) -> tf.Tensor:
    """The frames of a clip as channels: `[B * T, H, W, C]` -> `[B, H, W, T * C]`."""
    _, height, width, channels = x.shape
    x = UnfoldFrames(frames, name="unfold")(x)
    x = keras.layers.Permute((2, 3, 1, 4), name="frames_last")(x)
    return keras.layers.Reshape((height, width, frames * channels), name="channels")(x)
