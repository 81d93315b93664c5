"""CGGM (Guo et al. 2024): classifiers of single modalities say which encoder is to be hurried."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat, distribution
from amr_tf._tape import Tape
from amr_tf.attribution import at_least_float32
from amr_tf.methods.base import Context, Method, cross_entropy
from amr_tf.methods.branches import add_unimodal_heads, unimodal_logits
from amr_tf.methods.rates import encoder_of, scaled

LEAST = 1e-6  # what accuracies must have risen by in sum, to be shared out


@keras.saving.register_keras_serializable(package="amr_tf")
class CGGM(Method):
    """Classifier-guided gradient modulation (NeurIPS 2024, arXiv 2411.01409).

    A linear classifier of each modality learns beside the model, on encodings whose gradient is
    stopped. With d^m, how much its accuracy on the global batch has risen since the step before,

        B^m  = sum_{j != m} d^j / sum_j d^j                        clipped to [-1, 1]
        loss = CE(z, y) + weight 1/M sum_m mean (|B^m| - B^m cos(g, g^m)) + sum_m CE(z^m, y)

    and the gradients of encoder m are multiplied by rho max(B^m, 0): one whose classifier rises
    more slowly than the others learns faster. g = softmax(z) - y and g^m = softmax(z^m) - y are the
    gradients of a sample's fused and unimodal cross-entropy at the logits, and the cosine turns the
    fused one towards those of modalities that are behind. B^m and g^m are constants. The
    classifiers are not exported. Samples that lack modality m have no part in its accuracy, its
    cosine and its classifier's loss. It works with any head.

    *What the paper and its code say.* The formulas were read from the code; the paper's text was
    not at hand, so that its equation numbers and its rules for special cases are not verified. In
    the code the cosine is one of *parameters*, those of the output layers of classifier and fused
    model, where the method is about gradients. Such layers have one shape only if all widths are
    equal: hence gradients at the logits, which every head has, sample by sample. The code's term
    comes a step late, its classifiers are small transformers with an optimizer of their own (here
    the task's), and B^m is used as it comes: it has no bounds where the sum of rises is about 0,
    and may be negative where accuracies fall, which makes an encoder climb its loss; the clipped
    norm of the gradient (0.8) has to hold it. Here B^m is clipped, no encoder climbs, and where the
    sum is not positive all B^m are (M - 1) / M. Accuracies of a step are noisy: take large batches.

    Example:
        >>> method = amr_tf.methods.CGGM(rho=1.3, weight=0.2)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)
        >>> model.classifier_accuracies.shape == (2,)  # of the last step
        True

    Args:
        rho: Number, the factor of the encoders' gradients, 1.3 as published; 0 leaves them alone.
        weight: Number, the paper's lambda, the weight of the cosines: 0.2 as published for
            CMU-MOSI, 0.05 for Food-101. 0 with rho 0 is naive fusion.
        seed: Integer, the seed of the classifiers' initial weights.

    Raises:
        ValueError: A negative rho or weight.
    """

    help = "hurries the encoder whose own classifier rises more slowly (Guo 2024)"
    min_modalities = 2

    def __init__(self, rho: float = 1.3, weight: float = 0.2, seed: int = 0) -> None:
        if rho < 0 or weight < 0:
            raise ValueError(f"rho and weight are zero or positive, got {rho} and {weight}")
        self.rho = rho
        self.weight = weight
        self.seed = seed

    def build(self, model: Any) -> None:
        """Makes the classifiers, and room for their accuracies."""
        add_unimodal_heads(model, self.seed)
        shape = (len(model.modalities),)
        model.classifier_accuracies = _compat.state(model, "classifier_accuracies", shape)

    def loss(self, context: Context) -> tf.Tensor:
        """The fused loss, the term of the cosines and the classifiers' losses."""
        own = unimodal_logits(context.model, [tf.stop_gradient(e) for e in context.encodings])
        losses = [
            context.mean(context.present(m, cross_entropy(context.labels, z)))
            for m, z in enumerate(own)
        ]
        balance = self.balance(self._rises(context, own))
        context.extras["balance"] = balance
        total = super().loss(context)
        if self.weight:
            total += self.weight * tf.cast(_direction(context, own, balance), total.dtype)
        return total + tf.add_n(losses)

    def balance(self, rises: tf.Tensor) -> tf.Tensor:
        """B^m `[M]` from how much each modality's accuracy has risen, `[M]`."""
        total, count = tf.reduce_sum(rises), rises.shape[0]
        shares = tf.clip_by_value(1 - rises / tf.maximum(total, LEAST), -1.0, 1.0)
        return tf.where(total > LEAST, shares, (count - 1) / count)

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """The task's gradients, each encoder's times rho max(B^m, 0)."""
        gradients = super().gradients(context, loss, tape, variables)
        if not self.rho:
            return gradients
        factors = self.rho * tf.maximum(context.extras["balance"], 0.0)
        return scaled(gradients, encoder_of(context.model, variables), factors)

    def _rises(self, context: Context, own: list[tf.Tensor]) -> tf.Tensor:
        """How much each classifier's accuracy has risen, `[M]`; notes the accuracies."""
        labels = tf.cast(context.labels, tf.int64)
        right = tf.stack([tf.argmax(z, axis=-1) == labels for z in own], axis=-1)
        hits = tf.reduce_sum(tf.cast(right, tf.float32) * context.presence, axis=0)
        hits, seen = distribution.global_sum([hits, tf.reduce_sum(context.presence, axis=0)])
        state = context.model.classifier_accuracies
        before = tf.convert_to_tensor(state)
        now = tf.where(seen > 0, hits / tf.maximum(seen, 1.0), before)
        state.assign(now)
        return now - before

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"rho": self.rho, "weight": self.weight, "seed": self.seed}


def _direction(context: Context, own: list[tf.Tensor], balance: tf.Tensor) -> tf.Tensor:
    """This replica's share of 1/M sum_m mean (|B^m| - B^m cos(g, g^m))."""
    labels, fused = context.labels, _heading(context.labels, context.logits)
    balance = tf.cast(balance, fused.dtype)
    terms = []
    for m, z in enumerate(own):
        wanted = tf.cast(tf.stop_gradient(_heading(labels, z)), fused.dtype)
        cosine = tf.reduce_sum(fused * wanted, axis=-1)
        terms.append(context.present(m, tf.abs(balance[m]) - balance[m] * cosine))
    return context.mean(tf.add_n(terms) / len(terms))


def _heading(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The direction of each sample's gradient of cross-entropy at the logits, `[B, C]`."""
    logits = at_least_float32(logits)
    true = tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return tf.math.l2_normalize(tf.nn.softmax(logits) - true, axis=-1)
