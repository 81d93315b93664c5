"""The logs of a step, kept on the device until the host reads them."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _checks, distribution
from amr_tf._context import Context
from amr_tf._multipliers import AUTO, Multipliers
from amr_tf._presence import kept
from amr_tf.attribution import flattened
from amr_tf.regularizer import AttributionRegularizer
from amr_tf.tasks import Task


def _unsaved(metric: keras.metrics.Metric) -> keras.metrics.Metric:
    """Leaves an object out of files: sums since the begin of an epoch are not the model's state.

    (Keras 2.15 fails to load it under MirroredStrategy, too.)
    """
    metric.save_own_variables = metric.load_own_variables = lambda store: None
    return metric


def _mean(name: str) -> keras.metrics.Metric:
    return _unsaved(keras.metrics.Mean(name))


class StepMetrics:
    """Running means of a model's losses, shares and gradients since the epoch's begin.

    Names: `loss`, `accuracy` (the step metric of the task), `regularizer` (R), `dominance_<m>`
    (mean share), `encoding_norm_<m>` (mean L2 norm; the shares depend on the encodings' scale),
    `amr_gradient_norm`, `amr_task_cosine` (angle of the two gradients on the head),
    `amr_multiplier_<m>` (where training finds them). Sample weights count only in `loss`.

    Args:
        modalities: Sequence of strings, the names of the modalities, in order.
        task: Task of the model.

    Attributes:
        own: List of metrics of labels and predictions, of class ids `[B]` and probabilities
            `[B, C]` where samples have a class, that the user gave.
        own_weighted: List of such metrics, told of the sample weights, too.
    """

    def __init__(self, modalities: Sequence[str], task: Task) -> None:
        self.task = task
        self.loss = _mean("loss")
        self.good = _mean(task.step_metric)
        self.regularizer = _mean("regularizer")
        self.dominance = [_mean(f"dominance_{m}") for m in modalities]
        self.encoding_norm = [_mean(f"encoding_norm_{m}") for m in modalities]
        self.multipliers = [_mean(f"amr_multiplier_{m}") for m in modalities]
        self.gradient_norm = _mean("amr_gradient_norm")
        self.cosine = _mean("amr_task_cosine")
        self.own: list[keras.metrics.Metric] = []
        self.own_weighted: list[keras.metrics.Metric] = []

    def take(self, metrics: Any, weighted_metrics: Any) -> None:
        """Replaces the user's own metrics.

        Raises:
            ValueError: One is not a metric, or has the name of another.
        """
        self.own, self.own_weighted = [], []
        taken = [metric.name for metric in self.active(True, AUTO)]
        self.own = list(map(_unsaved, _checks.check_metrics(metrics, taken)))
        taken += [metric.name for metric in self.own]
        self.own_weighted = list(map(_unsaved, _checks.check_metrics(weighted_metrics, taken)))

    def active(self, several: bool, amr_weight: float | str) -> list[keras.metrics.Metric]:
        """The metrics that are defined.

        Args:
            several: Boolean, whether there are several modalities, and therefore shares.
            amr_weight: Number, the weight of R in training; 0 where R is not trained.
        """
        metrics = [self.loss, self.good]
        if several:
            metrics += [*self.dominance, self.regularizer]
        if amr_weight:
            metrics += [self.gradient_norm, self.cosine]
        if amr_weight == AUTO:
            metrics += self.multipliers
        return [*metrics, *self.encoding_norm, *self.own, *self.own_weighted]

    def update_task(
        self, context: Context, loss: tf.Tensor, shares: tf.Tensor, complete: tf.Tensor
    ) -> None:
        """Adds a step's loss (this replica's share of it), task metric, shares and norms.

        Args:
            context: Context of the step.
            loss: Scalar, this replica's share of the loss.
            shares: Tensor `[B, M]`.
            complete: Tensor `[B]`, 1 for the samples whose shares count.
        """
        replicas = distribution.num_replicas()
        # a replica may be empty: weights are made of the global batch, values of its shares
        weight = tf.cast(context.global_batch, tf.float32) / replicas
        self.loss.update_state(tf.cast(loss, tf.float32) * replicas, sample_weight=weight)
        values, counted = self.task.step_values(context.labels, context.logits)
        self.good.update_state(values, sample_weight=counted)
        predictions = self.task.predictions(context.logits)
        for metric in self.own:
            metric.update_state(context.labels, predictions)
        for metric in self.own_weighted:
            metric.update_state(context.labels, predictions, sample_weight=context.weights)
        shares = kept(shares, complete)
        for m, encoding in enumerate(context.encodings):
            self.dominance[m].update_state(shares[:, m], sample_weight=complete)
            flat = flattened(tf.cast(encoding, tf.float32))
            self.encoding_norm[m].update_state(tf.norm(flat, axis=-1))

    def update_regularizer(
        self, regularizer: AttributionRegularizer | None, mean_shares: tf.Tensor, count: tf.Tensor
    ) -> None:
        """Adds a step's R, if any sample of the global batch was complete."""
        if regularizer is not None:
            known = tf.cast(count > 0, tf.float32)
            self.regularizer.update_state(regularizer.penalty(mean_shares), sample_weight=known)

    def update_multipliers(self, multipliers: Multipliers) -> None:
        """Adds a step's multipliers."""
        for metric, value in zip(
            self.multipliers, tf.unstack(tf.convert_to_tensor(multipliers.values)), strict=True
        ):
            metric.update_state(value)

    def update_gradients(self, amr: Sequence[tf.Tensor], task: Sequence[tf.Tensor]) -> None:
        """Adds the AMR gradient's norm and its cosine with the task's on the head's variables."""
        pairs = [(a, t) for a, t in zip(amr, task, strict=True) if a is not None and t is not None]
        dot = tf.add_n([tf.reduce_sum(a * t) for a, t in pairs])
        amr_norm = tf.linalg.global_norm([a for a, _ in pairs])
        task_norm = tf.linalg.global_norm([t for _, t in pairs])
        self.gradient_norm.update_state(amr_norm)
        self.cosine.update_state(tf.math.divide_no_nan(dot, amr_norm * task_norm))
