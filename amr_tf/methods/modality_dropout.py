"""Modality dropout: train on a random non-empty subset of the modalities."""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf._presence import kept
from amr_tf.methods.base import ANY_TASK, Context, Method


@keras.saving.register_keras_serializable(package="amr_tf")
class ModalityDropout(Method):
    """Zeroes whole encodings; at least one modality stays.

    Each modality is dropped with probability `rate`, redrawn while all would drop: subset S of
    dropped modalities has probability proportional to `rate^|S| (1 - rate)^(M - |S|)`, all M
    excluded. Nothing is dropped outside of training and nothing is rescaled.
    Per sample it is ModDrop (Neverova et al. 2016, section 3.4).

    Samples that lost a modality are not complete: they don't enter a^m.

    Example:
        >>> method = amr_tf.methods.ModalityDropout(rate=0.2, per_sample=True)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        rate: Number, the probability to drop a modality, 0 <= rate < 1.
        per_sample: Boolean, whether every sample draws its own subset, or else one serves a step.
        seed: Integer, the seed of the subsets, which are a function of (seed, step, sample).

    Raises:
        ValueError: `rate` outside of [0, 1).
    """

    help = "drops whole modalities (Neverova 2016)"
    tasks = ANY_TASK

    def __init__(self, rate: float = 0.5, per_sample: bool = False, seed: int = 0) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"a modality dropout rate lies in [0, 1), got {rate}")
        self.rate = rate
        self.per_sample = per_sample
        self.seed = seed

    def encodings(self, encodings: list[tf.Tensor], context: Context) -> list[tf.Tensor]:
        """Drops modalities in training, and notes it in `context.presence`."""
        if not context.training or self.rate == 0:
            return encodings
        masks, cumulative = self._subsets(len(encodings))
        drawn = context.uniform(self.seed, per_sample=self.per_sample)
        subset = tf.searchsorted(cumulative, tf.reshape(drawn, [-1]), side="right")
        context.presence *= tf.gather(masks, subset)  # [B, M], or [1, M] for the whole step
        return [kept(e, context.presence[:, m]) for m, e in enumerate(encodings)]

    def _subsets(self, modalities: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Non-empty subsets as keep masks `[S, M]` and upper ends of all but the last `[S - 1]`."""
        masks = np.array([k for k in itertools.product((1, 0), repeat=modalities) if any(k)])
        dropped = modalities - masks.sum(axis=1)
        weight = self.rate**dropped * (1 - self.rate) ** (modalities - dropped)
        cumulative = np.cumsum(weight / weight.sum())[:-1]
        return tf.constant(masks, tf.float32), tf.constant(cumulative, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"rate": self.rate, "per_sample": self.per_sample, "seed": self.seed}
