"""Finished runs -> means and paired differences, and the preregistered comparisons."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from amr_tf.analysis.seed_intervals import Estimate
from amr_tf.modalities.corruption import SEVERITIES
from studies import statistics
from studies.frontier import plan, train
from studies.frontier.plan import FrontierRun

SOUND, PICTURE = "audio_corrupted", "video_corrupted"


class Results(statistics.Results):
    """The measurements of the finished runs."""

    @classmethod
    def load(cls, work: pathlib.Path, planned: Sequence[FrontierRun]) -> "Results":
        """Reads the measurements of the finished runs.

        Args:
            work: Path, the directory of the study.
            planned: Sequence of runs, which may be finished.

        Returns:
            The results, with what follows from the numbers of a run.
        """
        read = ((run, train.result(work, run)) for run in planned)
        return cls({run: found | _derived(found) for run, found in read if found is not None})


def _derived(found: dict[str, float]) -> dict[str, float]:
    """Means over the severities, and over the modalities the mean and the worst of these."""
    names = [n.removeprefix("without_") for n in found if n.startswith("without_")]
    if not names:
        return {}
    means = {
        f"{m}_corrupted": float(np.mean([found[f"{m}_corrupted{s}"] for s in SEVERITIES]))
        for m in names
    }
    missing = [found[f"without_{m}"] for m in names]
    even = 1 / len(names)
    return means | {
        "missed": max(abs(found[f"share_{m}"] - even) for m in names),
        "missed_train": max(abs(found[f"train_share_{m}"] - even) for m in names),
        "worst": min(means.values()),
        "mean_corrupted": float(np.mean(list(means.values()))),
        "worst_missing": min(missing),
        "largest_share": max(found[f"share_{m}"] for m in names),
    }


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A paired difference that was decided upon before the runs.

    Attributes:
        question: String, the question that it belongs to, of the command's docstring.
        told: String, the two sides in words.
        run: FrontierRun, of any seed.
        other: FrontierRun, which is subtracted.
        measure: String, the name of the number.
    """

    question: str
    told: str
    run: FrontierRun
    other: FrontierRun
    measure: str


def comparisons(names: Sequence[str]) -> list[Comparison]:
    """All preregistered comparisons of the sets that there are, see `studies.frontier.__main__`."""
    real = [name for name in plan.REAL if name in names]
    found = []

    def add(question: str, told: str, run: FrontierRun, other: FrontierRun, *measures: str) -> None:
        told = f"{plan.TITLES[run.set]}, {told}"
        found.extend(Comparison(question, told, run, other, measure) for measure in measures)

    first, last = plan.RATIOS[0], plan.RATIOS[-1]
    for name in [*real, *(n for n in (plan.NOISY, plan.SYNTHETIC) if n in names)]:
        low, high = (FrontierRun(name).amr(ratio=r) for r in (first, last))
        question = "1" if name in real else "1, checked"
        add(question, f"naive, {first} against {last}", low, high, SOUND, PICTURE, "accuracy")
    for name in real:
        naive = FrontierRun(name)
        add("2", "naive, even AMR against none", naive.amr(), naive,
            "accuracy", SOUND, PICTURE, "worst", "worst_missing")  # fmt: skip
        for method in plan.DIALLED:
            run = FrontierRun(name, method).amr()
            told = f"{method}, {first} against {last}"
            add("3", told, run.but(ratio=first), run.but(ratio=last), SOUND, PICTURE)
        clips = naive.amr(inputs="clips")
        told = f"end to end, naive, {first} against {last}"
        add("4", told, clips.but(ratio=first), clips.but(ratio=last), SOUND, PICTURE)
        told = "even AMR of Shapley shares against Grad⊙Input"
        add("5", told, naive.amr(measure="shapley"), naive.amr(), "behaviour_audio", "worst")
        for scope in plan.SCOPES[1:]:
            told = f"even AMR, scope {scope} against head"
            probes = ("probe_audio", "probe_video")
            add("6", told, naive.amr(scope=scope), naive.amr(), *probes, "accuracy")
        for method in plan.DIALLED:
            told = f"naive with even AMR against {method} without"
            add("7", told, naive.amr(), FrontierRun(name, method), "accuracy", "worst")
    return found


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a comparison.

    Attributes:
        difference: Estimate, in points; None where too few runs are finished.
        p: Float, of the paired t-test; NaN where there is no difference.
        corrected: Float, the same corrected for the number of all planned comparisons (Holm).
    """

    difference: Estimate | None
    p: float
    corrected: float

    @property
    def stands(self) -> bool:
        """Whether the difference is significant among all comparisons."""
        return self.corrected <= 0.05


def outcomes(results: Results, names: Sequence[str]) -> dict[Comparison, Outcome]:
    """All preregistered comparisons, tested as one family; those without runs count in its size.

    Args:
        results: Results, of the finished runs.
        names: Sequence of strings, the sets that there are.

    Returns:
        A dictionary, comparison -> outcome.
    """
    planned = comparisons(names)
    found = {c: results.difference(c.run, c.other, c.measure) for c in planned}
    p = {c: statistics.p_value(d) for c, d in found.items() if d is not None}
    corrected = dict(zip(p, statistics.holm(list(p.values()), len(planned)), strict=True))
    nan = float("nan")
    return {c: Outcome(d, p.get(c, nan), corrected.get(c, nan)) for c, d in found.items()}


def best_ratio(results: Results, run: FrontierRun, measure: str) -> str | None:
    """The ratio at which the mean of a number is highest; None where no run is finished.

    It is chosen and read on the same test clips, hence a description and no estimate.
    """
    means = {r: results.mean(run.amr(ratio=r), measure) for r in plan.RATIOS}
    there = {r: value.mean for r, value in means.items() if value is not None}
    return max(there, key=there.get) if there else None
