"""Batch normalisation over the global batch, quick on one device."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution

__all__ = ["SyncBatchNormalization"]


@keras.saving.register_keras_serializable(package="amr_tf")
class SyncBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation (Ioffe and Szegedy 2015) over the global batch of all replicas.

    What `keras.layers.BatchNormalization(synchronized=True)` promises. That one takes the variance
    for `E[x^2] - E[x]^2`, which loses digits where the mean is large, never uses TensorFlow's fused
    kernels, and in Keras 2.15 forgets the argument in saved models and has its moving averages
    spoilt by a replica without samples. Masks are not looked at.

    Example:
        >>> norm = amr_tf.normalization.SyncBatchNormalization(momentum=0.9)
        >>> normalised = norm(tf.constant([[1.0], [3.0]]), training=True)
        >>> normalised.numpy().round(2).tolist()
        [[-1.0], [1.0]]

    Args:
        **options: Options of `keras.layers.BatchNormalization`; the axis is the last.
    """

    def __init__(self, **options: Any) -> None:
        options.pop("synchronized", None)  # Keras 3 puts it into the configuration
        super().__init__(synchronized=True, **options)

    def build(self, input_shape: Any) -> None:
        """Makes the weights.

        Raises:
            ValueError: The axis is not the last.
        """
        super().build(input_shape)
        axis = self.axis if isinstance(self.axis, int) else self.axis[0]
        if axis not in (-1, len(input_shape) - 1):
            raise ValueError(f"{self.name}: channels must be the last axis, not axis {axis}")

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalises `[B, ..., channels]`, in training by the global batch's moments."""
        if not training or not self.trainable:
            return super().call(inputs, training=False)
        fusible = len(inputs.shape) in (4, 5) and self.scale and self.center
        if fusible and distribution.num_replicas() == 1 and self.compute_dtype != "float64":
            outputs, mean, variance = self._fused(tf.cast(inputs, self.compute_dtype))
        else:
            outputs, mean, variance = self._synchronised(inputs)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return outputs

    def _fused(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs, mean and variance of one device's batch."""
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            data_format="NHWC" if len(inputs.shape) == 4 else "NDHWC",
        )
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        # the kernel's variance is the unbiased one
        return outputs, mean, variance * tf.maximum(count - 1, 1) / count

    def _synchronised(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs, mean and variance of the global batch; this replica's part may be empty."""
        x = tf.cast(inputs, self.moving_mean.dtype)
        axes = list(range(len(x.shape) - 1))
        count = tf.cast(tf.size(x) // x.shape[-1], x.dtype)
        total, count = distribution.global_sum([tf.reduce_sum(x, axes), count])
        mean = total / count
        centred = x - mean
        (squares,) = distribution.global_sum([tf.reduce_sum(centred**2, axes)])
        variance = squares / count
        factor = tf.math.rsqrt(variance + self.epsilon)
        outputs = centred * (factor * self.gamma if self.scale else factor)
        if self.center:
            outputs += self.beta
        return tf.cast(outputs, self.compute_dtype), mean, variance
