"""Whether a model's confidence is its accuracy: reliability bins, expected calibration error.

Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 2.
"""

import dataclasses

import numpy as np

BINS = 15


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Clips grouped by the confidence of their prediction, in B bins of equal width.

    Attributes:
        index: Each clip's bin `[n]`.
        gap: Each clip's correctness (0 or 1) minus its confidence `[n]`.
        counts: Clips in each bin `[B]`.
        confidence: Their mean confidence `[B]`; NaN in an empty bin.
        accuracy: Their accuracy `[B]`; NaN in an empty bin.
    """

    index: np.ndarray
    gap: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def bins(self) -> int:
        """B."""
        return len(self.counts)

    def error(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Expected calibration error: `ECE = sum_b n_b / n |accuracy_b - confidence_b|`.

        Args:
            weights: How often each clip counts, `[n, ...]`; once by default.

        Returns:
            `[...]`; in [0, 1].
        """
        if weights is None:
            weights = np.ones(len(self.gap))
        gaps = self.gap.reshape(-1, *[1] * (weights.ndim - 1)) * weights
        sums = np.stack([gaps[self.index == b].sum(axis=0) for b in range(self.bins)])
        return np.abs(sums).sum(axis=0) / weights.sum(axis=0)


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """Groups clips by confidence, the largest probability.

    Args:
        labels: Class ids `[n]`.
        probabilities: `[n, C]`, rows sum to 1.
        bins: B; bin b holds confidences in (b/B, (b+1)/B].

    Returns:
        The bins.
    """
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            index=index,
            gap=correct - confidence,
            counts=counts,
            confidence=np.bincount(index, confidence, bins) / counts,
            accuracy=np.bincount(index, correct, bins) / counts,
        )
