"""Finished runs -> means and paired differences over seeds, in percent and points."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from scipy import stats

from amr_tf.analysis.seed_intervals import Estimate, estimate
from studies.balance import data, study_plan, train
from studies.balance.study_plan import SEEDS, StudyRun

# Accuracy under each condition.
CONDITIONS = {
    "accuracy": "clean",
    "audio_corrupted": "sound corrupted",
    "video_corrupted": "picture corrupted",
    "without_audio": "without sound",
    "without_video": "without picture",
}
# The row of a level that stands for all methods.
POOLED = "mean of the five"
ROWS = (*study_plan.COMPARED_METHODS, POOLED)


@dataclasses.dataclass(frozen=True)
class Results:
    """What the finished runs measured.

    Attributes:
        measured: Dictionary, run -> name -> number; accuracies and shares are fractions.
    """

    measured: dict[StudyRun, dict[str, float]]

    @classmethod
    def load(cls, work: pathlib.Path) -> "Results":
        """Reads what the finished runs measured.

        Args:
            work: Path, the directory of the runs.

        Returns:
            The results.
        """
        found = {}
        for run in study_plan.everything():
            numbers = train.result(work, run)
            if numbers is None:
                continue
            for modality in study_plan.MODALITIES if "share_logit" in numbers else ():
                corrupted = [numbers[f"{modality}_corrupted{s}"] for s in data.MEASURED_SEVERITIES]
                numbers[f"{modality}_corrupted"] = float(np.mean(corrupted))
            if "share_logit" in numbers:
                numbers["shift"] = numbers["share_logit"] - numbers["share_centred"]
            found[run] = numbers
        return cls(found)

    def mean(self, run: StudyRun, measure: str) -> Estimate | None:
        """The mean over the seeds of a run's kind.

        Args:
            run: StudyRun, of any seed.
            measure: String, the name of the number.

        Returns:
            The mean in percent; None where no such run is finished.
        """
        values = self._by_seed(run, measure)
        return estimate(list(values.values())) if values else None

    def difference(self, run: StudyRun, other: StudyRun, measure: str) -> Estimate | None:
        """The mean of `run - other`, seed by seed.

        Args:
            run: StudyRun, of any seed.
            other: StudyRun, of any seed.
            measure: String, the name of the number.

        Returns:
            The mean in points; None without two common seeds.
        """
        return self._estimate([self._differences(run, other, measure)])

    def pooled(self, level: str, measure: str) -> Estimate | None:
        """AMR's effect as the mean over the methods, seed by seed.

        Args:
            level: String, the level of the data.
            measure: String, the name of the number.

        Returns:
            The mean in points; None without two common seeds.
        """
        runs = [StudyRun(level, method) for method in study_plan.COMPARED_METHODS]
        return self._estimate(
            [self._differences(run.but(amr="probability"), run, measure) for run in runs]
        )

    def _differences(self, run: StudyRun, other: StudyRun, measure: str) -> dict[int, float]:
        a, b = self._by_seed(run, measure), self._by_seed(other, measure)
        return {seed: a[seed] - b[seed] for seed in SEEDS if seed in a and seed in b}

    def _estimate(self, parts: list[dict[int, float]]) -> Estimate | None:
        """Estimates the parts' mean over the seeds that all of them have."""
        common = [seed for seed in SEEDS if all(seed in part for part in parts)]
        means = [float(np.mean([part[seed] for part in parts])) for seed in common]
        return estimate(means) if len(means) > 1 else None

    def _by_seed(self, run: StudyRun, measure: str) -> dict[int, float]:
        runs = ((seed, self.measured.get(run.but(seed=seed))) for seed in SEEDS)
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


def holm(p_values: Sequence[float], level: float = 0.05) -> list[bool]:
    """Which hypotheses fall when all of a family are tested together (Holm 1979).

    Args:
        p_values: Sequence of floats, one a hypothesis.
        level: Float, the chance that any true hypothesis falls.

    Returns:
        A boolean for each hypothesis.
    """
    falls, standing = [False] * len(p_values), len(p_values)
    for index in np.argsort(p_values, kind="stable"):
        if p_values[index] > level / standing:
            break
        falls[index] = True
        standing -= 1
    return falls


def effects(results: Results) -> dict[tuple[str, str, str], tuple[Estimate, bool]]:
    """The effect of AMR on accuracy. Two families are tested: single methods, and their means.

    Args:
        results: Results, of the finished runs.

    Returns:
        A dictionary, (condition, level, row) -> accuracy with AMR minus accuracy without, and
        whether that difference stands in its family.
    """
    single, pooled = {}, {}
    for measure in CONDITIONS:
        for level in study_plan.LEVELS:
            pooled[measure, level, POOLED] = results.pooled(level, measure)
            for method in study_plan.COMPARED_METHODS:
                plain = StudyRun(level, method)
                difference = results.difference(plain.but(amr="probability"), plain, measure)
                single[measure, level, method] = difference
    return _tested(single) | _tested(pooled)


def _tested(family: dict) -> dict:
    there = {key: difference for key, difference in family.items() if difference is not None}
    stand = holm([p_value(difference) for difference in there.values()])
    return {key: (d, s) for (key, d), s in zip(there.items(), stand, strict=True)}
