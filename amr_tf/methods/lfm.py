"""LFM (Yang et al. 2024): modalities learn to agree first, and to classify later."""

import itertools
from typing import Any

import keras
import tensorflow as tf

from amr_tf._presence import kept
from amr_tf.attribution import at_least_float32
from amr_tf.methods.base import Context, Method
from amr_tf.methods.branches import modality_logits

# 1 - a as a polynomial of the epoch, of 200 epochs, from the constant on; it is published as a fit.
LEARNING = (
    2.04623704e-01, 3.35472727e-03, 1.22989557e-04, -2.92947416e-06, 2.23835486e-08,
    -5.39717505e-11,
)  # fmt: skip
LENGTH = 200
LEAST, MOST = 0.05, 0.95


@keras.saving.register_keras_serializable(package="amr_tf")
class LFM(Method):
    """Dynamically learning the modality gap (NeurIPS 2024), with the heuristic integration.

    With p^m = softmax(z^m) the prediction of modality m alone,

        loss = (1 - a_t) CE(z, y) + a_t sum_{m < n} JS(p^m, p^n)
        JS(p, q) = KL(p || (p + q) / 2) / 2 + KL(q || (p + q) / 2) / 2

    and a_t falls with the epoch t: 1 - a_t is the polynomial of the fifth degree that the code has
    for CREMA-D, drawn out or shortened from its 200 epochs to `epochs` and constant from there on.
    So a_t is 0.80 at the begin, 0.46 in the middle and about 0.05 in the last sixth. The polynomial
    is a fit and leaves [0, 1] there; a_t is kept within [0.05, 0.95], as where the code learns it.

    z^m is the modality's part of the fused logits: exact for the sum head and a linear head on the
    concatenation; others get the other encodings at their batch mean. Samples that lack one of a
    pair of modalities don't enter its JS.

    The code differs: it doubles the loss, which is twice the learning rate; its JS has both KL
    divergences the other way round, KL((p + q) / 2 || p); and it predicts by the mean of unimodal
    logits, where here the fused head does. `LearnedLFM` learns a_t instead of the polynomial.

    Example:
        >>> method = amr_tf.methods.LFM(epochs=20)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        epochs: Integer, the epochs over which a falls, 200 as published: those of the training.
        strength: Number between 0 and 1, a factor of a; 0 is naive fusion.

    Raises:
        ValueError: No epochs, or a strength outside of [0, 1].
    """

    help = "unimodal predictions agree first, the loss comes later (Yang 2024)"
    demo_options = "epochs=16"
    min_modalities = 2

    def __init__(self, epochs: int = LENGTH, strength: float = 1.0) -> None:
        if epochs < 1:
            raise ValueError(f"epochs is positive, got {epochs}")
        if not 0 <= strength <= 1:
            raise ValueError(f"strength lies in [0, 1], got {strength}")
        self.epochs = epochs
        self.strength = strength

    def agreement(self, epoch: tf.Tensor) -> tf.Tensor:
        """a_t, the weight of the JS divergences in an epoch, float32 scalar.

        Args:
            epoch: Integer scalar, the epoch.
        """
        t = tf.minimum(tf.cast(epoch, tf.float64) / self.epochs, 1.0) * LENGTH
        learning = tf.math.polyval([tf.constant(c, tf.float64) for c in LEARNING[::-1]], t)
        agreement = tf.clip_by_value(1 - learning, LEAST, MOST)
        return tf.cast(self.strength * agreement, tf.float32)

    def loss(self, context: Context) -> tf.Tensor:
        """The fused loss and the divergences of all pairs of modalities."""
        return integrated(*loss_terms(context), self.agreement(context.epoch))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"epochs": self.epochs, "strength": self.strength}


def loss_terms(context: Context) -> tuple[tf.Tensor, tf.Tensor]:
    """This replica's shares of the global means of CE(z, y) and of sum_{m < n} JS(p^m, p^n)."""
    logits = modality_logits(context)
    divergences = [
        kept(js_divergence(logits[m], logits[n]), context.presence[:, m] * context.presence[:, n])
        for m, n in itertools.combinations(range(len(logits)), 2)
    ]
    return context.mean(context.losses(context.logits)), context.mean(tf.add_n(divergences))


def integrated(fused: tf.Tensor, between: tf.Tensor, agreement: tf.Tensor) -> tf.Tensor:
    """(1 - a) CE + a JS, a scalar.

    Args:
        fused: Scalar, CE.
        between: Scalar, JS.
        agreement: Scalar, a.
    """
    a = tf.cast(agreement, fused.dtype)
    return (1 - a) * fused + a * tf.cast(between, fused.dtype)


def js_divergence(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """The Jensen-Shannon divergence of two predictions of each sample.

    Args:
        a: Tensor `[B, C]`, logits.
        b: Tensor `[B, C]`, logits.

    Returns:
        Tensor `[B]`, between 0 and log 2, in float32 at least.
    """
    log_p, log_q = (tf.nn.log_softmax(at_least_float32(z)) for z in (a, b))
    log_mean = tf.reduce_logsumexp(tf.stack([log_p, log_q]), axis=0) - tf.math.log(
        tf.constant(2, log_p.dtype)
    )
    terms = tf.exp(log_p) * (log_p - log_mean) + tf.exp(log_q) * (log_q - log_mean)
    return 0.5 * tf.reduce_sum(terms, axis=-1)
