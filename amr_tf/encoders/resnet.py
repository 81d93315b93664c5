"""ResNet-18 (He et al. 2016) for spectrograms, images and, frame by frame, for video.

As in the published code of OGM and its successors: a 7x7 convolution of stride 2, max pooling,
four stages of two basic blocks, global average pooling; trained from scratch.
"""

import keras
import tensorflow as tf

from amr_tf.encoders.common import Initializers, norm, per_frame

STAGES = (2, 2, 2, 2)


def resnet18(
    shape: tuple[int, ...], width: int = 64, seed: int = 0, name: str = "resnet18"
) -> keras.Model:
    """Builds a ResNet-18.

    Example:
        >>> encoder = amr_tf.encoders.resnet18((63, 129, 1), width=4)  # a spectrogram
        >>> encoder.output_shape
        (None, 32)

    Args:
        shape: Integers, the shape of one sample: `[H, W, channels]` for an image or a
            spectrogram, or `[T, H, W, channels]` for frames, whose encodings are averaged over
            time.
        width: Integer, the channels of the first stage; 64 as published.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 8 * width]`.
    """
    initializers = Initializers(seed, name)

    def trunk(x: tf.Tensor) -> tf.Tensor:
        x = keras.layers.ZeroPadding2D(3, name="stem_pad")(x)
        x = _conv(x, width, 7, 2, "stem", initializers, padding="valid")
        x = keras.layers.ZeroPadding2D(1, name="pool_pad")(norm(x, "stem"))
        x = keras.layers.MaxPooling2D(3, 2, name="pool")(x)
        # as ahead of the pooling, where it takes four times as long and as much memory: the largest
        # of some numbers and the padding's zeros, then with zero, is the largest with zero
        x = keras.layers.ReLU(name="stem_relu")(x)
        for stage, blocks in enumerate(STAGES):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = _block(x, width << stage, stride, f"stage{stage}_block{block}", initializers)
        return keras.layers.GlobalAveragePooling2D(name="mean")(x)

    return per_frame(trunk, shape, name)


def _block(
    x: tf.Tensor, channels: int, stride: int, name: str, initializers: Initializers
) -> tf.Tensor:
    """Two 3x3 convolutions beside a shortcut."""
    shortcut = x
    if stride > 1 or x.shape[-1] != channels:
        shortcut = _conv(x, channels, 1, stride, f"{name}_shortcut", initializers)
        shortcut = norm(shortcut, f"{name}_shortcut")
    padding = "same"
    if stride > 1:  # "same" would pad one side only, and weights from elsewhere expect both
        x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    x = _conv(x, channels, 3, stride, f"{name}_a", initializers, padding)
    x = keras.layers.ReLU(name=f"{name}_a_relu")(norm(x, f"{name}_a"))
    x = norm(_conv(x, channels, 3, 1, f"{name}_b", initializers), f"{name}_b")
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _conv(
    x: tf.Tensor,
    channels: int,
    kernel: int,
    stride: int,
    name: str,
    initializers: Initializers,
    padding: str = "same",
) -> tf.Tensor:
    return keras.layers.Conv2D(
        channels,
        kernel,
        stride,
        padding=padding,
        use_bias=False,
        kernel_initializer=initializers.kaiming("fan_out"),
        name=name,
    )(x)
