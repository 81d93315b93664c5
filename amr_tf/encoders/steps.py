"""Layers over the steps of a sequence that know which steps are real and which are padding.

A mask is a tensor of its own here, `[B, T]`, 1 at real steps and 0 at padding: the implicit masks
of Keras travel along in Keras 2.15 and 3 by different rules, and a layer that does not know of them
loses them without a word.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

PADDING = 0  # the token id of padding


@keras.saving.register_keras_serializable(package="amr_tf")
class RealTokens(keras.layers.Layer):
    """The mask of tokens `[B, L]`: 1 where the id is not that of padding."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, L]` -> `[B, L]`."""
        return tf.cast(tf.not_equal(inputs, PADDING), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the tokens."""
        return input_shape


@keras.saving.register_keras_serializable(package="amr_tf")
class RealSteps(keras.layers.Layer):
    """The mask of features `[B, T, D]`: 1 up to the last step that is not all zeros.

    A step of zeros between others is a value like any other.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, T, D]` -> `[B, T]`."""
        says = tf.cast(tf.reduce_any(tf.not_equal(inputs, 0), axis=-1), tf.int32)
        follows = tf.cumsum(says, axis=1, reverse=True)
        return tf.cast(follows > 0, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape without its last axis."""
        return tuple(input_shape)[:-1]


@keras.saving.register_keras_serializable(package="amr_tf")
class TokenEmbedding(keras.layers.Layer):
    """A learnt vector for each token, `[B, L]` -> `[B, L, width]`; that of padding is 0 for good.

    Its weight is float32 under every policy: under one of 16 bits the gradient of a frequent token
    would be a sum of thousands of small numbers that no longer move it. That gradient is a dense
    tensor, where that of `keras.layers.Embedding` is one of slices, which not every method takes.

    Args:
        vocabulary_size: Integer, the number of token ids.
        width: Integer, the features of a token.
        seed: Integer, the seed of the initial vectors, which are normal, of variance 1.
    """

    def __init__(self, vocabulary_size: int, width: int, seed: int = 0, **options: Any) -> None:
        super().__init__(**{**options, "dtype": "float32"})
        self.vocabulary_size = vocabulary_size
        self.width = width
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Makes the table."""
        self.table = self.add_weight(
            name="table",
            shape=(self.vocabulary_size, self.width),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The tokens' vectors."""
        speaks = np.arange(self.vocabulary_size) != PADDING
        table = self.table * tf.constant(speaks[:, None], tf.float32)
        return tf.gather(table, tf.cast(inputs, tf.int32))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """One vector a token."""
        return (*input_shape, self.width)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"vocabulary_size": self.vocabulary_size, "width": self.width, "seed": self.seed}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package="amr_tf")
class MeanOfSteps(keras.layers.Layer):
    """The mean over the real steps, `[B, T, D]` and a mask -> `[B, D]`; 0 where there is none."""

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Averages, in float32: a count of more than 256 is not exact in bfloat16."""
        x, mask = (tf.cast(tensor, tf.float32) for tensor in inputs)
        total = tf.einsum("btd,bt->bd", x, mask)
        count = tf.maximum(tf.reduce_sum(mask, axis=1, keepdims=True), 1.0)
        return tf.cast(total / count, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """One row a sample."""
        return (input_shape[0][0], input_shape[0][-1])


@keras.saving.register_keras_serializable(package="amr_tf")
class MaxOfSteps(MeanOfSteps):
    """The maximum over the real steps, `[B, T, D]` and a mask -> `[B, D]`; 0 where none is."""

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Takes the maximum."""
        x, mask = inputs
        real = mask[:, :, None] > 0
        largest = tf.reduce_max(tf.where(real, x, x.dtype.min), axis=1)
        return tf.where(tf.reduce_any(real, axis=1), largest, tf.zeros_like(largest))


@keras.saving.register_keras_serializable(package="amr_tf")
class SinusoidalPositions(keras.layers.Layer):
    """Adds to each step a code of its position (Vaswani et al. 2017, section 3.5); no weights.

    Feature 2i is `sin(t / 10000^(2i / D))`, feature 2i + 1 the cosine of the same.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Adds the codes to `[B, T, D]` with known T and D."""
        _, steps, features = inputs.shape
        rates = 10000.0 ** (-2 * (np.arange(features) // 2) / features)
        angles = np.arange(steps)[:, None] * rates
        codes = np.where(np.arange(features) % 2, np.cos(angles), np.sin(angles))
        return inputs + tf.constant(codes, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


@keras.saving.register_keras_serializable(package="amr_tf")
class MaskedAttention(keras.layers.Layer):
    """Scaled dot-product attention of several heads that looks only at real steps.

    The projections are layers of their own: inputs are queries, keys and values side by side,
    `[B, T, 3 * D]`, and a mask; the output is `[B, T, D]`, the heads side by side. Where a sample
    has no real step, it looks at all of them alike, and what comes out is finite.

    Args:
        heads: Integer, the number of heads, a divisor of D.
    """

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Applies the attention; the softmax is in float32."""
        projected, mask = inputs
        steps, features = projected.shape[1], projected.shape[2] // 3
        size = features // self.heads
        split = tf.reshape(projected, (-1, steps, 3, self.heads, size))
        queries, keys, values = tf.unstack(split, axis=2)
        scores = tf.cast(tf.einsum("bqhd,bkhd->bhqk", queries, keys), tf.float32) / size**0.5
        scores = tf.where(mask[:, None, None, :] > 0, scores, -1e9)
        weights = tf.cast(tf.nn.softmax(scores), values.dtype)
        return tf.reshape(tf.einsum("bhqk,bkhd->bqhd", weights, values), (-1, steps, features))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """A third of the features."""
        batch, steps, features = input_shape[0]
        return (batch, steps, features // 3)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"heads": self.heads}
