"""Batch normalisation over the global batch, with fused kernels on one device and on replicas.

On replicas one message goes forward and one backward a layer. Forward: each replica's count, mean
and sum of centred squares, from which Chan, Golub and LeVeque (1979) have the whole batch's without
cancellation. Backward: the sums of `dy` and `dy * normal` (Ioffe and Szegedy 2015, section 3).
"""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution

__all__ = ["SyncBatchNormalization"]


@keras.saving.register_keras_serializable(package="amr_tf")
class SyncBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation (Ioffe and Szegedy 2015) over the global batch of all replicas.

    It does what `keras.layers.BatchNormalization(synchronized=True)` promises. That layer takes the
    variance for `E[x^2] - E[x]^2`, which loses digits where the mean is large, never uses
    TensorFlow's fused kernels, and in Keras 2.15 forgets the argument in saved models and has its
    moving averages spoilt by a replica without samples. Masks are not looked at.

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
        x = tf.cast(inputs, self.compute_dtype)
        kernels = x.dtype != tf.float64
        if kernels and distribution.num_replicas() > 1:
            outputs, *moments = self._synchronised(x)
            moved = self._moved(moments)
        elif kernels and len(x.shape) in (4, 5) and self.scale and self.center:
            outputs, *moved = self._fused(x)
        else:
            outputs, *moments = _by_formula(inputs, *self._scale_and_offset(), self.epsilon)
            outputs, moved = tf.cast(outputs, self.compute_dtype), self._moved(moments)
        self.moving_mean.assign(moved[0])
        self.moving_variance.assign(moved[1])
        return outputs

    def _moved(self, moments: list[tf.Tensor]) -> list[tf.Tensor]:
        """What the moving mean and variance become."""
        moving = (self.moving_mean, self.moving_variance)
        return [m - (m - new) * (1 - self.momentum) for m, new in zip(moving, moments, strict=True)]

    def _fused(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs of one device's batch, and what the moving mean and variance become."""
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        biased = tf.maximum(count - 1, 1) / count  # the kernel's variance is the unbiased one
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=self.moving_mean,
            variance=self.moving_variance / biased,
            epsilon=self.epsilon,
            exponential_avg_factor=1 - self.momentum,
            data_format="NHWC" if len(inputs.shape) == 4 else "NDHWC",
        )
        return outputs, mean, variance * biased

    def _synchronised(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs, mean and variance of the global batch; this replica's part may be empty."""
        images = inputs
        if len(inputs.shape) != 4:
            images = tf.reshape(inputs, [-1, 1, 1, inputs.shape[-1]])
        outputs, mean, variance = _synchronised(images, *self._scale_and_offset(), self.epsilon)
        return tf.reshape(outputs, tf.shape(inputs)), mean, variance

    def _scale_and_offset(self) -> tuple[tf.Tensor, tf.Tensor]:
        shape, dtype = self.moving_mean.shape, self.moving_mean.dtype
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones(shape, dtype)
        return scale, tf.convert_to_tensor(self.beta) if self.center else tf.zeros(shape, dtype)


def _moments(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean and variance of each channel over the global batch, its count, and `x - mean`."""
    axes = list(range(len(x.shape) - 1))
    count = tf.cast(tf.size(x) // x.shape[-1], x.dtype)
    mean = tf.reduce_sum(x, axes) / tf.maximum(count, 1)
    centred = x - mean
    squares = tf.reduce_sum(centred**2, axes)
    if distribution.num_replicas() > 1:
        parts = distribution.gather(tf.concat([[count], mean, squares], axis=0))
        counts, means, squares = tf.split(parts, [1, x.shape[-1], x.shape[-1]], axis=1)
        count = tf.reduce_sum(counts)
        mean = tf.reduce_sum(counts / count * means, axis=0)
        squares = tf.reduce_sum(squares + counts * (means - mean) ** 2, axis=0)
        centred = x - mean
    return mean, squares / count, count, centred


def _by_formula(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Outputs, mean and variance in the scale's dtype, differentiable to any order."""
    mean, variance, _, centred = _moments(tf.cast(x, scale.dtype))
    factor = tf.math.rsqrt(variance + epsilon)
    return centred * (factor * scale) + offset, mean, variance


def _synchronised(
    x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The same as `_by_formula` for images `[B, H, W, C]`, by kernels that read half precision."""

    def affine(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, *moments: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=moments[0],
            variance=moments[1],
            epsilon=epsilon,
            is_training=False,
        ).y

    @tf.custom_gradient
    def gradients(dy: tf.Tensor, x: tf.Tensor, scale: tf.Tensor, *moments: tf.Tensor) -> Any:
        """Those of x, through the moments of all replicas, and this replica's of the two others."""
        mean, variance, count = moments
        dx, dscale, doffset, *_ = tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=dy,
            x=x,
            scale=scale,
            reserve_space_1=mean,
            reserve_space_2=variance,
            reserve_space_3=tf.zeros([]),
            epsilon=epsilon,
            is_training=False,  # of constant moments
        )
        (means,) = distribution.global_sum([tf.stack([dscale, doffset]) / count])
        through_moments = -scale * tf.math.rsqrt(variance + epsilon) * means
        dx += affine(x, through_moments[0], through_moments[1], mean, variance)

        def second_order(*upstream: tf.Tensor) -> tuple:
            return (*_second_order(dy, x, scale, epsilon, upstream), None, None, None)

        return (dx, dscale, doffset), second_order

    # the moments are arguments: TensorFlow looks for variables in all that a function captures
    @tf.custom_gradient
    def normalised(
        x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, *moments: tf.Tensor
    ) -> tuple[tf.Tensor, Any]:
        def gradient(dy: tf.Tensor) -> tuple:
            return (*gradients(dy, x, scale, *moments), None, None, None)

        return affine(x, scale, offset, *moments), gradient

    mean, variance, count, _ = _moments(tf.cast(tf.stop_gradient(x), scale.dtype))
    return normalised(x, scale, offset, mean, variance, count), mean, variance


def _second_order(
    dy: tf.Tensor, x: tf.Tensor, scale: tf.Tensor, epsilon: float, upstream: tuple
) -> list[tf.Tensor]:
    """Gradients of the gradients of x, scale and offset, in dy, x and the scale."""
    with tf.GradientTape() as tape:
        tape.watch((dy, x, scale))
        with tf.GradientTape() as inner:
            inner.watch((x, scale))
            outputs, *_ = _by_formula(x, scale, tf.zeros_like(scale), epsilon)
        wide = tf.cast(dy, scale.dtype)
        found = inner.gradient(outputs, (x, scale), wide)
        found = (*found, tf.reduce_sum(wide, list(range(len(x.shape) - 1))))
    return tape.gradient(found, (dy, x, scale), upstream)
