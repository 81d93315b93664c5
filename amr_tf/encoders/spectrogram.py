"""A small convolutional network for short sounds, which keeps the order of what is heard."""

import keras

from amr_tf.encoders.common import Initializers, conv2d, dense, norm
from amr_tf.layers import StatelessDropout


def spectrogram_cnn(
    shape: tuple[int, ...],
    width: int = 16,
    dropout: float = 0.5,
    seed: int = 0,
    name: str = "spectrogram_cnn",
) -> keras.Model:
    """Builds the network: three convolutions and a dense layer over (time, frequency, channels).

    Each frequency bin is standardised first, over the batch and the time: as in speech recognition,
    and it lets the zeros around a spectrogram be its mean.

    Example:
        >>> shape = amr_tf.modalities.AudioConfig(seconds=0.64).shape
        >>> encoder = amr_tf.encoders.spectrogram_cnn(shape)
        >>> encoder.output_shape
        (None, 256)

    Args:
        shape: Integers, the shape of one spectrogram, `[T, F, 1]`.
        width: Integer, the channels of the first convolution; the rest is in proportion.
        dropout: Number, the probability of dropping a feature before and behind the dense layer.
        seed: Integer, the seed of the initial weights and of dropout.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, 16 * width]`, not negative.

    Raises:
        ValueError: The shape is not that of a spectrogram, or `dropout` is outside [0, 1).
    """
    if len(shape) != 3 or None in shape or shape[-1] != 1:
        raise ValueError(
            f"{name}: an encoder of sound alone; expected spectrograms of shape [T, F, 1], all "
            f"known, not {tuple(shape)}"
        )
    initializers = Initializers(seed, name)
    inputs = keras.Input(shape, name="inputs")
    x = keras.layers.Permute((1, 3, 2), name="bins_last")(inputs)
    x = norm(x, "bins")
    x = keras.layers.Permute((1, 3, 2), name="bins_back")(x)
    x = conv2d(x, width, 5, 2, "conv1", initializers)
    x = keras.layers.MaxPooling2D(2, padding="same", name="pool1")(x)
    x = conv2d(x, 2 * width, 3, 2, "conv2", initializers)
    x = conv2d(x, 4 * width, 3, 2, "conv3", initializers)
    x = keras.layers.Flatten(name="flatten")(x)
    x = StatelessDropout(dropout, initializers.seed(), name="dropout1")(x)
    x = dense(x, 16 * width, "dense", initializers)
    x = StatelessDropout(dropout, initializers.seed(), name="dropout2")(x)
    return keras.Model(inputs, x, name=name)
