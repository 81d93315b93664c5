"""AGM (Li et al. 2023): modulate the gradient through each modality's Shapley response."""

import itertools
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat, distribution
from amr_tf._shapley import shapley
from amr_tf.methods.base import Context, Method, cross_entropy


@keras.saving.register_keras_serializable(package="amr_tf")
class AGM(Method):
    """Adaptive gradient modulation (ICCV 2023, arXiv 2308.07686, section 3.2).

    The mono-modal response is the Shapley value of modality m in the logits, over subsets S of
    modalities whose inputs are there, the others' being zeroed (and nothing from nothing,
    f({}) = 0):

        phi^m = sum_{S without m} |S|! (M - |S| - 1)! / M! (f(S + m) - f(S)),   sum_m phi^m = f(all)

    so `phi^a = 1/2 (f(a, v) - f(0, v) + f(a, 0))` for two. Passes with a zeroed input run in
    inference mode. With the score c^m = mean CE(phi^m, y) over the global batch,

        r^m     = exp(mean_{j != m} c^j - c^m)
        tau^m   = the same from the means of c over all past steps
        kappa^m = exp(alpha min(tau^m - r^m, 10))

    the gradient that flows back through phi^m is multiplied by kappa^m. A modality that is
    further ahead than it used to be (r > tau) is slowed. Any head; costs one more pass through
    the encoders, and 2^M - 2 through the head.

    Example:
        >>> method = amr_tf.methods.AGM(alpha=0.5)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        alpha: Number, the strength, 1 as published; 0 is naive fusion.

    Raises:
        ValueError: A negative alpha.
    """

    help = "modulates the gradient through Shapley responses (Li 2023)"
    min_modalities = 2

    def __init__(self, alpha: float = 1.0) -> None:
        if alpha < 0:
            raise ValueError(f"alpha is zero or positive, got {alpha}")
        self.alpha = alpha

    def build(self, model: Any) -> None:
        """Makes the running means of the scores."""
        model.agm_scores = _compat.state(model, "agm_scores", (len(model.modalities),))
        model.agm_steps = _compat.state(model, "agm_steps")

    def loss(self, context: Context) -> tf.Tensor:
        """Cross-entropy of the fused logits, with the modulated gradient."""
        model, labels = context.model, context.labels
        phi = self.responses(context)
        scores = tf.stack([context.mean(cross_entropy(labels, p)) for p in phi])
        (scores,) = distribution.global_sum([tf.stop_gradient(scores)])
        kappa = self.coefficients(scores, tf.convert_to_tensor(model.agm_scores))
        past = tf.convert_to_tensor(model.agm_steps)
        kappa = tf.where(past > 0, kappa, 1.0)  # nothing to compare with in the first step
        model.agm_scores.assign_add((scores - model.agm_scores) / (past + 1))
        model.agm_steps.assign_add(1.0)
        # sum_m phi^m = f(all): this has the value of f(all), and sum_m kappa^m dphi^m as gradient
        logits = context.logits
        for m, p in enumerate(phi):
            logits += tf.cast(kappa[m] - 1, p.dtype) * (p - tf.stop_gradient(p))
        return context.mean(cross_entropy(labels, logits))

    def responses(self, context: Context) -> list[tf.Tensor]:
        """The Shapley responses phi^m, M tensors `[B, C]`; they sum to the fused logits."""
        model, modalities = context.model, range(len(context.encodings))
        there = model.encode(context.inputs)
        inputs = {m: context.inputs[m] for m in model.modalities}
        nothing = {
            # one sample does for all, also for a replica without any
            m: tf.zeros(tf.concat([[1], tf.shape(x)[1:]], axis=0), x.dtype)
            for m, x in inputs.items()
        }
        away = [
            tf.zeros_like(e) + zero for e, zero in zip(there, model.encode(nothing), strict=True)
        ]
        value = {frozenset(modalities): context.logits, frozenset(): 0.0}
        for size in range(1, len(modalities)):
            for subset in map(frozenset, itertools.combinations(modalities, size)):
                mixed = [there[m] if m in subset else away[m] for m in modalities]
                value[subset] = model.head(mixed, training=False)
        return [shapley(value, m, len(modalities)) for m in modalities]

    def coefficients(self, scores: tf.Tensor, means: tf.Tensor) -> tf.Tensor:
        """kappa^m `[M]` from this step's scores and the means of the past ones."""

        def ahead(c: tf.Tensor) -> tf.Tensor:
            others = (tf.reduce_sum(c) - c) / (c.shape[0] - 1)
            return tf.exp(others - c)

        return tf.exp(self.alpha * tf.minimum(ahead(means) - ahead(scores), 10.0))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha}
