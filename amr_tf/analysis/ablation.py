"""Missing and conflicting modalities, at the encodings of any head.

Missing: a modality's encoding is replaced by one that says nothing of the clip. Conflicting: it is
exchanged for that of a clip of another class, and the prediction tells which one the model follows.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from amr_tf._shapley import shapley, subsets
from amr_tf.analysis.evaluation import in_batches


def head_logits(head: Callable, encodings: Sequence[np.ndarray]) -> np.ndarray:
    """Logits in inference mode, M arrays `[N, ...]` -> `[N, C]` float64."""
    return in_batches(lambda *e: head(list(e), training=False), *encodings).astype(np.float64)


def subset_logits(
    head: Callable, encodings: Sequence[np.ndarray], replacements: Sequence[np.ndarray]
) -> dict[frozenset, np.ndarray]:
    """Logits with each subset of the modalities, the others replaced.

    Args:
        head: List of M encodings -> logits `[B, C]`.
        encodings: M arrays `[N, ...]`.
        replacements: M arrays that broadcast to them: zeros, the training mean, an encoded silence.

    Returns:
        Subset of 0..M-1 -> `[N, C]`; all 2^M.
    """
    away = [
        np.broadcast_to(r, e.shape).astype(e.dtype)
        for e, r in zip(encodings, replacements, strict=True)
    ]
    return {
        subset: head_logits(
            head, [encodings[m] if m in subset else away[m] for m in range(len(encodings))]
        )
        for subset in subsets(len(encodings))
    }


def shapley_values(value: Mapping[frozenset, np.ndarray], players: int) -> np.ndarray:
    """Shapley values of all players from the value `[...]` of each subset: `[M, ...]`."""
    return np.stack([shapley(value, m, players) for m in range(players)])


def positive_shares(values: np.ndarray) -> np.ndarray:
    """What adds to a sum, as shares: `max(v^m, 0) / sum_j max(v^j, 0)`; 1/M where nothing does.

    Args:
        values: `[M, ...]`; NaN stays NaN.

    Returns:
        `[M, ...]`.
    """
    values = np.maximum(values, 0)
    total = values.sum(axis=0)
    return np.where(total == 0, 1 / len(values), values / np.where(total == 0, 1, total))


def partners(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """For each clip a random clip of another class, any of them with equal probability.

    Args:
        labels: Class ids `[N]`.
        seed: Of the draw.

    Returns:
        Indices `[N]`.

    Raises:
        ValueError: All clips are of one class.
    """
    labels = np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    first, last = (np.searchsorted(labels[order], labels, side=s) for s in ("left", "right"))
    own = last - first
    if (own == len(labels)).any():
        raise ValueError("no conflict is possible: all clips are of one class")
    drawn = np.random.default_rng(seed).integers(0, len(labels) - own)
    return order[np.where(drawn < first, drawn, drawn + own)]  # skips the own class's block


def exchange_predictions(
    head: Callable, encodings: Sequence[np.ndarray], modality: int, partner: np.ndarray
) -> np.ndarray:
    """Predicted classes `[N]` with one modality exchanged for the partner's."""
    mixed = [e[partner] if m == modality else e for m, e in enumerate(encodings)]
    return head_logits(head, mixed).argmax(axis=1)


def behavioural_dominance(followed: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """How much of a conflict each modality wins, as shares.

        D^m = s^m / sum_j s^j,  s^m = P(follows m | m is exchanged, follows m or the others)

    With two modalities the model that always follows one gives it 1, and indifference 1/2.

    Args:
        followed: How often the model took the class of the exchanged modality, `[M, ...]`.
        decided: How often it took that or the others' class, `[M, ...]`.

    Returns:
        `[M, ...]`; 1/M where no conflict was won; NaN where none was decided for a modality.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return positive_shares(np.where(decided > 0, followed / decided, np.nan))
