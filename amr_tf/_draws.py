"""Random numbers that are a function of a key: on any device, with XLA and without.

TensorFlow's own uniform and normal numbers are others where XLA compiles them, though they are made
of the same bits.
"""

import math
from typing import Any

import tensorflow as tf


def uniform(key: tf.Tensor, shape: Any) -> tf.Tensor:
    """Multiples of 2^-24 in [0, 1), float32, of a shape, drawn with a key, int64 `[2]`.

    The bits are those of Philox (Salmon et al. 2011).
    """
    bits = tf.random.stateless_uniform(
        shape, key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    return tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) * 2.0**-24


def normal(key: tf.Tensor, shape: Any, dtype: tf.DType) -> tf.Tensor:
    """Standard normal numbers of a shape, drawn with a key, int64 `[2]` (Box and Muller 1958)."""
    radius, angle = tf.unstack(uniform(key, tf.concat([[2], shape], axis=0)))
    radius = tf.sqrt(-2.0 * tf.math.log(radius + 2.0**-25))  # the logarithm's argument is not 0
    return tf.cast(radius * tf.cos(2 * math.pi * angle), dtype)


def uniform_of_samples(
    key: tf.Tensor, shape: Any, batch: tf.Tensor, offset: tf.Tensor, global_batch: tf.Tensor
) -> tf.Tensor:
    """Uniform numbers `[B, *shape]` of this replica's samples, a part of the global batch's.

    Args:
        key: Tensor `[2]`, int64.
        shape: Integers, the shape of one sample's draw, also as a tensor.
        batch: Scalar, the samples of this replica.
        offset: Scalar int32, the index of the first of them in the global batch.
        global_batch: Scalar int32, the samples of all replicas.
    """
    drawn = uniform(key, tf.concat([[global_batch], tf.cast(shape, tf.int32)], axis=0))
    return drawn[offset : offset + batch]
