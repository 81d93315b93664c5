"""Layers that give the same numbers on one device, on many, and after a reload."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat, _draws, distribution

__all__ = [
    "Cosine",
    "FoldFrames",
    "MeanOver",
    "MeanOverFrames",
    "ReverseChannels",
    "StatelessDropout",
    "SubtractMeanOverFrames",
    "UnfoldFrames",
]


@keras.saving.register_keras_serializable(package="amr_tf")
class StatelessDropout(keras.layers.Layer):
    """Dropout whose mask depends only on (seed, training calls so far, sample, feature).

    Masks are drawn for the global batch, and each replica takes its part: any number of replicas
    drops what a single device drops, and a reloaded model goes on with the next mask.

    Example:
        >>> dropout = amr_tf.layers.StatelessDropout(0.5, seed=1)
        >>> dropped = dropout(tf.ones([2, 8]), training=True)
        >>> bool(tf.reduce_all((dropped == 0) | (dropped == 2)))
        True

    Args:
        rate: Number, the probability of dropping a feature, in [0, 1); the others grow by
            1 / (1 - rate).
        seed: Integer, the seed of the masks; give layers of one model different ones.

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
        drawn = _draws.uniform_of_samples(key, shape[1:], shape[0], offset, global_batch)
        self.calls.assign_add(1)
        return tf.where(drawn >= self.rate, inputs / (1 - self.rate), tf.zeros_like(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable(package="amr_tf")
class FoldFrames(keras.layers.Layer):
    """Folds the frames of clips into the batch: `[B, T, ...]` -> `[B * T, ...]`.

    Example:
        >>> amr_tf.layers.FoldFrames()(tf.zeros([2, 3, 8, 8, 1])).shape
        TensorShape([6, 8, 8, 1])
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Folds the first two dimensions into one."""
        return tf.reshape(inputs, (-1, *inputs.shape[2:]))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The shape of the folded frames."""
        return (None, *input_shape[2:])


@keras.saving.register_keras_serializable(package="amr_tf")
class UnfoldFrames(keras.layers.Layer):
    """Undoes `FoldFrames`: `[B * T, ...]` -> `[B, T, ...]`.

    Example:
        >>> amr_tf.layers.UnfoldFrames(frames=3)(tf.zeros([6, 5])).shape
        TensorShape([2, 3, 5])

    Args:
        frames: Integer, the frames of a clip, T.
    """

    def __init__(self, frames: int, **options: Any) -> None:
        super().__init__(**options)
        self.frames = frames

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Unfolds the first dimension into two."""
        return tf.reshape(inputs, (-1, self.frames, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The shape of the unfolded frames."""
        return (None, self.frames, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"frames": self.frames}


@keras.saving.register_keras_serializable(package="amr_tf")
class MeanOverFrames(UnfoldFrames):
    """Undoes `FoldFrames` and averages over the frames: `[B * T, ...]` -> `[B, ...]`.

    Example:
        >>> amr_tf.layers.MeanOverFrames(frames=3)(tf.zeros([6, 5])).shape
        TensorShape([2, 5])

    Args:
        frames: Integer, the frames of a clip, T.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Averages the inputs."""
        return tf.reduce_mean(super().call(inputs), axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """One row a clip."""
        return (None, *input_shape[1:])


@keras.saving.register_keras_serializable(package="amr_tf")
class SubtractMeanOverFrames(UnfoldFrames):
    """Subtracts the clip's mean from folded frames: `[B * T, ...]`, same shape.

    Example:
        >>> x = tf.constant([[1.0], [3.0], [5.0], [5.0]])  # two clips of two frames
        >>> amr_tf.layers.SubtractMeanOverFrames(frames=2)(x).numpy().ravel().tolist()
        [-1.0, 1.0, 0.0, 0.0]

    Args:
        frames: Integer, the frames of a clip, T.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Subtracts the mean over each clip's frames."""
        frames = super().call(inputs)
        left = frames - tf.reduce_mean(frames, axis=1, keepdims=True)
        return tf.reshape(left, (-1, *inputs.shape[1:]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


@keras.saving.register_keras_serializable(package="amr_tf")
class MeanOver(keras.layers.Layer):
    """Averages over some of the axes, e.g. steps of which there may be any number.

    Example:
        >>> amr_tf.layers.MeanOver([1])(tf.zeros([2, 3, 5])).shape
        TensorShape([2, 5])

    Args:
        axes: Sequence of integers, the axes, 1 or more each.
    """

    def __init__(self, axes: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.axes = list(axes)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Averages the inputs."""
        return tf.reduce_mean(inputs, axis=list(self.axes))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The other axes."""
        return tuple(size for axis, size in enumerate(input_shape) if axis not in self.axes)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"axes": list(self.axes)}


@keras.saving.register_keras_serializable(package="amr_tf")
class ReverseChannels(keras.layers.Layer):
    """Turns red, green, blue into blue, green, red: reverses the last axis.

    Example:
        >>> amr_tf.layers.ReverseChannels()(tf.constant([[1.0, 2.0, 3.0]])).numpy().tolist()
        [[3.0, 2.0, 1.0]]
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Reverses the last axis."""
        return tf.reverse(inputs, axis=[-1])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape


@keras.saving.register_keras_serializable(package="amr_tf")
class Cosine(keras.layers.Layer):
    """Cosine similarity along the last axis: `a·b / (|a| |b|)`, `[..., D]` twice -> `[...]`.

    The shapes broadcast. A vector shorter than 1e-6 has no direction: the value is 0 there, and
    so is the gradient, where the quotient would give 0 / 0.

    Example:
        >>> a, b = tf.constant([[3.0, 4.0]]), tf.constant([[4.0, 3.0]])
        >>> round(float(amr_tf.layers.Cosine()([a, b])[0]), 4)
        0.96
    """

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """The similarity of two tensors."""
        a, b = (direction(x) for x in inputs)
        return tf.cast(tf.reduce_sum(a * b, axis=-1), inputs[0].dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The broadcast shape without the last axis."""
        a, b = (tuple(shape) for shape in input_shape)
        return tuple(tf.broadcast_static_shape(tf.TensorShape(a), tf.TensorShape(b)))[:-1]


def direction(x: tf.Tensor) -> tf.Tensor:
    """`x / |x|` along the last axis; 0 for the zero vector. Squares need more than float16."""
    if x.dtype in (tf.float16, tf.bfloat16):
        x = tf.cast(x, tf.float32)
    squares = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
    directed = squares > 1e-12
    return tf.where(directed, x * tf.math.rsqrt(tf.where(directed, squares, 1.0)), 0.0)
