"""Means and paired differences over seeds, their t-intervals and the conclusions from them."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Example:
        >>> found = amr_tf.analysis.estimate([0.70, 0.72, 0.74])
        >>> f"{found.mean:.2f} ± {found.half_width:.2f}"
        '0.72 ± 0.05'

    Attributes:
        points: Tuple of floats, one number per seed.
        mean: Float, the mean of the points.
        low: Float, the lower end of the t-interval; NaN for a single point.
        high: Float, the upper end; NaN for a single point.
    """

    points: tuple[float, ...]
    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's width; NaN for a single point."""
        return (self.high - self.low) / 2


def estimate(points: Sequence[float], level: float = 0.95) -> Estimate:
    """The mean and its t-interval, `mean ± t_{n-1} s / sqrt(n)`.

    Example:
        >>> found = amr_tf.analysis.estimate([1.0, 2.0, 3.0])  # one number a seed
        >>> found.low < found.mean < found.high
        True

    Args:
        points: Sequence of floats, one number per seed, at least one.
        level: Float, the confidence of the interval.

    Returns:
        The estimate.

    Raises:
        ValueError: There are no points.
    """
    values = np.asarray(points, np.float64)
    if not values.size:
        raise ValueError("no points to estimate a mean from")
    mean, low, high = float(values.mean()), float("nan"), float("nan")
    if len(values) > 1:
        error = stats.sem(values)
        # equal points have an interval of no width, of which SciPy makes NaN
        ends = stats.t.interval(level, len(values) - 1, mean, error) if error else (mean, mean)
        low, high = map(float, ends)
    return Estimate(tuple(values.tolist()), mean, low, high)


def within(difference: Estimate, margin: float) -> str:
    """Whether a difference is smaller than a margin.

    With a 95 % interval this is stricter than the usual two one-sided tests at 5 %, which take the
    90 % interval.

    Example:
        >>> difference = amr_tf.analysis.estimate([0.001, -0.002, 0.002, 0.0])
        >>> amr_tf.analysis.within(difference, margin=0.01)
        'yes'

    Args:
        difference: Estimate, with its interval.
        margin: Float, positive.

    Returns:
        `yes` where the whole interval lies inside of ±margin, `no` where it lies outside, else
        `undecided`; so is a single point.
    """
    if np.isnan(difference.low):
        return "undecided"
    if -margin <= difference.low and difference.high <= margin:
        return "yes"
    if difference.low > margin or difference.high < -margin:
        return "no"
    return "undecided"
