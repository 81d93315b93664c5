"""Bootstrap over clips: any statistic of a split with its 95 % interval, models compared in pairs.

A statistic is kept as its *draws*: an array `[..., 1 + R]` whose first entry is of the sample
itself and whose others are of R resamples of n clips with replacement (Efron 1979). As all
statistics share the resamples, differences, ratios and Shapley values of draws are draws again,
by plain arithmetic, and two models are compared clip by clip.
"""

import dataclasses
import functools

import numpy as np

from amr_tf.tasks.metrics import positives

_ROWS = 256  # of a class's clips that are ranked at a time


@dataclasses.dataclass(frozen=True)
class Interval:
    """A number and its percentile interval.

    Example:
        >>> draws = np.array([0.5, 0.4, 0.5, 0.6])
        >>> found = amr_tf.analysis.interval(draws)
        >>> found.low < found.value < found.high
        True

    Attributes:
        value: Float, the number of the sample itself.
        low: Float, the lower end; NaN where no resample has a value.
        high: Float, the upper end.
    """

    value: float
    low: float
    high: float


def interval(draws: np.ndarray, level: float = 0.95) -> Interval:
    """The percentile interval of draws `[1 + R]`; resamples without a value (NaN) don't count.

    Example:
        >>> draws = amr_tf.analysis.Bootstrap(n=50).mean(np.arange(50) % 2)
        >>> amr_tf.analysis.interval(draws).value
        0.5

    Args:
        draws: Array `[1 + R]`, the sample's value, then the resamples'.
        level: Float, the confidence of the interval.

    Returns:
        The interval.
    """
    resampled = draws[1:][np.isfinite(draws[1:])]
    if not resampled.size:
        return Interval(float(draws[0]), float("nan"), float("nan"))
    tail = 50 * (1 - level)
    low, high = np.percentile(resampled, (tail, 100 - tail))
    return Interval(float(draws[0]), float(low), float(high))


class Bootstrap:
    """The resamples of n clips.

    Example:
        >>> boots = amr_tf.analysis.Bootstrap(n=4, resamples=100)
        >>> correct = np.array([True, True, True, False])
        >>> draws = boots.mean(correct)  # of the sample itself, and of 100 resamples
        >>> float(draws[0]), draws.shape
        (0.75, (101,))

    Args:
        n: Integer, the number of clips.
        resamples: Integer, R.
        seed: Integer, the seed of the resamples: equal arguments give equal resamples.

    Attributes:
        weights: Array `[n, 1 + R]` of float32, how often each clip is in each draw; the first
            column is 1.

    Raises:
        ValueError: There are no clips, or no resamples.
    """

    def __init__(self, n: int, resamples: int = 1000, seed: int = 0) -> None:
        if n < 1 or resamples < 1:
            raise ValueError(f"need clips and resamples, got {n} and {resamples}")
        counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), resamples)
        self.weights = np.concatenate([np.ones((1, n)), counts]).T.astype(np.float32)

    def mean(self, values: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """Draws of the mean over clips.

        Args:
            values: Array `[n, ...]`.
            where: Array `[n]` of booleans, true for the clips that count; all by default.

        Returns:
            Array `[..., 1 + R]`; NaN in a draw without any clip that counts.
        """
        values, weights = np.asarray(values), self.weights
        if where is not None:
            values, weights = values[where], weights[where]
        # counting is exact in float32, and many times as fast
        values = values.astype(np.float32 if values.dtype == bool else np.float64)
        sums = np.tensordot(values, weights, axes=(0, 0)).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return sums / weights.sum(axis=0)

    def class_means(self, values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
        """Draws of the mean over each class's clips.

        Args:
            values: Array `[n, ...]`.
            labels: Array `[n]`, the class ids; clips of other ids do not count.
            classes: Integer, C.

        Returns:
            Array `[C, ..., 1 + R]`; NaN in a draw without any clip of the class.
        """
        return np.stack([self.mean(values, labels == c) for c in range(classes)])

    def mean_average_precision(self, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Draws of the macro average of average precision over a draw's classes.

            AP_c = sum_{i of c} w_i P_i / sum_{i of c} w_i,
            P_i  = sum_{j of c, s_j >= s_i} w_j / sum_{j, s_j >= s_i} w_j

        This is scikit-learn's definition, ties included, with sample weights w. Calling
        scikit-learn for each class and draw would take some hundred thousand calls for a large data
        set.

        Args:
            labels: Array `[n]`, the class ids, or `[n, C]` of 0 and 1.
            scores: Array `[n, C]`.

        Returns:
            Array `[1 + R]`; NaN in a draw without any positive.
        """
        positive = positives(labels, scores.shape[1])
        total = np.zeros(self.weights.shape[1])
        count = np.zeros_like(total)
        for c in np.flatnonzero(positive.any(axis=0)):
            precision = self._average_precision(positive[:, c], scores[:, c])
            found = np.isfinite(precision)
            total[found] += precision[found]
            count += found
        with np.errstate(invalid="ignore"):
            return total / count

    def _average_precision(self, positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
        own, found = self.weights[positive], []
        # sums of small integers: exact in float32, and matrix products are the fastest way
        for threshold in np.array_split(scores[positive], -(-positive.sum() // _ROWS)):
            above = (scores >= threshold[:, None]).astype(np.float32)
            seen = above @ self.weights
            found.append((above[:, positive] @ own) / np.maximum(seen, 1))
        precision = np.concatenate(found)
        with np.errstate(invalid="ignore"):
            return (own * precision).sum(axis=0, dtype=np.float64) / own.sum(axis=0)


@functools.lru_cache(maxsize=1)
def shared(n: int, resamples: int = 1000, seed: int = 0) -> Bootstrap:
    """The same `Bootstrap` for equal arguments: two models then share its resamples.

    Args:
        n: Integer, the number of clips.
        resamples: Integer, R.
        seed: Integer, the seed of the resamples.

    Returns:
        The bootstrap.
    """
    return Bootstrap(n, resamples, seed)
