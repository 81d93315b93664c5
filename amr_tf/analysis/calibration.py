"""Whether a model's confidence is its accuracy: reliability bins, expected calibration error.

Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 2.
"""

import dataclasses

import numpy as np
from scipy import special

from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.measurement import PERCENT, Measurement
from amr_tf.analysis.subject import Subject

BINS = 15


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Clips grouped by the confidence of their prediction, in B bins of equal width.

    Attributes:
        index: Array `[N]`, the bin of each clip.
        gap: Array `[N]`, each clip's correctness (0 or 1) minus its confidence.
        counts: Array `[B]`, the clips in each bin.
        confidence: Array `[B]`, their mean confidence; NaN in an empty bin.
        accuracy: Array `[B]`, their accuracy; NaN in an empty bin.
    """

    index: np.ndarray
    gap: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def bins(self) -> int:
        """The number of bins, B."""
        return len(self.counts)

    def error(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Expected calibration error: `ECE = sum_b n_b / n |accuracy_b - confidence_b|`.

        Args:
            weights: Array `[N, ...]`, how often each clip counts; once by default.

        Returns:
            Array `[...]` of numbers in [0, 1].
        """
        if weights is None:
            weights = np.ones(len(self.gap))
        gaps = self.gap.reshape(-1, *[1] * (weights.ndim - 1)) * weights
        sums = np.stack([gaps[self.index == b].sum(axis=0) for b in range(self.bins)])
        return np.abs(sums).sum(axis=0) / weights.sum(axis=0)


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """Groups clips by confidence, the largest probability.

    Args:
        labels: Array `[N]`, the class ids.
        probabilities: Array `[N, C]`, whose rows sum to 1.
        bins: Integer, B; bin b holds confidences in (b/B, (b+1)/B].

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


@dataclasses.dataclass(frozen=True)
class Calibration:
    """The calibration of a model on a split.

    Attributes:
        bins: Reliability, the clips by confidence.
        error: Measurement, the expected calibration error.
        confidence: Measurement, the mean confidence.
        accuracy: Measurement, the accuracy.
    """

    bins: Reliability
    error: Measurement
    confidence: Measurement
    accuracy: Measurement


def measure_calibration(subject: Subject, boots: Bootstrap) -> Calibration:
    """Measures whether a model's confidence is its accuracy.

    Example:
        >>> found = amr_tf.analysis.measure_calibration(subject, boots)
        >>> 0 <= found.error.value <= 1
        True

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.

    Returns:
        The measurements and the bins.
    """
    probabilities, labels = special.softmax(subject.logits, axis=1), subject.test.labels
    bins = reliability(labels, probabilities)
    correct = probabilities.argmax(axis=1) == labels

    def measurement(metric: str, draws: np.ndarray) -> Measurement:
        return Measurement("", "", metric, PERCENT, draws)

    return Calibration(
        bins=bins,
        error=measurement("expected calibration error", bins.error(boots.weights)),
        confidence=measurement("mean confidence", boots.mean(probabilities.max(axis=1))),
        accuracy=measurement("accuracy", boots.mean(correct)),
    )
