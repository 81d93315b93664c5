"""InfoReg (Huang et al. 2025): the encoder that is ahead is held back while it learns fast."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat, distribution
from amr_tf._presence import kept
from amr_tf._tape import Tape
from amr_tf.methods.base import Context, Method, cross_entropy
from amr_tf.methods.branches import modality_logits
from amr_tf.methods.copies import Copy
from amr_tf.methods.rates import encoder_of


@keras.saving.register_keras_serializable(package="amr_tf")
class InfoReg(Method):
    """Information acquisition regulation (CVPR 2025, arXiv 2503.18595, section 3.3).

    What encoder m takes in during an epoch t is told by the trace of its Fisher information, the
    mean over the epoch's steps of its gradient's squared length (eqs. 7 and 13), and it is in its
    prime learning window in epoch t if that has grown (eq. 11):

        Tr_t^m       = mean_steps |dL / dw_m|^2
        (Tr_{t-1}^m - Tr_{t-2}^m) / Tr_{t-1}^m > threshold

    In a window each step compares the modalities' scores s^m over the global batch, the mean
    log-probability of the true class. For one that is ahead of others, with Delta^m the mean of
    s^m - s^j over those j with a lower score (eqs. 9 and 10), its encoder's loss gets the term of
    eqs. 12 and 16,

        strength alpha / 2 |w_m - w_m^{t-1}|^2,    alpha = exp(beta tanh(Delta^m))

    w_m^{t-1} its parameters at the end of the epoch before: the gradient
    strength alpha (w_m - w_m^{t-1}) is added. The first two epochs have no windows. It is for any
    number of modalities.

    *What differs.* Eq. 8 prints the score as a mean of -log p, which would call the modality with
    the larger loss the one ahead; the text means the opposite, as here. A modality's prediction
    alone is its part of the fused logits; a head whose logits are not such a sum gets the other
    encodings at their batch mean (zeros in the paper). The squared length is of the global batch's
    gradient, eq. 13's, and so depends on the batch's size; that of single samples in eq. 7 would
    cost a backward pass each. The published code trains unimodal heads beside the fused one
    (the paper's "InfoReg*") and scores these by sums of probabilities; it takes alpha as
    0.95 exp(tanh Delta) for sound, never holds the picture back, and measures the window by sound
    alone, over ten epochs. Samples that lack a modality don't enter the scores. It needs `fit`,
    which tells of epochs' ends.

    Example:
        >>> method = amr_tf.methods.InfoReg(beta=0.9)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, epochs=3, verbose=0)
        >>> model.fisher_traces.shape == (2, 2)  # of the last two epochs
        True

    Args:
        beta: Number, how much a gap counts, 0.9 as published.
        threshold: Number, the paper's K, the relative growth from which on an epoch is within the
            window, 0.04 as published.
        strength: Number, a factor of the term, 1 as published. 0 is naive fusion.

    Raises:
        ValueError: A negative beta, threshold or strength.
    """

    help = "holds back the encoder that is ahead, while it takes in much (Huang 2025)"
    min_modalities = 2

    def __init__(self, beta: float = 0.9, threshold: float = 0.04, strength: float = 1.0) -> None:
        if beta < 0 or threshold < 0 or strength < 0:
            raise ValueError(
                "beta, threshold and strength are zero or positive, "
                f"got {beta}, {threshold} and {strength}"
            )
        self.beta = beta
        self.threshold = threshold
        self.strength = strength

    def build(self, model: Any) -> None:
        """Makes room for the traces and for the encoders' parameters of the epoch before."""
        count = len(model.modalities)
        model.squared_lengths = _compat.state(model, "squared_lengths", (count,))
        model.lengths_counted = _compat.state(model, "lengths_counted")
        model.fisher_traces = _compat.state(model, "fisher_traces", (2, count))
        model.in_window = _compat.state(model, "in_window", (count,))
        for name, encoder in model.encoders.items():
            copy = Copy(encoder.trainable_variables, f"{name}_before")
            setattr(model, f"{name}_before", copy)

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """The task's gradients, and those of the terms of encoders that are held back."""
        model = context.model
        gradients = super().gradients(context, loss, tape, variables)
        owners = encoder_of(model, variables)
        self._measure(model, gradients, owners)
        if not self.strength:
            return gradients
        weights = self.strength * self.coefficients(self._scores(context))
        weights *= tf.convert_to_tensor(model.in_window)
        before = {
            id(variable): value
            for name in model.modalities
            for variable, value in getattr(model, f"{name}_before").pairs()
        }
        held = []
        for g, m, variable in zip(gradients, owners, variables, strict=True):
            if g is not None and m is not None:
                moved = tf.convert_to_tensor(variable) - tf.convert_to_tensor(before[id(variable)])
                g = g + tf.cast(weights[m], g.dtype) * tf.cast(moved, g.dtype)
            held.append(g)
        return held

    def coefficients(self, scores: tf.Tensor) -> tf.Tensor:
        """Gives alpha of each modality `[M]` from the scores `[M]`; 0 of the one that is last."""
        ahead = scores[:, tf.newaxis] - scores[tf.newaxis]
        lower = tf.cast(ahead > 0, scores.dtype)
        count = tf.reduce_sum(lower, axis=1)
        gap = tf.math.divide_no_nan(tf.reduce_sum(lower * ahead, axis=1), count)
        return tf.where(count > 0, tf.exp(self.beta * tf.tanh(gap)), 0.0)

    def on_epoch_end(self, model: Any, epoch: int, logs: dict[str, float]) -> None:
        """Takes the epoch's traces and parameters, and finds the next epoch's windows."""
        count = model.lengths_counted.numpy()
        if not count:
            return
        before, trace = model.fisher_traces.numpy()[1], model.squared_lengths.numpy() / count
        # of the first epoch there is none before: not every modality has a positive trace
        growth = np.where(trace > 0, (trace - before) / np.where(trace > 0, trace, 1), 0)
        known = before.any()
        model.in_window.assign((known & (growth > self.threshold)).astype(np.float32))
        model.fisher_traces.assign(np.stack([before, trace]).astype(np.float32))
        model.squared_lengths.assign(np.zeros_like(trace))
        model.lengths_counted.assign(0.0)
        for name in model.modalities:
            getattr(model, f"{name}_before").take()

    def _measure(self, model: Any, gradients: list, owners: list[int | None]) -> None:
        """Adds this step's squared lengths, of gradients that are the global batch's."""
        lengths = []
        for m in range(len(model.modalities)):
            own = [g for g, o in zip(gradients, owners, strict=True) if o == m and g is not None]
            squares = [tf.cast(tf.reduce_sum(tf.square(g)), tf.float32) for g in own]
            lengths.append(tf.add_n(squares) if squares else tf.constant(0.0))
        model.squared_lengths.assign_add(tf.stack(lengths))
        model.lengths_counted.assign_add(1.0)

    def _scores(self, context: Context) -> tf.Tensor:
        """s^m over the global batch, `[M]` float32; all 0 without a complete sample."""
        each = [-cross_entropy(context.labels, z) for z in modality_logits(context)]
        each = kept(tf.cast(tf.stack(each, axis=-1), tf.float32), context.complete)
        sums = [tf.reduce_sum(tf.stop_gradient(each), axis=0), tf.reduce_sum(context.complete)]
        total, count = distribution.global_sum(sums)
        return total / tf.maximum(count, 1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"beta": self.beta, "threshold": self.threshold, "strength": self.strength}
