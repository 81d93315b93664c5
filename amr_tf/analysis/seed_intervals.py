"""Means and paired differences over seeds, with what can be said about them."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        points: One number per seed.
        mean: Of the points.
        low: Lower end of the 95 % t-interval; NaN for a single point.
        high: Upper end.
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
    """Mean and t-interval, `mean ± t_{n-1} s / sqrt(n)`.

    Args:
        points: One number per seed, at least one.
        level: Of confidence.

    Raises:
        ValueError: There are no points.
    """
    values = np.asarray(points, np.float64)
    if not values.size:
        raise ValueError("no points to estimate a mean from")
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(tuple(values), mean, float("nan"), float("nan"))
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1) * error)
    return Estimate(tuple(values.tolist()), mean, mean - half, mean + half)


def within(difference: Estimate, margin: float) -> str:
    """Whether a difference is smaller than a margin.

    `yes` where the whole interval lies inside of ±margin, `no` where it lies outside, else
    `undecided`; so is a single point. (With a 95 % interval this is stricter than the usual two
    one-sided tests at 5 %, which take the 90 % interval.)

    Args:
        difference: With its interval.
        margin: Positive.
    """
    if np.isnan(difference.low):
        return "undecided"
    if -margin <= difference.low and difference.high <= margin:
        return "yes"
    if difference.low > margin or difference.high < -margin:
        return "no"
    return "undecided"
