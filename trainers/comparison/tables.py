"""The tables of a comparison, in the layout of the paper's Table 1: a block a weight of AMR."""

import csv
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from amr_tf import tasks
from amr_tf.analysis.metrics import dominance_title, format_dominance
from amr_tf.analysis.seed_intervals import Estimate, estimate, within
from amr_tf.tasks import Task, find_task
from amr_tf.tasks.multiclass import MULTICLASS
from tfrecords import atomic
from tfrecords.datasets import DATASETS
from trainers.comparison import plan
from trainers.config.run_config import Config

Results = Sequence[Mapping[str, Any]]  # `results.json` of runs


@dataclasses.dataclass(frozen=True)
class Line:
    """A row with the results of its finished runs.

    Attributes:
        row: Row of the plan.
        results: Mapping, weight of AMR -> the results of its finished runs, as in `row.runs`.
    """

    row: plan.Row
    results: Mapping[str, Results]

    @property
    def task(self) -> Task:
        """The task of the runs."""
        return task_of(self.results.values())

    def change(self, weight: str, name: str) -> Estimate | None:
        """The change by AMR, as it is shown (in points), paired by seed; None without a pair.

        Args:
            weight: String, the weight of AMR.
            name: String, the result that changes, e.g. `accuracy`.
        """
        measured = metrics((), self.task)[name]
        without = {r["seed"]: measured(r) for r in self.results[plan.WITHOUT]}
        pairs = [
            measured(r) - without[r["seed"]]
            for r in self.results[weight]
            if without.get(r["seed"]) is not None and measured(r) is not None
        ]
        return estimate(pairs) if pairs else None


Metric = Callable[[Mapping[str, Any]], float | None]


def task_of(results: Iterable[Results]) -> Task:
    """The task that runs of one set of records have.

    Args:
        results: Iterable of results of runs, one of which is finished at least.
    """
    return find_task(next(r["task"] for some in results for r in some))


def metrics(modalities: Sequence[str], task: Task = MULTICLASS) -> dict[str, Metric]:
    """Name -> function that takes a number from a run's results, as it is shown: in percent.

    The task's main metric comes last among its two; None where it is not defined.

    Args:
        modalities: Strings, the modalities of the runs. Of two, the first one's share tells both.
        task: Task, that of the runs.
    """
    found: dict[str, Metric] = {
        metric.name: functools.partial(_metric, metric=metric) for metric in _two(task)
    }
    for target in task.reported:
        suffix = "" if target == task.reported[0] else f" ({target})"
        for name in modalities[:1] if len(modalities) == 2 else modalities:
            found[f"{name} share{suffix}"] = functools.partial(share, target=target, modality=name)
    return found


def _two(task: Task) -> tuple[tasks.Metric, ...]:
    """The two metrics that tables show, the main one last, as in the paper's."""
    return tuple(reversed(task.metrics[:2]))


def _metric(results: Mapping[str, Any], metric: tasks.Metric) -> float | None:
    value = results[metric.name]
    return None if value is None else metric.scale * value


def share(results: Mapping[str, Any], target: str, modality: str) -> float | None:
    """A modality's share of the attribution in percent; None for a model of one modality."""
    shares = (results["dominance_by_target"] or {}).get(target)
    found = shares[modality] if shares else None
    return None if found is None else 100 * found


def write(output: pathlib.Path, lines: Sequence[Line], config: Config) -> None:
    """Writes table.md, table.csv and runs.csv.

    Args:
        output: Path of the comparison.
        lines: Rows with the results of their finished runs.
        config: Config that the runs share.
    """
    atomic.write_text(output / "table.md", markdown(lines, config))
    task = task_of(each for line in lines for each in line.results.values())
    measured = metrics(config.names, task)
    _write_csv(output / "table.csv", lines, measured)
    _write_runs(output / "runs.csv", lines, measured)


def markdown(lines: Sequence[Line], config: Config) -> str:
    """The tables as text."""
    task = task_of(each for line in lines for each in line.results.values())
    second, main = _two(task)
    names = dominance_title(config.names)
    titles = plan.titles([line.row for line in lines])
    header = ["model"]
    for title in titles:
        changes = [] if title == titles[0] else [f"{main.name} change", _within(main)]
        others = [f"({target})" for target in task.reported[1:]]
        header += [f"{title}: {second.name}", main.name, names, *others, *changes, "step time"]
    naive = _step_seconds(lines)
    rows = [header, ["---"] * len(header)]
    for line in lines:
        cells = [line.row.label]
        for weight, results in line.results.items():
            cells += _block(line, weight, results, config.names, naive, task)
        rows.append(cells + ["-"] * (len(header) - len(cells)))
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    counts = {len(results) for line in lines for results in line.results.values() if results}
    runs = " to ".join(map(str, sorted({min(counts), max(counts)})))
    text = (
        f"{config.data_name}, test split, {runs} seed(s) a row; AMR ratio "
        f"{config.amr_ratio or 'equal'}, target {_target(config, task)}.\n\n{table}\n\n"
        f"Means with 95 % t-intervals over seeds. {names}: mean Grad⊙Input shares, for the "
        f"{' and for the '.join(f'{target} target' for target in task.reported)}. "
        f"{main.name} change: with this weight of AMR "
        f"minus without AMR, paired by seed{', in points' if main.percent else ''}; yes where its "
        f"whole interval lies within ±{main.margin:g}, no where it lies outside, else undecided. "
        "step time: a training step over naive fusion's of the same seed without AMR.\n\n"
        + _points(lines, config.names, task)
    )
    published = DATASETS[config.dataset].published if config.dataset in DATASETS else ""
    return text + (f"\n{published}" if published else "")


