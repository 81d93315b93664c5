"""Finished runs -> means and paired differences over seeds, in percent and points."""

import pathlib

import numpy as np

from amr_tf.analysis.seed_intervals import Estimate
from studies import statistics
from studies.balance import data, study_plan, train
from studies.balance.study_plan import StudyRun

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


class Results(statistics.Results):
    """The measurements of the finished runs."""

    @classmethod
    def load(cls, work: pathlib.Path) -> "Results":
        """Reads the measurements of the finished runs.

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

    def pooled(self, level: str, measure: str) -> Estimate | None:
        """AMR's effect as the mean over the methods, seed by seed.

        Args:
            level: String, the level of the data.
            measure: String, the name of the number.

        Returns:
            The mean in points; None without two common seeds.
        """
        runs = [StudyRun(level, method) for method in study_plan.COMPARED_METHODS]
        return self.joint(
            [self.differences(run.but(amr="probability"), run, measure) for run in runs]
        )


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
    corrected = statistics.holm([statistics.p_value(d) for d in there.values()])
    return {key: (d, p <= 0.05) for (key, d), p in zip(there.items(), corrected, strict=True)}
