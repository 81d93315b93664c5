"""Dropout on the concatenated encodings (Hinton et al. 2012), all modalities alike."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf.methods.base import ANY_TASK, Context, Method


@keras.saving.register_keras_serializable(package="amr_tf")
class Dropout(Method):
    """Zeroes each feature of every encoding with probability `rate`, scales the rest.

    `e~ = e ⊙ mask / (1 - rate)`, in training only. A training step's attributions use that
    step's mask; reported dominance uses none.

    Example:
        >>> method = amr_tf.methods.Dropout(rate=0.3)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        rate: Number, the probability to drop a feature, 0 <= rate < 1.
        seed: Integer, the seed of the masks, which are a function of (seed, step, sample).

    Raises:
        ValueError: `rate` outside of [0, 1).
    """

    help = "drops features of the encodings (Hinton 2012)"
    tasks = ANY_TASK

    def __init__(self, rate: float = 0.5, seed: int = 0) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"a dropout rate lies in [0, 1), got {rate}")
        self.rate = rate
        self.seed = seed

    def encodings(self, encodings: list[tf.Tensor], context: Context) -> list[tf.Tensor]:
        """Drops features in training."""
        if not context.training or self.rate == 0:
            return encodings
        return [
            e * self._mask(e, context.uniform(_seed_of(self.seed, m), tf.shape(e)[1:]))
            for m, e in enumerate(encodings)
        ]

    def _mask(self, encoding: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
        return tf.cast(drawn >= self.rate, encoding.dtype) / (1 - self.rate)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"rate": self.rate, "seed": self.seed}


def _seed_of(seed: int, modality: int) -> int:
    """A seed of its own for each modality, distinct for distinct (seed, modality)."""
    return seed * 1009 + modality
