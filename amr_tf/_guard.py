"""Steps whose numbers are not finite: counted, and undone on demand."""

from typing import Any

import tensorflow as tf

from amr_tf import _compat, distribution


class FiniteGuard:
    """Watches a model's steps for NaN and infinity.

    A step is bad where a gradient of the task, summed over the replicas, is not finite (with loss
    scaling, where that is a matter of course, where the loss is not). The model's weights
    `nonfinite_steps` and `first_nonfinite_step` (numbered from 1, 0 for none) tell of it.

    Args:
        model: MultimodalClassifier, compiled; a bad step spoils its state, and that of both
            optimizers and of the metrics.
        skip: Boolean, whether bad steps are undone: only the counts of steps change, so
            that training goes on with the next batch. Costs a copy of all variables a step.
    """

    def __init__(self, model: Any, skip: bool) -> None:
        self._model = model
        self._before: list[tf.Tensor] = []
        self._spoiled: list[tf.Variable] = []
        self._finite: list[tf.Tensor] = []
        if skip:
            kept = {id(v) for v in _compat.values_of(model.steps_counted)}
            variables = _compat.all_variables(model)
            for metric in model.metrics:
                variables += metric.variables
            self._spoiled = [v for v in _compat.values_of(variables) if id(v) not in kept]
            self._before = [tf.identity(v) for v in self._spoiled]

    def check(self, loss: tf.Tensor, gradients: list) -> None:
        """Checks one update of the step; a step is good if all of its updates are finite.

        Args:
            loss: Scalar, this replica's share of the task loss.
            gradients: Sequence of tensors, the task's gradients, summed over the replicas.
        """
        if _compat.loss_scale(self._model.optimizer) is not None:
            (value,) = distribution.global_sum([tf.cast(loss, tf.float32)])
        else:
            value = tf.linalg.global_norm([g for g in gradients if g is not None])
        self._finite.append(tf.math.is_finite(value))

    def conclude(self) -> None:
        """Counts the step if it was bad, and puts everything back; call it when all is updated."""
        finite = tf.reduce_all(tf.stack(self._finite))
        bad = tf.cast(~finite, tf.int64)
        count = self._model.nonfinite_steps
        first = self._model.first_nonfinite_step
        step = tf.convert_to_tensor(self._model.step) + 1
        unseen = tf.cast(tf.equal(tf.convert_to_tensor(first), 0), tf.int64)
        first.assign_add(bad * unseen * step)
        count.assign_add(bad)
        if self._spoiled:
            distribution.restore(self._spoiled, self._before, unless=finite)
