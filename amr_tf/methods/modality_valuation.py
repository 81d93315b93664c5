"""Modality valuation (Wei et al. 2024): a sample's idle modality is trained alone, too."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution
from amr_tf._presence import kept
from amr_tf._shapley import shapley, subsets
from amr_tf.methods.base import Context, Method, cross_entropy


@keras.saving.register_keras_serializable(package="amr_tf")
class ModalityValuation(Method):
    """Sample-level modality valuation (CVPR 2024, arXiv 2309.06255), as a sum of losses.

    What a modality contributes to a sample is its Shapley value, where a set S of modalities is
    worth v(S) = |S| if the fused head, with the other encodings zeroed and in inference mode, gets
    the class right, and else 0. For two modalities

        phi^a = 1/2 (v(a) + v(a, v) - v(v)),    one of -1/2, 0, 1/2, 1, 3/2

    and 1 is a fair share. After the warm-up a modality below it is trained with so many copies of
    the sample in which it is alone, the other encodings zeroed:

        n^m  = strength max(0, 2 (1 - phi^m))            0, 1, 2 or 3 copies of two modalities
        loss = sum_i (CE(z_i, y_i) + sum_m n_i^m CE(z_i^m, y_i)) / sum_i (1 + sum_m n_i^m)

    over the global batch, z^m the fused head with only e^m. The paper lets the number grow with
    1 - phi; these are its code's numbers for two modalities (1 - phi from 0.1 on: 1 copy, from 0.6
    on 2, from 1.1 on 3) as a formula. It works with any head and any number of modalities, whose
    2^M - 1 sets are passes of only the head.

    *What differs.* The published method measures all training clips after each epoch and then
    draws the next one from the clips and their copies together. Here a sample is valued in the step
    that it is trained in, by the model as it is then and encodings in training mode, and its copies
    are in that step: no second pass over the data, and no record of single clips. A step's loss has
    the same mean over clips and copies; but an epoch has no more steps than without, and copies
    share their clip's augmentation and the encoders' batch statistics. The head's passes for copies
    run in inference mode, too. Samples that lack a modality have no copies. The numbers of
    equations in the paper were not verified; its second, modality-level way is not here.

    Example:
        >>> method = amr_tf.methods.ModalityValuation(warm_up=1)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, epochs=2, verbose=0)

    Args:
        warm_up: Integer, the epochs from the first on that have no copies, 5 as published.
        strength: Number, a factor of the number of copies, 1 as published. 0 is naive fusion.

    Raises:
        ValueError: A negative number of epochs or strength.
    """

    help = "also trains by itself the modality that contributes little to a sample (Wei 2024)"
    demo_options = "warm_up=1"
    min_modalities = 2

    def __init__(self, warm_up: int = 5, strength: float = 1.0) -> None:
        if warm_up < 0 or strength < 0:
            raise ValueError(
                f"warm_up and strength are zero or positive, got {warm_up} and {strength}"
            )
        self.warm_up = warm_up
        self.strength = strength

    def loss(self, context: Context) -> tf.Tensor:
        """The mean cross-entropy of samples and copies."""
        if not self.strength:
            return super().loss(context)
        logits = self._logits(context)
        copies = kept(self.copies(context.labels, logits), context.complete)
        copies = tf.where(context.epoch >= self.warm_up, copies, 0.0)
        total = cross_entropy(context.labels, context.logits)
        for m in range(len(context.encodings)):
            alone = cross_entropy(context.labels, logits[frozenset([m])])
            number = copies[:, m]
            total += tf.cast(number, total.dtype) * kept(alone, number > 0)
        (added,) = distribution.global_sum([tf.reduce_sum(copies)])
        samples = tf.cast(tf.maximum(context.global_batch, 1), tf.float32)
        return context.mean(tf.cast(samples / (samples + added), total.dtype) * total)

    def contributions(self, labels: tf.Tensor, logits: dict[frozenset, tf.Tensor]) -> tf.Tensor:
        """Gives phi of each sample and modality, `[B, M]` float32.

        Args:
            labels: Tensor `[B]`, the class ids.
            logits: Dictionary, set of modalities that are there -> logits `[B, C]`, for each set
                but the empty one.
        """
        labels = tf.cast(labels, tf.int64)
        value: dict[frozenset, Any] = {frozenset(): 0.0}
        for subset, z in logits.items():
            right = tf.argmax(z, axis=-1) == labels
            value[subset] = len(subset) * tf.cast(right, tf.float32)
        count = max(map(len, logits))
        return tf.stack([shapley(value, m, count) for m in range(count)], axis=-1)

    def copies(self, labels: tf.Tensor, logits: dict[frozenset, tf.Tensor]) -> tf.Tensor:
        """Gives n of each sample and modality, `[B, M]`; arguments as for `contributions`."""
        return self.strength * tf.nn.relu(2 * (1 - self.contributions(labels, logits)))

    def _logits(self, context: Context) -> dict[frozenset, tf.Tensor]:
        """The fused head's logits with each set of encodings but the empty one."""
        found = {}
        for subset in subsets(len(context.encodings))[1:]:
            given = [
                e if m in subset else tf.zeros_like(e) for m, e in enumerate(context.encodings)
            ]
            found[subset] = context.model.head(given, training=False)
        return found

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"warm_up": self.warm_up, "strength": self.strength}
