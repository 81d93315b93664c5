"""A small convolutional network for the demonstration on two CPU cores.

Three strided convolutions and an average: about 5 MFLOPs for a second of sound or three frames
of 64 x 64. Batch normalisation costs half as much again per step here and saves two epochs of
three; it also brings the encodings of sound and picture to like norms.
"""

import keras
import tensorflow as tf

from amr_tf.encoders.common import Initializers, per_frame
from amr_tf.normalization import SyncBatchNormalization

# kernel and stride; the first stride is large because most of the time goes where images are
LAYERS = ((5, 4), (3, 2), (3, 2))


def small(
    shape: tuple[int, ...], width: int = 16, seed: int = 0, name: str = "small"
) -> keras.Model:
    """Builds the network.

    Example:
        >>> encoder = amr_tf.encoders.small((3, 64, 64, 3), width=8)  # three frames
        >>> encoder.output_shape
        (None, 32)

    Args:
        shape: Integers, the shape of one sample: `[H, W, channels]` for an image or a
            spectrogram, or `[T, H, W, channels]` for frames, whose encodings are averaged over
            time.
        width: Integer, the channels of the first convolution; each further one has twice as many.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 4 * width]`, not negative.
    """
    initializers = Initializers(seed, name)

    def trunk(x: tf.Tensor) -> tf.Tensor:
        for index, (kernel, stride) in enumerate(LAYERS):
            x = keras.layers.Conv2D(
                width << index,
                kernel,
                stride,
                padding="same",
                use_bias=False,
                kernel_initializer=initializers.kaiming(),
                name=f"conv{index}",
            )(x)
            x = SyncBatchNormalization(momentum=0.9, name=f"norm{index}")(x)
            x = keras.layers.ReLU(name=f"relu{index}")(x)
        return keras.layers.GlobalAveragePooling2D(name="mean")(x)

    return per_frame(trunk, shape, name)
