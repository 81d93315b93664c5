"""The differences between Keras 2.15 and Keras 3, in one place."""

import os
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

KERAS_3 = int(keras.__version__.split(".")[0]) >= 3
_LossScaleOptimizer = (
    keras.optimizers.LossScaleOptimizer if KERAS_3 else keras.mixed_precision.LossScaleOptimizer
)

if KERAS_3 and keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"amr_tf needs Keras on TensorFlow, but its backend is {keras.backend.backend()!r}: "
        f"set KERAS_BACKEND=tensorflow (now {os.environ.get('KERAS_BACKEND')!r})"
    )

if KERAS_3:  # registers its class, which files of saved models name
    from amr_tf import _lamb_keras_3


def take_summed_gradients(optimizer: Any) -> None:
    """Makes an optimizer expect gradients that are already summed over the replicas.

    The train step sums them itself, once, since it logs the norm and the angle of the sums. Keras 2
    has an argument for that (see `apply_gradients`). Keras 3 always sums inside `apply`, after it
    clipped or checked each replica's own part, which is wrong for `clipnorm`, `global_clipnorm`
    and loss scaling alike: with the sum switched off, all three see the true gradient.
    """
    if not KERAS_3:
        return
    for part in (optimizer, getattr(optimizer, "inner_optimizer", None)):
        if part is not None:
            part._all_reduce_sum_gradients = list


def apply_gradients(optimizer: Any, gradients: list, variables: list, again: bool = False) -> None:
    """Applies gradients that are already summed over the replicas; a None leaves its variable.

    Args:
        optimizer: Optimizer, built.
        gradients: List of tensors.
        variables: List of the variables that they are of.
        again: Boolean, whether the step has applied others before: it counts once in schedules.
    """
    pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
    if not pairs:
        return
    iterations = getattr(optimizer, "inner_optimizer", optimizer).iterations
    counted = tf.identity(iterations)
    if KERAS_3:
        if (scale := loss_scale(optimizer)) is not None:
            pairs = [(g * scale, v) for g, v in pairs]  # it divides by its scale itself
        optimizer.apply_gradients(pairs)
    else:
        optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)
    if again:
        iterations.assign(counted)


def state(layer: Any, name: str, shape: tuple[int, ...] = (), dtype: str = "float32") -> Any:
    """A weight of `layer` that isn't trained: it starts at zero and is the same on all replicas.

    A train step must assign the same value on every replica.
    """
    aggregation = "only_first_replica" if KERAS_3 else tf.VariableAggregation.ONLY_FIRST_REPLICA
    return layer.add_weight(
        name=name,
        shape=shape,
        dtype=dtype,
        initializer="zeros",
        trainable=False,
        aggregation=aggregation,
    )


def steps_per_execution(model: Any) -> Any:
    """The number of steps that one call of a model's train function makes; None for just one.

    On Keras 2.15 it is a variable, which `fit` lowers for an epoch's last call.
    """
    if KERAS_3:
        return model.steps_per_execution if model.steps_per_execution > 1 else None
    one = model._steps_per_execution.numpy() == 1 and not model.autotune_steps_per_execution
    return None if one else model._steps_per_execution


def learning_rate_of(optimizer: Any) -> Any:
    """The learning rate that an optimizer was given, which may be a schedule."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    hyper = getattr(optimizer, "_hyper", None)  # Keras 2's older kind
    return hyper["learning_rate"] if hyper else optimizer._learning_rate


def learning_rate_now(optimizer: Any) -> float:
    """The value of an optimizer's learning rate."""
    return float(
        tf.convert_to_tensor(getattr(optimizer, "inner_optimizer", optimizer).learning_rate)
    )


def unsaved_optimizer_state(optimizer: Any) -> Any:
    """A layer that saves what `.keras` files omit of an optimizer; None if they omit nothing."""
    if KERAS_3:
        return None
    if isinstance(optimizer, _LossScaleOptimizer):
        scale = optimizer._loss_scale
        return UnsavedOptimizerState([scale.current_loss_scale, scale.counter], "loss_scale_state")
    if isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        return UnsavedOptimizerState(optimizer.variables(), "lamb_state")
    return None


