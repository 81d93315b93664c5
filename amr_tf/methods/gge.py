"""GGE (Han et al. 2021): boosting; the fused model fits what biased learners leave over."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import distribution
from amr_tf.methods.base import CLASS_COUNTS, Context, Method, cross_entropy
from amr_tf.methods.branches import add_unimodal_heads, unimodal_logits


@keras.saving.register_keras_serializable(package="amr_tf")
class GGE(Method):
    """Greedy gradient ensemble (ICCV 2021, arXiv 2107.12651, sections 3.1 and 4).

    Learners in turn: the class prior `b^0 = log p(c)` (distribution bias); the unimodal heads on
    `stop_gradient(e^m)`, the strongest first (shortcut bias); the fused model. Learner j fits the
    negative gradient of the loss at the sum of the earlier logits, H_{j-1} = b^0 + ... + b^{j-1},
    taken as constant. For softmax cross-entropy that gradient is onehot(y) - softmax(H); fitting
    its positive part is a cross-entropy with the weight

        w_j = 1 - strength softmax(H_{j-1})[y],      loss = sum_j mean(w_j CE(b^j, y))

    so what the biased learners already know counts less. All learners in one update; only the
    fused logits predict. The strongest head is the one with the least cross-entropy on the step's
    batch. (The paper states the binary form, targets `2 y sigma(-2 y H)`.)

    Example:
        >>> method = amr_tf.methods.GGE(class_counts=[4, 4, 4])
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        class_counts: Sequence of C integers, the training clips of each class; without them all
            classes are equally likely. `trainers.fit` fills them in.
        strength: Number, the factor of the biased learners' probability; 1 as published, 0 is naive
            fusion.
        seed: Integer, the seed of the unimodal heads' initial weights.

    Raises:
        ValueError: A strength outside of [0, 1], or counts that are negative or all zero.
    """

    help = "the fused model fits what biased learners leave over (Han 2021)"
    requires = (CLASS_COUNTS,)
    min_modalities = 2

    def __init__(
        self, class_counts: Sequence[int] | None = None, strength: float = 1.0, seed: int = 0
    ) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(f"strength lies in [0, 1], got {strength}")
        counts = None if class_counts is None else np.asarray(class_counts, np.float64)
        if counts is not None and (counts.min() < 0 or counts.sum() == 0):
            raise ValueError(f"class_counts are not negative and not all zero, got {class_counts}")
        self.class_counts = None if class_counts is None else [int(c) for c in class_counts]
        self.strength = strength
        self.seed = seed

    def build(self, model: Any) -> None:
        """Makes the unimodal heads.

        Raises:
            ValueError: The counts are of another number of classes than the head's.
        """
        add_unimodal_heads(model, self.seed)
        classes = model.head.output_shape[-1]
        counts = [1] * classes if self.class_counts is None else self.class_counts
        if len(counts) != classes:
            raise ValueError(f"class_counts has {len(counts)} numbers for {classes} classes")
        # a class that never occurs is rare, not impossible: minus infinity would spread
        self._prior = np.log((np.array(counts) + 1e-3) / (sum(counts) + 1e-3 * classes))

    def loss(self, context: Context) -> tf.Tensor:
        """The sum of all learners' weighted cross-entropies."""
        labels = context.labels
        constant = [tf.stop_gradient(e) for e in context.encodings]
        branches = tf.stack(
            [tf.cast(z, tf.float32) for z in unimodal_logits(context.model, constant)]
        )  # [M, B, C]
        each = [cross_entropy(labels, z) for z in tf.unstack(branches)]
        losses = tf.stack([context.present(m, loss) for m, loss in enumerate(each)])  # [M, B]
        (strength,) = distribution.global_sum([tf.reduce_sum(tf.stop_gradient(losses), axis=1)])
        order = tf.argsort(strength, stable=True)
        branches = tf.gather(tf.stop_gradient(branches), order)
        losses = tf.gather(losses, order)

        ensemble = tf.constant(self._prior, tf.float32)[None]
        total = 0.0
        for j in range(len(constant)):
            total += context.mean(self._left(ensemble, labels) * losses[j])
            ensemble += branches[j]
        fused = cross_entropy(labels, context.logits)
        return total + context.mean(tf.cast(self._left(ensemble, labels), fused.dtype) * fused)

    def _left(self, ensemble: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """What the ensemble leaves over of each sample, `[B]`."""
        true = tf.one_hot(labels, ensemble.shape[-1])
        return 1 - self.strength * tf.reduce_sum(tf.nn.softmax(ensemble) * true, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "class_counts": self.class_counts,
            "strength": self.strength,
            "seed": self.seed,
        }
