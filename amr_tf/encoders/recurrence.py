"""A gated recurrent unit over the real steps of a sequence, and the encoder of such sequences."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from amr_tf.encoders.common import Initializers
from amr_tf.encoders.steps import RealSteps


@keras.saving.register_keras_serializable(package="amr_tf")
class GatedRecurrence(keras.layers.Layer):
    """The recurrent half of a GRU (Cho et al. 2014); the projection of its inputs is before it.

    With the inputs x and `g = h U + b`, both split in three, z, r and c, and the sigmoid s:
    `h <- s(x_z + g_z) h + (1 - s(x_z + g_z)) tanh(x_c + s(x_r + g_r) g_c)`, as in cuDNN, PyTorch
    and Keras' `reset_after`. At a step of padding h stays as it is. Keras' own GRU has random state
    on Keras 2.15, a kernel on GPUs that XLA refuses, and implicit masks; this is one loop of known
    length, which XLA compiles.

    Inputs are `[B, T, 3 * units]` and a mask `[B, T]`, the output is the last state `[B, units]`,
    0 where there is no real step.

    Args:
        units: Integer, the features of the state.
        seed: Integer, the seed of the initial weights.
    """

    def __init__(self, units: int, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Makes the weights: an orthogonal kernel, a bias of zeros."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.units, 3 * self.units),
            initializer=keras.initializers.Orthogonal(seed=self.seed),
        )
        self.bias = self.add_weight(name="bias", shape=(3 * self.units,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """The state behind the last real step. It is float32: small changes must add up."""
        projected, mask = inputs
        kernel = tf.cast(self.kernel, self.compute_dtype)
        bias = tf.cast(self.bias, tf.float32)

        def step(state: tf.Tensor, now: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            x, real = now
            recurrent = tf.matmul(tf.cast(state, self.compute_dtype), kernel)
            recurrent = tf.cast(recurrent, tf.float32) + bias
            x_z, x_r, x_c = tf.split(tf.cast(x, tf.float32), 3, axis=-1)
            h_z, h_r, h_c = tf.split(recurrent, 3, axis=-1)
            keep = tf.sigmoid(x_z + h_z)
            candidate = tf.tanh(x_c + tf.sigmoid(x_r + h_r) * h_c)
            return tf.where(real > 0, keep * state + (1 - keep) * candidate, state)

        by_step = (tf.transpose(projected, (1, 0, 2)), tf.transpose(mask)[:, :, None])
        start = tf.zeros((tf.shape(projected)[0], self.units), tf.float32)
        last = tf.foldl(step, by_step, start, parallel_iterations=1)
        return tf.cast(last, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """One state a sample."""
        return (input_shape[0][0], self.units)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"units": self.units, "seed": self.seed}


def recur(x: tf.Tensor, mask: tf.Tensor, units: int, initializers: Initializers) -> tf.Tensor:
    """A whole GRU over the real steps: `[B, T, D]` and a mask -> `[B, units]`."""
    projected = keras.layers.Dense(
        3 * units, kernel_initializer=initializers.glorot(), name="projection"
    )(x)
    return GatedRecurrence(units, initializers.seed(), name="recurrence")([projected, mask])


def gru(shape: tuple[int, ...], width: int = 128, seed: int = 0, name: str = "gru") -> keras.Model:
    """Builds a gated recurrent unit over a sequence of features.

    Steps of exact zeros at the end of a sample are padding and change nothing; in a sequence that
    is standardised, the layer in front of the encoder has to set padded steps to 0 again.

    Example:
        >>> encoder = amr_tf.encoders.gru((20, 35), width=16)
        >>> x = tf.random.stateless_normal((1, 20, 35), (0, 0))
        >>> padded = tf.concat([x[:, :12], tf.zeros((1, 8, 35))], axis=1)
        >>> shorter = amr_tf.encoders.gru((12, 35), width=16)
        >>> shorter.set_weights(encoder.get_weights())
        >>> np.allclose(encoder(padded), shorter(x[:, :12]), atol=1e-6)
        True

    Args:
        shape: Integers, the shape of one sample, `[T, D]`.
        width: Integer, the features of the state.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, `[B, T, D]` -> `[B, width]`, in (-1, 1); 0 for a sample of padding.

    Raises:
        ValueError: The shape is not that of a sequence.
    """
    if len(shape) != 2 or None in shape:
        raise ValueError(
            f"{name}: an encoder of sequences; expected samples of shape [T, D], both known, not "
            f"{tuple(shape)}"
        )
    initializers = Initializers(seed, name)
    inputs = keras.Input(shape, name="inputs")
    mask = RealSteps(dtype="float32", name="real_steps")(inputs)
    return keras.Model(inputs, recur(inputs, mask, width, initializers), name=name)
