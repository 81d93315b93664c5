"""The one place that touches the replica context: global sums, means and positions.

Under a `tf.distribute` strategy a train step runs once per replica, on its part of the global
batch. Every quantity of the batch that the paper averages is an average over the *global* batch;
a replica's loss is its share of the one-device loss, so that the sum of the replicas' gradients
is the one-device gradient.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def num_replicas() -> int:
    """The number of replicas in step with this one; 1 outside of a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def on_gpus(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy's replicas are GPUs."""
    try:
        devices = strategy.extended.worker_devices
    except RuntimeError:  # TensorFlow's default one has none: it takes a GPU where there is one
        return bool(tf.config.list_logical_devices("GPU"))
    return all("GPU" in device for device in devices)


def global_sum(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Sums each tensor over the replicas, all in one call.

    Args:
        tensors: Tensors of any shape and dtype, of the same shape on every replica.

    Returns:
        The sums. On one device, and while Keras builds a model symbolically, the tensors.
    """
    tensors = list(tensors)
    context = tf.distribute.get_replica_context()
    if context is None or num_replicas() == 1 or not tensors:
        return tensors
    return list(context.all_reduce(tf.distribute.ReduceOp.SUM, tensors))


def gather(vector: tf.Tensor) -> tf.Tensor:
    """Each replica's vector as a row: `[n]` -> `[replicas, n]`, in one message."""
    context = tf.distribute.get_replica_context()
    if context is None or num_replicas() == 1:
        return vector[tf.newaxis]
    here = tf.one_hot(context.replica_id_in_sync_group, num_replicas(), dtype=vector.dtype)
    (rows,) = global_sum([here[:, tf.newaxis] * vector])
    return rows


def global_positions(batch_size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The place of this replica's samples in the global batch.

    Random draws are made for the global batch and each replica takes its part, so that any
    number of replicas draws what a single device draws.

    Args:
        batch_size: Samples on this replica, int32 scalar; may be 0.

    Returns:
        Index of this replica's first sample and size of the global batch, int32 scalars.
    """
    batch_size = tf.cast(batch_size, tf.int32)
    context = tf.distribute.get_replica_context()
    if context is None or num_replicas() == 1:
        return tf.zeros_like(batch_size), batch_size
    here = tf.one_hot(context.replica_id_in_sync_group, num_replicas(), dtype=tf.int32)
    (sizes,) = global_sum([here * batch_size])
    offset = tf.reduce_sum(
        sizes * tf.cast(tf.range(num_replicas()) < context.replica_id_in_sync_group, tf.int32)
    )
    return offset, tf.reduce_sum(sizes)


def sum_gradients(gradients: Sequence) -> list:
    """Sums gradients over the replicas in one call; None (no path to the variable) stays None."""
    dense = [tf.convert_to_tensor(g) for g in gradients if g is not None]
    sums = iter(global_sum(dense))
    return [None if g is None else next(sums) for g in gradients]


def restore(variables: Sequence, values: Sequence[tf.Tensor], unless: tf.Tensor) -> None:
    """Gives variables, whatever their kind, earlier values back.

    Args:
        variables: TensorFlow variables.
        values: Tensors of this replica, one for each variable.
        unless: Boolean scalar, whether they stay as they are; the same on every replica.
    """

    def assign(variable: tf.Variable, value: tf.Tensor, keep: tf.Tensor) -> tf.Tensor:
        return variable.assign(tf.where(keep, tf.convert_to_tensor(variable), value))

    context = tf.distribute.get_replica_context()
    if context is None or num_replicas() == 1:
        for variable, value in zip(variables, values, strict=True):
            assign(variable, value, unless)
        return

    def update(strategy: tf.distribute.Strategy, values: Sequence, keep: Any) -> None:
        # a variable of its own a replica, without an aggregation, takes no value in one
        for variable, value in zip(variables, values, strict=True):
            strategy.extended.update(variable, assign, args=(value, keep))

    context.merge_call(update, args=(list(values), unless))