class UnsavedOptimizerState(keras.layers.Layer):
    """Carries variables into `.keras` files, where Keras 2.15 looks at layers only.

    Args:
        variables: List of variables of an optimizer.
        name: String, the name of the layer.
    """

    def __init__(self, variables: list[tf.Variable], name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.variables_of_optimizer = lambda: variables  # not the layer's own, for Keras
        self.built = True

    def save_own_variables(self, store: Any) -> None:
        """Writes them."""
        for i, variable in enumerate(self.variables_of_optimizer()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads them."""
        for i, variable in enumerate(self.variables_of_optimizer()):
            variable.assign(store[str(i)][()])


def unrepeatable_layers(layer: Any) -> list[Any]:
    """Layers within whose random draws can't be repeated by putting their state back."""
    if KERAS_3:
        return []
    from keras.src.engine.base_layer import BaseRandomLayer

    return [part for part in layer._flatten_layers() if isinstance(part, BaseRandomLayer)]


def loss_scale(optimizer: Any) -> tf.Tensor | None:
    """The factor by which an optimizer wants losses multiplied, float32; None if there is none."""
    if not isinstance(optimizer, _LossScaleOptimizer):
        return None
    return tf.convert_to_tensor(optimizer.dynamic_scale if KERAS_3 else optimizer.loss_scale)


def scaled_like(optimizer: Any, other: Any) -> Any:
    """The optimizer, with loss scaling where `other` has it."""
    if not isinstance(other, _LossScaleOptimizer) or isinstance(optimizer, _LossScaleOptimizer):
        return optimizer
    return _LossScaleOptimizer(optimizer)


def origin(tensor: Any) -> tuple[Any, list[Any]]:
    """The layer or operation that made a symbolic tensor, and the tensors that it was made of."""
    history = tensor._keras_history
    layer = history.operation if KERAS_3 else history.layer
    node = layer._inbound_nodes[history.node_index]
    return layer, list(node.input_tensors if KERAS_3 else node.keras_inputs)


def changing_state(layer: Any) -> list[tf.Variable]:
    """The variables that a call of a layer in training mode changes: counters, moving averages."""
    parts = [part for part in layer._flatten_layers() if part.trainable]
    found = [
        v
        for part in parts
        for v in (part._non_trainable_variables if KERAS_3 else part._non_trainable_weights)
    ]
    if KERAS_3:
        found += [generator.state for part in parts for generator in part._seed_generators]
    return values_of({id(v): v for v in found}.values())


def lamb(
    learning_rate: Any, weight_decay: float | None = None, global_clipnorm: float | None = None
) -> Any:
    """LAMB (You et al. 2020, arXiv 1904.00962, algorithm 2), for large global batches.

    The weight decay, of every variable, is part of the update whose norm the ratio is taken of.
    On Keras 2.15 it comes from tensorflow-addons.

    Raises:
        ValueError: The policy is `mixed_float16`, on Keras 2.15.
    """
    if not KERAS_3 and keras.mixed_precision.global_policy().name == "mixed_float16":
        raise ValueError("LAMB of tensorflow-addons can't scale losses: take mixed_bfloat16")
    if KERAS_3:
        kind = _lamb_keras_3.LAMB
    else:
        from amr_tf import _lamb

        kind = _lamb.LAMB
    options = {"global_clipnorm": global_clipnorm} if global_clipnorm else {}
    return kind(learning_rate, weight_decay=weight_decay or 0.0, epsilon=1e-6, **options)


def snapshot(model: Any) -> list[Any]:
    """The values of all of a compiled model's variables, both optimizers' among them."""
    return [v.numpy() for v in all_variables(model)]


def restore(model: Any, values: list[Any]) -> None:
    """Restores the values that `snapshot` took."""
    for variable, value in zip(all_variables(model), values, strict=True):
        variable.assign(value)


def all_variables(model: Any) -> list[Any]:
    """A compiled model's variables, both optimizers' among them."""
    variables = list(model.variables)
    for optimizer in filter(None, (model.optimizer, model.amr_optimizer)):
        found = optimizer.variables  # Keras 2's older kind has a method there
        variables += found() if callable(found) else found
    return variables


def tf_variables(layers: Iterable[Any]) -> list[tf.Variable]:
    """The layers' variables as TensorFlow's own, which a SavedModel tracks."""
    return values_of(v for layer in layers for v in layer.variables)


def values_of(variables: Iterable[Any]) -> list[tf.Variable]:
    """Keras' variables as TensorFlow's own."""
    return [getattr(v, "value", v) if KERAS_3 else v for v in variables]
