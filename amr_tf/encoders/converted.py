"""Keras' own networks, made of layers that have seeds, work on all replicas, and can be saved."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat
from amr_tf.encoders.common import Initializers
from amr_tf.normalization import SyncBatchNormalization


def converted(model: keras.Model, initializers: Initializers, name: str) -> keras.Model:
    """A copy of a functional model with weights of its own, one by one of the same shapes.

    Batch normalisation becomes `SyncBatchNormalization`, dropout the identity; what Keras'
    networks hold that a saved model may not name becomes a layer of this file.

    Args:
        model: Model, functional; nested sequential models are converted, too.
        initializers: Initializers, the source of the initial weights' seeds.
        name: String, the copy's name.
    """

    def convert(layer: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            return keras.models.clone_model(layer, clone_function=convert)
        if isinstance(layer, keras.layers.Dropout):
            return keras.layers.Activation("linear", name=layer.name)
        kind = type(layer).__name__
        if kind in ("TFOpLambda", "Add", "Multiply") and not isinstance(layer, _MERGES):
            return _arithmetic(layer)
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            return FixedStatistics(name=layer.name)
        if kind == "LayerScale":
            return LayerScale(layer.init_values, name=layer.name)
        config = _seeded(layer.get_config(), initializers)
        if isinstance(layer, keras.layers.BatchNormalization):
            return SyncBatchNormalization.from_config(config)
        return type(layer).from_config(config)

    options = {"call_function": _call} if _compat.KERAS_3 else {}
    copy = keras.models.clone_model(model, clone_function=convert, **options)
    return keras.Model(copy.input, copy.output, name=name)


def _call(layer: Any, *arguments: Any, **options: Any) -> Any:
    """Calls a layer where Keras 3 called the one that it stands for."""
    if isinstance(layer, SyncBatchNormalization):
        options.pop("mask", None)  # always an empty one
    if isinstance(layer, Arithmetic):  # a layer's numbers must have names
        arguments, options = arguments[:1], {"y": arguments[1]}
    return layer(*arguments, **options)


_MERGES = (keras.layers.Add, keras.layers.Multiply)


def _seeded(config: Any, initializers: Initializers) -> Any:
    """A layer's configuration, its random initializers with seeds of their own."""
    if not isinstance(config, dict):
        return config
    new = {key: _seeded(value, initializers) for key, value in config.items()}
    return new | {"seed": initializers.seed()} if "seed" in new else new


def _arithmetic(operation: Any) -> "Arithmetic":
    """`x + 3` or `x * 3`, an operation of Keras that is no layer or brings a function's name."""
    function = operation.get_config().get("function", type(operation).__name__)
    return Arithmetic("add" if "add" in function.lower() else "multiply", name=operation.name)


@keras.saving.register_keras_serializable(package="amr_tf")
class Arithmetic(keras.layers.Layer):
    """Adds a number or multiplies with one, which is given with each call.

    Args:
        operation: String, `add` or `multiply`.
    """

    def __init__(self, operation: str, **options: Any) -> None:
        super().__init__(**options)
        self.operation = operation

    def call(self, x: tf.Tensor, y: float, name: str | None = None) -> tf.Tensor:
        """`x + y` or `x * y`; the name is one that Keras 2.15 passes on."""
        return x + y if self.operation == "add" else x * y

    def compute_output_shape(self, x_shape: Any, *shapes: Any, **more: Any) -> Any:
        """The shape of x."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"operation": self.operation}


@keras.saving.register_keras_serializable(package="amr_tf")
class LayerScale(keras.layers.Layer):
    """A learnt factor for each channel (Touvron et al. 2021, arXiv 2103.17239).

    Args:
        initial: Number, the initial value of the factors.
    """

    def __init__(self, initial: float, **options: Any) -> None:
        super().__init__(**options)
        self.initial = initial

    def build(self, input_shape: Any) -> None:
        """Makes the factors."""
        self.gamma = self.add_weight(
            name="gamma",
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial),
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Multiplies each channel by its factor."""
        return inputs * self.gamma

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"initial": self.initial}


@keras.saving.register_keras_serializable(package="amr_tf")
class FixedStatistics(keras.layers.Layer):
    """`(x - mean) / sqrt(variance)` by channel, of statistics that come with a file of weights.

    `keras.layers.Normalization` keeps a copy of its weights, which `set_weights` leaves behind.
    The weights are that layer's: mean, variance, and a count, which is not read.
    """

    def build(self, input_shape: Any) -> None:
        """Makes the statistics: those that change nothing."""
        channels = (input_shape[-1],)
        fixed = {"trainable": False, "dtype": "float32"}
        self.mean = self.add_weight(name="mean", shape=channels, initializer="zeros", **fixed)
        self.variance = self.add_weight(
            name="variance", shape=channels, initializer="ones", **fixed
        )
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", **fixed)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises, in float32."""
        mean, variance = (tf.cast(v, tf.float32) for v in (self.mean, self.variance))
        outputs = (tf.cast(inputs, tf.float32) - mean) / tf.sqrt(tf.maximum(variance, 1e-14))
        return tf.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the inputs."""
        return input_shape
