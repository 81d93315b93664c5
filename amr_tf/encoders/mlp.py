"""A small multilayer perceptron for features that were computed before."""

import keras

from amr_tf.encoders.common import Initializers
from amr_tf.normalization import SyncBatchNormalization


def mlp(
    shape: tuple[int, ...], width: int = 128, depth: int = 2, seed: int = 0, name: str = "mlp"
) -> keras.Model:
    """Builds dense layers with batch normalisation and ReLU on the flattened input.

    Example:
        >>> encoder = amr_tf.encoders.mlp((76,), width=16)
        >>> encoder.output_shape
        (None, 16)

    Args:
        shape: Integers, the shape of one sample, of any rank.
        width: Integer, the units of each layer.
        depth: Integer, the number of layers.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, *shape]` -> `[B, width]`, not negative.

    Raises:
        ValueError: The depth is not positive.
    """
    if depth < 1:
        raise ValueError(f"{name}: the depth must be positive, not {depth}")
    initializers = Initializers(seed, name)
    inputs = x = keras.Input(shape, name="inputs")
    if len(shape) > 1:
        x = keras.layers.Flatten(name="flatten")(x)
    for index in range(depth):
        x = keras.layers.Dense(
            width,
            use_bias=False,
            kernel_initializer=initializers.kaiming(),
            name=f"dense{index}",
        )(x)
        x = SyncBatchNormalization(momentum=0.9, name=f"norm{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
    return keras.Model(inputs, x, name=name)
