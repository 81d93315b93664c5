"""Layers that give the same numbers on one device, on many, and after a reload."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat, distribution


class _EmptyBatch:
    """Makes a layer right for an empty batch, as the last replicas may have.

    TensorFlow's oneDNN kernels, the default on CPUs, give an empty convolution the shape of its
    *input* and fail in its gradient, and abort the process in that of an empty max pooling (2.15
    and 2.21). One device is never without samples, and the kernels for GPUs are right.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Calls the layer on `[B, ..., channels]`, unless B is 0."""
        if distribution.num_replicas() == 1 or tf.config.list_logical_devices("GPU"):
            return super().call(inputs)
        empty = (0, *self.compute_output_shape(inputs.shape)[1:])
        return tf.cond(
            tf.shape(inputs)[0] > 0,
            lambda: super(_EmptyBatch, self).call(inputs),
            lambda: tf.zeros(empty, inputs.dtype),
        )


@keras.saving.register_keras_serializable(package="amr_tf")
class Conv2D(_EmptyBatch, keras.layers.Conv2D):
    """`keras.layers.Conv2D` that is right on a replica without samples.

    On a CPU, the gradient of a convolution of stride 1 that keeps the size is taken as a
    convolution by the turned kernel: TensorFlow's own kernel for it takes up to twice as long.
    """

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """The convolution without the bias."""
        keeps_size = self.padding == "same" and self.strides == (1, 1) and self.groups == 1
        odd = all(size % 2 for size in self.kernel_size)
        plain = self.dilation_rate == (1, 1) and self.data_format == "channels_last"
        if keeps_size and odd and plain and not tf.config.list_logical_devices("GPU"):
            return _same_convolution(inputs, tf.convert_to_tensor(kernel))
        return super().convolution_op(inputs, kernel)


@tf.custom_gradient
def _same_convolution(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Convolves `[B, H, W, a]` by `[odd, odd, a, b]`, stride 1, zeros around."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        turned = tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
        of_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=inputs,
            filter_sizes=tf.shape(kernel),
            out_backprop=upstream,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return tf.nn.conv2d(upstream, turned, 1, "SAME"), of_kernel

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradient


@keras.saving.register_keras_serializable(package="amr_tf")
class MaxPooling2D(_EmptyBatch, keras.layers.MaxPooling2D):
    """`keras.layers.MaxPooling2D` that is right on a replica without samples."""


@keras.saving.register_keras_serializable(package="amr_tf")
class Conv3D(_EmptyBatch, keras.layers.Conv3D):
    """`keras.layers.Conv3D` that is right on a replica without samples."""


@keras.saving.register_keras_serializable(package="amr_tf")
class MaxPooling3D(_EmptyBatch, keras.layers.MaxPooling3D):
    """`keras.layers.MaxPooling3D` that is right on a replica without samples."""


@keras.saving.register_keras_serializable(package="amr_tf")
class Add(keras.layers.Add):
    """`keras.layers.Add` of tensors of one shape.

    Keras 3 takes the second tensor for a bias where it is known to be of shape (0, D) and fails.
    """

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Adds."""
        return tf.add_n(list(inputs))


@keras.saving.register_keras_serializable(package="amr_tf")
class StatelessDropout(keras.layers.Layer):
    """Dropout whose mask is a function of (seed, training calls so far, sample, feature) alone.

    Masks are drawn for the global batch, and each replica takes its part: any number of replicas
    drops what a single device drops, and a reloaded model goes on with the next mask.

    Args:
        rate: Probability of dropping a feature, in [0, 1); the others grow by 1 / (1 - rate).
        seed: Of the masks; give layers of one model different ones.

    Raises:
        ValueError: `rate` is outside [0, 1).
    """

    def __init__(self, rate: float, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be in [0, 1), not {rate!r}")
        self.rate = rate
        self.seed = seed
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes the counter of training calls."""
        self.calls = _compat.state(self, "calls", dtype="int64")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Drops in training; else returns the inputs `[B, ...]`."""
        if not training or not self.rate:
            return inputs
        shape = tf.shape(inputs)
        offset, global_batch = distribution.global_positions(shape[0])
        key = tf.stack([tf.constant(self.seed, tf.int64), tf.cast(self.calls, tf.int64)])
        drawn = tf.random.stateless_uniform(tf.concat([[global_batch], shape[1:]], 0), key)
        kept = drawn[offset : offset + shape[0]] >= self.rate
        self.calls.assign_add(1)
        return tf.where(kept, inputs / (1 - self.rate), tf.zeros_like(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable(package="amr_tf")
class FoldFrames(keras.layers.Layer):
    """Folds the frames of clips into the batch: `[B, T, ...]` -> `[B * T, ...]`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Folds."""
        return tf.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """Every dimension but the first two."""
        return (None, *input_shape[2:])


@keras.saving.register_keras_serializable(package="amr_tf")
class UnfoldFrames(keras.layers.Layer):
    """Undoes `FoldFrames`: `[B * T, D]` -> `[B, T, D]`.

    Args:
        frames: T.
    """

    def __init__(self, frames: int, **options: Any) -> None:
        super().__init__(**options)
        self.frames = frames

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Unfolds."""
        return tf.reshape(inputs, (-1, self.frames, inputs.shape[-1]))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """One row a clip and frame."""
        return (None, self.frames, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"frames": self.frames}


@keras.saving.register_keras_serializable(package="amr_tf")
class MeanOverFrames(UnfoldFrames):
    """Undoes `FoldFrames` and averages over the frames: `[B * T, D]` -> `[B, D]`.

    Args:
        frames: T.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Averages."""
        return tf.reduce_mean(super().call(inputs), axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """One row a clip."""
        return (None, input_shape[-1])


@keras.saving.register_keras_serializable(package="amr_tf")
class Cosine(keras.layers.Layer):
    """Cosine similarity along the last axis: `a·b / (|a| |b|)`, `[..., D]` twice -> `[...]`.

    The shapes broadcast. A vector shorter than 1e-6 has no direction: the value is 0 there, and
    so is the gradient, where the quotient would give 0 / 0.
    """

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """Of two tensors."""
        a, b = (_direction(x) for x in inputs)
        return tf.cast(tf.reduce_sum(a * b, axis=-1), inputs[0].dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The broadcast shape without the last axis."""
        a, b = (tuple(shape) for shape in input_shape)
        return tuple(tf.broadcast_static_shape(tf.TensorShape(a), tf.TensorShape(b)))[:-1]


def _direction(x: tf.Tensor) -> tf.Tensor:
    """`x / |x|` along the last axis; 0 for the zero vector. Squares need more than float16."""
    if x.dtype in (tf.float16, tf.bfloat16):
        x = tf.cast(x, tf.float32)
    squares = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    directed = squares > 1e-12
    return tf.where(directed, x * tf.math.rsqrt(tf.where(directed, squares, 1.0)), 0.0)
