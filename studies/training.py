"""Parts of all runs of a study: an order of clips, batches from arrays, one traced train step."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

import amr_tf
from amr_tf import _compat


def order(clips: int, batch: int, epochs: int, seed: int) -> np.ndarray:
    """The clips that each step takes: a permutation an epoch.

    Args:
        clips: Integer, the training clips.
        batch: Integer, the clips of a step.
        epochs: Integer, the number of epochs.
        seed: Integer, the seed of the permutations.

    Returns:
        Array `[steps, batch]` of indices.
    """
    rng = np.random.default_rng(seed)
    whole = clips // batch * batch
    return np.concatenate(
        [rng.permutation(clips)[:whole].reshape(-1, batch) for _ in range(epochs)]
    )


def batches(
    inputs: Mapping[str, np.ndarray],
    labels: np.ndarray,
    rows: np.ndarray,
    as_input: Callable[[tf.Tensor], tf.Tensor],
) -> tf.data.Dataset:
    """Batches of clips that are in memory.

    Args:
        inputs: Mapping, modality -> array `[N, ...]`.
        labels: Array `[N]`, the class ids.
        rows: Array `[steps, batch]` of indices.
        as_input: Function, clips as the array holds them -> an encoder's input.

    Returns:
        A dataset of (inputs, class ids).
    """
    inputs = {m: tf.constant(np.asarray(x)) for m, x in inputs.items()}
    labels = tf.constant(labels)

    def batch(index: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        x = {m: as_input(tf.gather(values, index)) for m, values in inputs.items()}
        return x, tf.gather(labels, index)

    return tf.data.Dataset.from_tensor_slices(rows).map(batch).prefetch(2)


def with_traced_step(
    model: amr_tf.MultimodalClassifier, traced: list[amr_tf.MultimodalClassifier]
) -> amr_tf.MultimodalClassifier:
    """A model like the given one whose train step may be traced already.

    Args:
        model: MultimodalClassifier, compiled, not trained.
        traced: List, empty or with the model that earlier runs of the same graph trained.

    Returns:
        That model, with all variables of the given one; or the given one, which the list then has.
    """
    if not traced:
        traced.append(model)
        return model
    _compat.restore(traced[0], _compat.snapshot(model))
    return traced[0]