def _block(
    line: Line,
    weight: str,
    results: Results,
    modalities: Sequence[str],
    naive: dict[int, float],
    task: Task,
) -> list[str]:
    """The cells of a row's runs of one weight."""
    second, main = _two(task)
    measured = metrics((), task)
    cells = [_cell(values(measured[m.name], results), m.digits) for m in (second, main)]
    cells += [_shares_cell(results, target, modalities) for target in task.reported]
    if weight != plan.WITHOUT:
        change = line.change(weight, main.name)
        found = (
            [_signed(change, main.digits), within(change, main.margin)] if change else ["-", "-"]
        )
        cells += found
    return [*cells, _ratio(results, naive)]


def _target(config: Config, task: Task) -> str:
    return config.amr_target if config.amr_target in task.targets else task.targets[0]


def _within(metric: tasks.Metric) -> str:
    unit = " point" if metric.percent else ""
    return f"within {metric.margin:g}{unit}"


def _points(lines: Sequence[Line], modalities: Sequence[str], task: Task) -> str:
    first = f"{modalities[0]} share"
    measured = metrics(modalities, task)
    second, main = _two(task)
    rows = [
        f"| model | AMR weight | {main.name} by seed | {second.name} by seed | {first} by seed |"
    ]
    rows.append("|---|---|---|---|---|")
    for line, weight, results in _finished(lines):
        shown = ((main.name, main.digits), (second.name, second.digits), (first, 2))
        cells = [
            " ".join(f"{p:.{digits}f}" for p in values(measured[name], results)) or "-"
            for name, digits in shown
        ]
        rows.append(f"| {line.row.label} | {weight} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _write_csv(path: pathlib.Path, lines: Sequence[Line], measured: dict[str, Metric]) -> None:
    """A row a model and weight of AMR; mean and interval of each metric, fractions in percent."""
    main = _two(task_of(each for line in lines for each in line.results.values()))[1]
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        names = [f"{name} {part}" for name in measured for part in ("mean", "low", "high")]
        changes = [f"{main.name} change {part}" for part in ("mean", "low", "high")]
        rows.writerow(["model", "amr_weight", "seeds", *names, *changes, _within(main)])
        for line, weight, results in _finished(lines):
            cells = [x for f in measured.values() for x in _numbers(values(f, results))]
            change = line.change(weight, main.name) if weight != plan.WITHOUT else None
            cells += _numbers(change.points if change else [])
            cells.append(within(change, main.margin) if change else "")
            rows.writerow([line.row.label, weight, len(results), *cells])


def _write_runs(path: pathlib.Path, lines: Sequence[Line], measured: dict[str, Metric]) -> None:
    """A row a run."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["model", "amr_weight", "seed", *measured, "seconds", "step_seconds"])
        for line, weight, results in _finished(lines):
            for r in results:
                cells = ["" if (x := f(r)) is None else f"{x:.4f}" for f in measured.values()]
                cost = [r["seconds"], r["step_seconds"] or ""]
                rows.writerow([line.row.label, weight, r["seed"], *cells, *cost])


def _finished(lines: Sequence[Line]) -> Iterator[tuple[Line, str, Results]]:
    """Each row's weights of which there is a finished run."""
    for line in lines:
        yield from ((line, weight, results) for weight, results in line.results.items() if results)


def values(metric: Metric, results: Results) -> list[float]:
    """A metric of each run that has it."""
    return [x for r in results if (x := metric(r)) is not None]


def _cell(points: Sequence[float], digits: int) -> str:
    if not points:
        return "-"
    found = estimate(points)
    error = "" if np.isnan(found.low) else f" ± {found.half_width:.{digits}f}"
    return f"{found.mean:.{digits}f}{error}"


def _shares_cell(results: Results, target: str, modalities: Sequence[str]) -> str:
    """`74/26 ± 3.00`, the interval being that of the first; of more than two `12/21/...`."""
    found = {
        name: [x for r in results if (x := share(r, target, name)) is not None]
        for name in modalities
    }
    if not all(found.values()):
        return "-"
    means = {name: float(np.mean(some)) / 100 for name, some in found.items()}
    first = estimate(found[modalities[0]])
    told = np.isnan(first.low) or len(modalities) > 2
    return format_dominance(means) + ("" if told else f" ± {first.half_width:.2f}")


def _signed(change: Estimate, digits: int) -> str:
    error = "" if np.isnan(change.low) else f" ± {change.half_width:.{digits}f}"
    return f"{change.mean:+.{digits}f}{error}"


def _numbers(points: Sequence[float]) -> list[str]:
    if not points:
        return ["", "", ""]
    found = estimate(points)
    return ["" if np.isnan(x) else f"{x:.4f}" for x in (found.mean, found.low, found.high)]


def _step_seconds(lines: Sequence[Line]) -> dict[int, float]:
    """Seed -> seconds a step of naive fusion without AMR takes."""
    naive = [line.results[plan.WITHOUT] for line in lines if line.row.method == "naive"]
    return {r["seed"]: r["step_seconds"] for r in (naive[0] if naive else []) if r["step_seconds"]}


def _ratio(results: Results, naive: dict[int, float]) -> str:
    ratios = [
        r["step_seconds"] / naive[r["seed"]]
        for r in results
        if r["step_seconds"] and r["seed"] in naive
    ]
    return f"{np.mean(ratios):.2f}" if ratios else "-"
