"""What differs between Keras 2.15 and Keras 3, in one place."""

import os
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

KERAS_3 = int(keras.__version__.split(".")[0]) >= 3

if KERAS_3 and keras.backend.backend() != "tensorflow":
    raise ImportError(
        f"amr_tf needs Keras on TensorFlow, but its backend is {keras.backend.backend()!r}: "
        f"set KERAS_BACKEND=tensorflow (now {os.environ.get('KERAS_BACKEND')!r})"
    )


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


def apply_gradients(optimizer: Any, gradients: list, variables: list) -> None:
    """Applies gradients that are already summed over the replicas; a None leaves its variable."""
    pairs = [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
    if not pairs:
        return
    if KERAS_3:
        optimizer.apply_gradients(pairs)
    else:
        optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)


def state(layer: Any, name: str, shape: tuple[int, ...] = (), dtype: str = "float32") -> Any:
    """A weight of `layer` that isn't trained: zeros at first, one value for all replicas.

    A train step assigns to it what is the same on every replica.
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


def learning_rate_of(optimizer: Any) -> Any:
    """What the optimizer was given: the schedule itself, where `learning_rate` is its value now."""
    hyper = getattr(optimizer, "_hyper", None)  # Keras 2's older kind
    return hyper["learning_rate"] if hyper else optimizer._learning_rate


def carried_state(optimizer: Any) -> Any:
    """A layer that carries an optimizer's state into `.keras` files, or None if Keras does it."""
    if KERAS_3 or not isinstance(optimizer, keras.optimizers.legacy.Optimizer):
        return None
    from amr_tf import addons

    return addons.OptimizerState(optimizer)


def lamb(learning_rate: Any, weight_decay: float = 0.0) -> Any:
    """LAMB (You et al. 2020), the optimizer for large global batches.

    Keras 3 has its own. On Keras 2.15 it is tensorflow-addons'.
    """
    if KERAS_3:
        return keras.optimizers.Lamb(learning_rate, weight_decay=weight_decay)
    from amr_tf import addons

    return addons.LAMB(learning_rate, weight_decay=weight_decay)


def snapshot(model: Any) -> list[Any]:
    """The values of all of a compiled model's variables, both optimizers' among them."""
    return [v.numpy() for v in _all_variables(model)]


def restore(model: Any, values: list[Any]) -> None:
    """Puts back what `snapshot` took."""
    for variable, value in zip(_all_variables(model), values, strict=True):
        variable.assign(value)


def _all_variables(model: Any) -> list[Any]:
    variables = list(model.variables)
    for optimizer in filter(None, (model.optimizer, model.amr_optimizer)):
        found = optimizer.variables  # Keras 2's older kind has a method there
        variables += found() if callable(found) else found
    return variables


def tf_variables(layers: Iterable[Any]) -> list[tf.Variable]:
    """The layers' variables as TensorFlow's own, which a SavedModel tracks."""
    return [v.value if KERAS_3 else v for layer in layers for v in layer.variables]
