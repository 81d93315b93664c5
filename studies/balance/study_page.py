"""Writes docs/study.md: the prose of template.md, its tables and numbers from the finished runs.

In the template `{{table NAME}}` is a table, `{{mean MEASURE LEVEL METHOD AMR}}` a mean over seeds,
`{{effect MEASURE LEVEL METHOD AMR}}` the paired difference from the same model without AMR,
`{{pooled MEASURE LEVEL}}` AMR's effect as the mean over the methods,
`{{against MEASURE LEVEL AMR OTHER}}` the difference of two variants of AMR on naive fusion,
`{{pushed MEASURE decay|rate VALUE}}` that from the naive model without decay and dropout; the
others are counts and times. `plain` stands for no AMR.
"""

import pathlib

import numpy as np

from amr_tf.analysis.seed_intervals import Estimate
from studies import drawing, page
from studies.balance import study_figures, study_plan, study_tables
from studies.balance.estimates import POOLED, Results, effects
from studies.balance.study_plan import StudyRun

TEMPLATE = pathlib.Path(__file__).with_name("template.md")


def write(work: pathlib.Path, docs: pathlib.Path) -> None:
    """Writes study.md, study/*.png and study/runs.csv from what is finished.

    Args:
        work: Path, the directory of the runs.
        docs: Path, the directory to write to.
    """
    results = Results.load(work)
    directory = docs / "study"
    directory.mkdir(parents=True, exist_ok=True)
    drawing.write(directory, study_figures.ALL, results)
    (directory / "runs.csv").write_text(page.runs_csv(StudyRun, results))
    (docs / "study.md").write_text(page.filled(TEMPLATE.read_text(), FIELDS, results))


def _run(level: str, method: str, amr: str) -> StudyRun:
    return StudyRun(level, method, "" if amr == "plain" else amr)


def _mean(results: Results, measure: str, level: str, method: str, amr: str) -> str:
    return page.plain(results.mean(_run(level, method, amr), measure))


def _effect(results: Results, measure: str, level: str, method: str, amr: str) -> str:
    run = _run(level, method, amr)
    return page.signed(results.difference(run, run.but(amr=""), measure))


def _against(results: Results, measure: str, level: str, amr: str, other: str) -> str:
    runs = (_run(level, "naive", a) for a in (amr, other))
    return page.signed(results.difference(*runs, measure))


def _pushed(results: Results, measure: str, kind: str, value: str) -> str:
    naive = StudyRun("moderate")
    decayed = naive.but(weight_decay=float(value))
    run = decayed if kind == "decay" else naive.but(method="dropout", rate=float(value))
    return page.signed(results.difference(run, naive, measure))


def _all(results: Results, measure: str) -> list[float]:
    return [found[measure] for found in results.measured.values() if measure in found]


def _pooled(results: Results, measure: str, level: str) -> str:
    return page.signed(results.pooled(level, measure))


def _single(results: Results) -> list[tuple[Estimate, bool]]:
    return [found for key, found in effects(results).items() if key[-1] != POOLED]


FIELDS = {
    "table": lambda results, name: study_tables.ALL[name](results),
    "mean": _mean,
    "effect": _effect,
    "against": _against,
    "pushed": _pushed,
    "count": lambda results: str(len(results.measured)),
    "all": lambda results: str(len(study_plan.everything())),
    "effects": lambda results: str(len(_single(results))),
    "chance": lambda results: f"{len(_single(results)) / 20:.0f}",
    "excluding": lambda results: str(sum(d.low > 0 or d.high < 0 for d, _ in _single(results))),
    "stand": lambda results: str(sum(stands for _, stands in _single(results))),
    "pooled": _pooled,
    "seconds": lambda results: (
        f"{np.median([m['seconds'] for m in results.measured.values()]):.0f}"
    ),
    "longest": lambda results: f"{max(m['seconds'] for m in results.measured.values()):.0f}",
    "hours": lambda results: f"{sum(m['seconds'] for m in results.measured.values()) / 3600:.1f}",
    "changed": lambda results: (
        f"{max(m.get('changed_by_centring', 0) for m in results.measured.values()):.4f}"
    ),
}
