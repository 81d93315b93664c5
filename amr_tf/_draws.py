"""Random numbers that are a function of a key alone: on any device, with XLA and without."""

from typing import Any

import tensorflow as tf

_ALGORITHM = "philox"  # TensorFlow's own choice draws other numbers where XLA compiles it


def uniform(key: tf.Tensor, shape: Any) -> tf.Tensor:
    """float32 in [0, 1) of a shape, drawn with a key, int64 `[2]`."""
    return tf.random.stateless_uniform(shape, key, alg=_ALGORITHM)


def normal(key: tf.Tensor, shape: Any, dtype: tf.DType) -> tf.Tensor:
    """Standard normal numbers of a shape, drawn with a key, int64 `[2]`."""
    return tf.random.stateless_normal(shape, key, dtype=dtype, alg=_ALGORITHM)


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
