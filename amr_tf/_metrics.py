"""What a step logs, kept on the device: the host reads it when it wants to."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution
from amr_tf._context import Context
from amr_tf._presence import kept
from amr_tf.regularizer import AttributionRegularizer


class _RunningMean(keras.metrics.Mean):
    """A mean since the epoch's begin: no state of the model, and left out of its files.

    (Keras 2.15 fails to load it under MirroredStrategy, too.)
    """

    def save_own_variables(self, store: Any) -> None:
        pass

    def load_own_variables(self, store: Any) -> None:
        pass


class StepMetrics:
    """Running means of a model's losses, shares and gradients since the epoch's begin.

    Names: `loss`, `accuracy`, `regularizer` (R), `dominance_<m>` (mean share),
    `encoding_norm_<m>` (mean L2 norm; the shares depend on the encodings' scale),
    `amr_gradient_norm`, `amr_task_cosine` (angle of the two gradients on the head).

    Args:
        modalities: Their names, in order.
    """

    def __init__(self, modalities: Sequence[str]) -> None:
        mean = _RunningMean
        self.loss = mean(name="loss")
        self.accuracy = mean(name="accuracy")
        self.regularizer = mean(name="regularizer")
        self.dominance = [mean(name=f"dominance_{m}") for m in modalities]
        self.encoding_norm = [mean(name=f"encoding_norm_{m}") for m in modalities]
        self.gradient_norm = mean(name="amr_gradient_norm")
        self.cosine = mean(name="amr_task_cosine")

    def active(self, several: bool, amr: bool) -> list[keras.metrics.Metric]:
        """The metrics that have a meaning.

        Args:
            several: Whether there are several modalities, hence shares.
            amr: Whether R is trained.
        """
        metrics = [self.loss, self.accuracy]
        if several:
            metrics += [*self.dominance, self.regularizer]
        if amr:
            metrics += [self.gradient_norm, self.cosine]
        return metrics + self.encoding_norm

    def update_task(self, context: Context, loss: tf.Tensor, shares: tf.Tensor) -> None:
        """Adds a step's loss (this replica's share of it), accuracy, shares and norms."""
        replicas = distribution.num_replicas()
        # a replica may be empty: weights are made of the global batch, values of its shares
        weight = tf.cast(context.global_batch, tf.float32) / replicas
        self.loss.update_state(tf.cast(loss, tf.float32) * replicas, sample_weight=weight)
        predicted = tf.argmax(context.logits, axis=-1, output_type=context.labels.dtype)
        self.accuracy.update_state(tf.cast(predicted == context.labels, tf.float32))
        shares = kept(shares, context.complete)
        for m, encoding in enumerate(context.encodings):
            self.dominance[m].update_state(shares[:, m], sample_weight=context.complete)
            flat = tf.reshape(
                tf.cast(encoding, tf.float32),
                [tf.shape(encoding)[0], encoding.shape[1:].num_elements()],
            )
            self.encoding_norm[m].update_state(tf.norm(flat, axis=-1))

    def update_regularizer(
        self, regularizer: AttributionRegularizer | None, mean_shares: tf.Tensor, count: tf.Tensor
    ) -> None:
        """Adds a step's R, if any sample of the global batch was complete."""
        if regularizer is not None:
            known = tf.cast(count > 0, tf.float32)
            self.regularizer.update_state(regularizer.penalty(mean_shares), sample_weight=known)

    def update_gradients(self, amr: Sequence[tf.Tensor], task: Sequence[tf.Tensor]) -> None:
        """Adds the AMR gradient's norm and its cosine with the task's on the head's variables."""
        pairs = [(a, t) for a, t in zip(amr, task, strict=True) if a is not None and t is not None]
        dot = tf.add_n([tf.reduce_sum(a * t) for a, t in pairs])
        amr_norm = tf.linalg.global_norm([a for a, _ in pairs])
        task_norm = tf.linalg.global_norm([t for _, t in pairs])
        self.gradient_norm.update_state(amr_norm)
        self.cosine.update_state(tf.math.divide_no_nan(dot, amr_norm * task_norm))
