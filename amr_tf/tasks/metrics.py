"""Metrics of a whole split, on the host."""

import numpy as np
from sklearn.metrics import average_precision_score


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """The fraction of samples whose highest score is their class's.

    Args:
        labels: Array `[N]`, the class ids.
        scores: Array `[N, C]`, logits or probabilities.

    Returns:
        A float in [0, 1].
    """
    return float(np.mean(scores.argmax(axis=1) == labels))


def positives(labels: np.ndarray, classes: int) -> np.ndarray:
    """The labels that samples have, booleans `[N, C]`.

    Args:
        labels: Array `[N]`, the class ids, or `[N, C]` of 0 and 1.
        classes: Integer, C.
    """
    labels = np.asarray(labels)
    return labels > 0 if labels.ndim == 2 else np.arange(classes) == labels[:, None]


def average_precisions(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The average precision of each class against the rest (scikit-learn's, no interpolation).

    Args:
        labels: Array `[N]`, the class ids, or `[N, C]` of 0 and 1.
        scores: Array `[N, C]`; samples are ranked by each column.

    Returns:
        Array `[C]`; NaN for a class without a positive sample.
    """
    positive = positives(labels, scores.shape[1])
    return np.array(
        [
            average_precision_score(p, s) if p.any() else np.nan
            for p, s in zip(positive.T, scores.T, strict=True)
        ]
    )


def mean_average_precision(labels: np.ndarray, scores: np.ndarray) -> tuple[float, int]:
    """The macro average of average precision over the classes with at least one positive.

    Args:
        labels: Array `[N]`, the class ids, or `[N, C]` of 0 and 1.
        scores: Array `[N, C]`.

    Returns:
        The mean, NaN where no class has any, and the number of classes it is over.
    """
    values = average_precisions(labels, scores)
    values = values[~np.isnan(values)]
    return (float(values.mean()) if len(values) else float("nan")), len(values)
