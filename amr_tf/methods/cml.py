"""CML (Ma et al. 2023): confidence does not grow when a modality is removed."""

from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf._presence import kept
from amr_tf.attribution import at_least_float32
from amr_tf.methods.base import Context, Method, cross_entropy


@keras.saving.register_keras_serializable(package="amr_tf")
class CML(Method):
    """Calibrating multimodal learning (ICML 2023, arXiv 2306.01265, its regularisation term).

    For each sample the modalities are removed one by one, in an order drawn anew in each step:
    S_0 has all M of them, S_1 one less, S_{M-1} a single one. With z_S the fused logits where the
    encodings outside of S are zero, and the confidence conf(S) = max_k softmax(z_S)_k,

        loss = (CE(z_{S_0}, y) + w sum_{k>0} CE(z_{S_k}, y)) / (1 + w (M - 1))
             + weight sum_{k>0} max(0, conf(S_k) - conf(S_{k-1}))

    each a mean over the global batch, w the option `subset_weight`. The gradient goes through both
    confidences. The head's M - 1 passes with smaller sets run in inference mode.

    The paper punishes each sample whose confidence grows, as is done here. Its code leaves out
    samples that only the larger set gets wrong, and holds conf(S_{k-1}) constant where both do. A
    later toolkit (BalanceBenchmark 2025) takes the positive part of the sum over the batch, where
    samples offset each other, and draws one order an epoch. Both codes add 0.1 times the
    penalty's sum over the batch to the mean of the cross-entropy: that is a `weight` of 0.1 B
    here, 6.4 for batches of 64. With a linear head on the concatenation z_S is the toolkit's
    "z minus the parts that are removed".

    Of a sample that lacks modalities, those that it has are removed until one is left.

    Example:
        >>> method = amr_tf.methods.CML(weight=1.0)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        weight: Number, the weight of the penalty.
        subset_weight: Number, the weight of the cross-entropy of each smaller set, 1 as published;
            0 with weight 0 is naive fusion.
        seed: Integer, the seed of the orders, which are a function of (seed, step, sample).

    Raises:
        ValueError: A negative weight.
    """

    help = "confidence does not grow when a modality is removed (Ma 2023)"
    recipe_options = MappingProxyType({"ogm_cremad": {"weight": 6.4}})
    min_modalities = 2

    def __init__(self, weight: float = 6.4, subset_weight: float = 1.0, seed: int = 0) -> None:
        if weight < 0 or subset_weight < 0:
            raise ValueError(
                f"weight and subset_weight are zero or positive, got {weight} and {subset_weight}"
            )
        self.weight = weight
        self.subset_weight = subset_weight
        self.seed = seed

    def loss(self, context: Context) -> tf.Tensor:
        """The mean cross-entropy of the nested sets, and the penalty."""
        labels, logits = context.labels, context.logits
        place, lacking = self._order(context)
        total, confidence = cross_entropy(labels, logits), _confidence(logits)
        penalty = tf.zeros_like(total)
        for k in range(1, len(context.encodings)):
            smaller = [kept(e, place[:, m] >= k) for m, e in enumerate(context.encodings)]
            logits = context.model.head(smaller, training=False)
            before, confidence = confidence, _confidence(logits)
            # what a sample lacks goes first, which removes nothing
            removed = k > lacking
            total += self.subset_weight * kept(cross_entropy(labels, logits), removed)
            penalty += kept(tf.nn.relu(confidence - before), removed)
        others = tf.maximum(len(context.encodings) - 1 - lacking, 0)
        total /= 1 + self.subset_weight * tf.cast(others, total.dtype)
        return context.mean(total + self.weight * penalty)

    def _order(self, context: Context) -> tuple[tf.Tensor, tf.Tensor]:
        """The turn of each modality `[B, M]`, from 0, and how many a sample lacks `[B]`; int32."""
        drawn = context.uniform(self.seed, (len(context.model.modalities),))
        there = context.presence > 0
        drawn = tf.where(there, drawn, -1.0)
        place = tf.argsort(tf.argsort(drawn, axis=1), axis=1)
        return place, tf.reduce_sum(tf.cast(~there, tf.int32), axis=1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "weight": self.weight,
            "subset_weight": self.subset_weight,
            "seed": self.seed,
        }


def _confidence(logits: tf.Tensor) -> tf.Tensor:
    """The largest probability of each sample, `[B]`."""
    return tf.reduce_max(tf.nn.softmax(at_least_float32(logits)), axis=-1)
