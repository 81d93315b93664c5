"""The measurements that all studies make of trained models, on arrays and in inference mode."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

import amr_tf
from amr_tf.analysis import conflicts
from amr_tf.analysis.encodings import in_batches


def encode(
    model: amr_tf.MultimodalClassifier,
    inputs: Mapping[str, np.ndarray],
    as_input: Callable[[tf.Tensor], tf.Tensor],
    size: Callable[[np.ndarray], int],
) -> dict[str, np.ndarray]:
    """Encodes inputs in inference mode.

    Args:
        model: MultimodalClassifier, the trained model.
        inputs: Mapping, modality -> array `[N, ...]`; some of the modalities may be missing.
        as_input: Function, rows of an array -> the encoder's input.
        size: Function, an array -> the number of rows that are encoded at a time.

    Returns:
        A dictionary, modality -> array `[N, D]`.
    """
    return {
        m: in_batches(
            lambda x, m=m: model.encoders[m](as_input(x), training=False),
            inputs[m],
            size=size(inputs[m]),
        )
        for m in model.modalities
        if m in inputs
    }


def behaviour(head: Callable, test: Mapping[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Returns how often each modality wins where one is exchanged for another class's, or kept.

    Args:
        head: Function, list of M encodings -> logits `[N, C]`.
        test: Mapping, modality -> encodings `[N, D]`.
        labels: Array `[N]`, the class ids.

    Returns:
        Array `[M]` of fractions.
    """
    partner = conflicts.partners(labels)
    outcomes = conflicts.exchange_outcomes(head, list(test.values()), labels, partner)
    followed, decided = outcomes.follows.mean(axis=1), outcomes.decided.mean(axis=1)
    return conflicts.behavioural_dominance(followed, decided)
