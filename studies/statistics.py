"""Numbers of runs -> means and paired differences over seeds, in percent; corrected p-values."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from amr_tf.analysis.seed_intervals import Estimate, estimate


@dataclasses.dataclass(frozen=True)
class Results:
    """The measurements of finished runs. A run is a dataclass with a `seed` and `but(seed=...)`.

    Attributes:
        measured: Dictionary, run -> name -> number; accuracies and shares are fractions.
    """

    seeds: ClassVar[Sequence[int]] = range(10)
    measured: dict[Any, dict[str, float]]

    def mean(self, run: Any, measure: str) -> Estimate | None:
        """The mean over the seeds of a run's kind.

        Args:
            run: Run, of any seed.
            measure: String, the name of the number.

        Returns:
            The mean in percent; None where no such run is finished.
        """
        values = self.by_seed(run, measure)
        return estimate(list(values.values())) if values else None

    def difference(self, run: Any, other: Any, measure: str) -> Estimate | None:
        """The mean of `run - other`, seed by seed.

        Args:
            run: Run, of any seed.
            other: Run, of any seed.
            measure: String, the name of the number.

        Returns:
            The mean in points; None without two common seeds.
        """
        return self.joint([self.differences(run, other, measure)])

    def differences(self, run: Any, other: Any, measure: str) -> dict[int, float]:
        """Seed -> `run - other` in points, of the seeds that both have."""
        a, b = self.by_seed(run, measure), self.by_seed(other, measure)
        return {seed: a[seed] - b[seed] for seed in a if seed in b}

    def joint(self, parts: Sequence[dict[int, float]]) -> Estimate | None:
        """The mean of parts over the seeds that all of them have; None without two."""
        common = [seed for seed in self.seeds if all(seed in part for part in parts)]
        means = [float(np.mean([part[seed] for part in parts])) for seed in common]
        return estimate(means) if len(means) > 1 else None

    def by_seed(self, run: Any, measure: str) -> dict[int, float]:
        """Seed -> the number in percent, of the finished runs of a run's kind."""
        runs = ((seed, self.measured.get(run.but(seed=seed))) for seed in self.seeds)
        return {seed: 100 * found[measure] for seed, found in runs if found and measure in found}


def p_value(difference: Estimate) -> float:
    """The two-sided p-value of the paired t-test that a mean difference is 0.

    Args:
        difference: Estimate, of two points or more.

    Returns:
        A float in [0, 1].
    """
    points = np.array(difference.points)
    if np.ptp(points) == 0:
        return float(points[0] == 0)
    return float(stats.ttest_1samp(points, 0.0).pvalue)


def holm(p_values: Sequence[float], hypotheses: int | None = None) -> list[float]:
    """p-values corrected for the number of hypotheses that are tested together (Holm 1979).

    A hypothesis whose corrected p-value is at most 0.05 falls, where the chance that any true one
    of the family falls is to be at most 5 %.

    Args:
        p_values: Sequence of floats, one a hypothesis.
        hypotheses: Integer, the size of the family, where some have no p-value yet.

    Returns:
        A float in [0, 1] for each p-value.
    """
    standing = len(p_values) if hypotheses is None else hypotheses
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, (standing - rank) * p_values[index])
        corrected[index] = min(1.0, float(largest))
    return corrected
