"""Accuracy, mean average precision and dominance of a whole split, on the host."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import average_precision_score

_UNNAMED = 3  # modalities whose shares stand in a row without their names


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """The fraction of samples whose highest score is their class's.

    Args:
        labels: Array `[N]`, the class ids.
        scores: Array `[N, C]`, logits or probabilities.

    Returns:
        A float in [0, 1].
    """
    return float(np.mean(scores.argmax(axis=1) == labels))


def average_precisions(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The average precision of each class against the rest (scikit-learn's, no interpolation).

    Args:
        labels: Array `[N]`, the class ids.
        scores: Array `[N, C]`; samples are ranked by each column.

    Returns:
        Array `[C]`; NaN for a class without a positive sample.
    """
    positive = np.arange(scores.shape[1]) == np.asarray(labels)[:, None]
    return np.array(
        [
            average_precision_score(p, s) if p.any() else np.nan
            for p, s in zip(positive.T, scores.T, strict=True)
        ]
    )


def mean_average_precision(labels: np.ndarray, scores: np.ndarray) -> tuple[float, int]:
    """The macro average of average precision over the classes with at least one positive.

    Args:
        labels: Array `[N]`, the class ids.
        scores: Array `[N, C]`.

    Returns:
        The mean, and the number of classes it is over.
    """
    values = average_precisions(labels, scores)
    values = values[~np.isnan(values)]
    return float(values.mean()), len(values)


def dominance(shares: np.ndarray, complete: np.ndarray | None = None) -> np.ndarray:
    """The mean share of each modality over the samples that have all of them.

    Args:
        shares: Array `[N, M]`.
        complete: Array `[N]`, true where a sample has all modalities; all by default.

    Returns:
        Array `[M]`; NaN where no sample is complete.
    """
    if complete is not None:
        shares = shares[np.asarray(complete, bool)]
    return shares.mean(axis=0) if len(shares) else np.full(shares.shape[1], np.nan)


def dominance_title(modalities: Sequence[str]) -> str:
    """What stands above or before `format_dominance`: `audio/video`, or `shares` of many.

    Args:
        modalities: Strings, the names in their order.
    """
    return "/".join(modalities) if len(modalities) <= _UNNAMED else "shares"


def format_dominance(values: Mapping[str, float] | None) -> str:
    """Percent per modality in their order, `74/26`; `-` for a model of one modality.

    More than three modalities are named: `fou 12 / fac 21 / kar 40 / pix 27`.

    Numbers are rounded by largest remainders: they add up to 100.

    Args:
        values: Mapping, modality -> share; None where there are no shares.

    Returns:
        The text; `?` where a share is not known.
    """
    if not values or len(values) < 2:
        return "-"
    percent = 100 * np.array(list(values.values()), float)  # None, JSON's NaN, becomes NaN
    if not np.isfinite(percent).all():
        return "?"
    whole = np.floor(percent).astype(int)
    for m in np.argsort(whole - percent, kind="stable")[: 100 - whole.sum()]:
        whole[m] += 1
    if len(whole) <= _UNNAMED:
        return "/".join(str(p) for p in whole)
    return " / ".join(f"{name} {p}" for name, p in zip(values, whole, strict=True))
