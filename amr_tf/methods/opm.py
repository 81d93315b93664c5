"""OPM (Wei et al. 2024): drop the encoding of the modality that is ahead."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution
from amr_tf._presence import kept
from amr_tf.methods.base import Context, Method, cross_entropy
from amr_tf.methods.branches import modality_logits, true_probability


@keras.saving.register_keras_serializable(package="amr_tf")
class OPM(Method):
    """On-the-fly prediction modulation (TPAMI 2024, arXiv 2410.11582, eqs. 6 to 8).

    With the scores `S^m = sum_i softmax(z_i^m)[y_i]` over the global batch, z^m the modality's part
    of the fused logits (exact for the sum head and a linear head on the concatenation, for others
    by replacing the other encodings by their batch mean),

        rho^m = mean_{j != m} S^m / S^j
        q^m   = clip(q_base (1 + strength tanh(rho^m - 1)), 0, 1)  if rho^m > 1, else 0

    and, with probability `execute` in a step, each sample loses encoding m with probability q^m.
    All encodings are then divided by `1 - theta`, theta the mean of q^m weighted by the encodings'
    sizes. Scores are of the encodings before anything is dropped, of the same step.

    Execution, division and the use of the step's own scores are those of the published code. For
    three modalities that of a later toolkit (BalanceBenchmark 2025) divides S^m by the sum of the
    others, which hardly ever exceeds 1; here it is the mean of the ratios.

    Samples that lack a modality don't enter a score; those that are left without any don't enter
    the loss. Samples that lost a modality are not complete: they don't enter a^m. Nothing is
    dropped outside of training.

    Example:
        >>> method = amr_tf.methods.OPM(q_base=0.4, start=0)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        q_base: Number, the least probability to drop a modality that is ahead, in [0, 1]; 0 is
            naive fusion.
        strength: Number, by how much that probability grows with rho.
        execute: Number, the probability that anything is dropped in a step, in [0, 1].
        start: Integer, the first epoch in which encodings are dropped.
        seed: Integer, the seed of the draws, which are a function of (seed, step, sample).

    Raises:
        ValueError: A probability outside of [0, 1], or a negative strength.
    """

    help = "drops the encoding that is ahead (Wei 2024)"
    min_modalities = 2

    def __init__(
        self,
        q_base: float = 0.5,
        strength: float = 0.5,
        execute: float = 0.7,
        start: int = 5,
        seed: int = 0,
    ) -> None:
        if not (0 <= q_base <= 1 and 0 <= execute <= 1):
            raise ValueError(f"q_base and execute are probabilities, got {q_base} and {execute}")
        if strength < 0:
            raise ValueError(f"strength is zero or positive, got {strength}")
        self.q_base = q_base
        self.strength = strength
        self.execute = execute
        self.start = start
        self.seed = seed

    def encodings(self, encodings: list[tf.Tensor], context: Context) -> list[tf.Tensor]:
        """Drops in training, and notes it in `context.presence`."""
        if not context.training:
            return encodings
        q = self.rates(self._scores(encodings, context))
        executed = context.uniform(2 * self.seed, per_sample=False) < self.execute
        q = tf.where(executed & (context.epoch >= self.start), q, 0.0)
        sizes = tf.stack([tf.reduce_prod(tf.shape(e)[1:]) for e in encodings])
        sizes = tf.cast(sizes, tf.float32)
        theta = tf.reduce_sum(q * sizes) / tf.reduce_sum(sizes)
        had = tf.reduce_max(context.presence, axis=-1)
        drawn = context.uniform(2 * self.seed + 1, (len(encodings),))
        context.presence *= tf.cast(drawn >= q, tf.float32)
        context.extras["left"] = tf.reduce_max(context.presence, axis=-1) >= had
        return [
            kept(e, context.presence[:, m]) / tf.cast(1 - theta, e.dtype)
            for m, e in enumerate(encodings)
        ]

    def loss(self, context: Context) -> tf.Tensor:
        """Cross-entropy of the samples that are left with a modality."""
        losses = cross_entropy(context.labels, context.logits)
        return context.mean(kept(losses, context.extras["left"]))

    def rates(self, scores: tf.Tensor) -> tf.Tensor:
        """q^m `[M]` from the scores `[M]` of the global batch."""
        ratios = tf.math.divide_no_nan(scores[:, tf.newaxis], scores)
        ratios = tf.linalg.set_diag(ratios, tf.zeros_like(scores))
        rho = tf.reduce_sum(ratios, axis=1) / (scores.shape[0] - 1)
        q = self.q_base * (1 + self.strength * tf.tanh(rho - 1))
        return tf.where(rho > 1, tf.clip_by_value(q, 0.0, 1.0), 0.0)

    def _scores(self, encodings: list[tf.Tensor], context: Context) -> tf.Tensor:
        """S^m of the global batch, `[M]`."""
        constant = [tf.stop_gradient(e) for e in encodings]
        parts = modality_logits(dataclasses.replace(context, encodings=constant))
        chosen = tf.stack([true_probability(context.labels, z) for z in parts], axis=-1)
        local = tf.reduce_sum(kept(chosen, context.complete), axis=0)
        (scores,) = distribution.global_sum([tf.stop_gradient(local)])
        return scores

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "q_base": self.q_base,
            "strength": self.strength,
            "execute": self.execute,
            "start": self.start,
            "seed": self.seed,
        }
