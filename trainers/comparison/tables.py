"""The tables of a comparison, in the layout of the paper's Table 1: a block a weight of AMR."""

import csv
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from amr_tf.analysis.metrics import dominance_title, format_dominance
from amr_tf.analysis.seed_intervals import Estimate, estimate, within
from tfrecords import atomic
from tfrecords.datasets import DATASETS
from trainers.comparison import plan
from trainers.config.run_config import Config

MARGIN = 1.0  # points of accuracy that count as equal


Results = Sequence[Mapping[str, Any]]  # `results.json` of runs


@dataclasses.dataclass(frozen=True)
class Line:
    """A row and what its finished runs gave.

    Attributes:
        row: Row of the plan.
        results: Mapping, weight of AMR -> the results of its finished runs, as in `row.runs`.
    """

    row: plan.Row
    results: Mapping[str, Results]

    def change(self, weight: str, name: str) -> Estimate | None:
        """What AMR changes, in points, paired by seed; None without a pair.

        Args:
            weight: String, the weight of AMR.
            name: String, what of the results changes, e.g. `accuracy`.
        """
        without = {r["seed"]: r[name] for r in self.results[plan.WITHOUT]}
        pairs = [
            100 * (r[name] - without[r["seed"]])
            for r in self.results[weight]
            if r["seed"] in without
        ]
        return estimate(pairs) if pairs else None


Metric = Callable[[Mapping[str, Any]], float | None]


def metrics(modalities: Sequence[str]) -> dict[str, Metric]:
    """Name -> what it takes from a run's results, in percent.

    Args:
        modalities: Strings, the modalities of the runs. Of two, the first one's share tells both.
    """
    found: dict[str, Metric] = {
        "mAP": lambda r: 100 * r["mAP"],
        "accuracy": lambda r: 100 * r["accuracy"],
    }
    for target, suffix in (("probability", ""), ("logit", " (logit)")):
        for name in modalities[:1] if len(modalities) == 2 else modalities:
            found[f"{name} share{suffix}"] = functools.partial(share, target=target, modality=name)
    return found


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
        config: What the runs share.
    """
    atomic.write_text(output / "table.md", markdown(lines, config))
    measured = metrics(config.names)
    _write_csv(output / "table.csv", lines, measured)
    _write_runs(output / "runs.csv", lines, measured)


def markdown(lines: Sequence[Line], config: Config) -> str:
    """The tables as text."""
    names = dominance_title(config.names)
    titles = plan.titles([line.row for line in lines])
    header = ["model"]
    for title in titles:
        changes = [] if title == titles[0] else ["accuracy change", f"within {MARGIN:g} point"]
        header += [f"{title}: mAP", "accuracy", names, "(logit)", *changes, "step time"]
    naive = _step_seconds(lines)
    rows = [header, ["---"] * len(header)]
    for line in lines:
        cells = [line.row.label]
        for weight, results in line.results.items():
            cells += _block(line, weight, results, config.names, naive)
        rows.append(cells + ["-"] * (len(header) - len(cells)))
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    counts = {len(results) for line in lines for results in line.results.values() if results}
    runs = " to ".join(map(str, sorted({min(counts), max(counts)})))
    text = (
        f"{config.data_name}, test split, {runs} seed(s) a row; AMR ratio "
        f"{config.amr_ratio or 'equal'}, target {config.amr_target}.\n\n{table}\n\n"
        f"Means with 95 % t-intervals over seeds. {names}: mean Grad⊙Input shares, for the "
        "probability target and for the logit target. accuracy change: with this weight of AMR "
        "minus without AMR, paired by seed, in points; yes where its whole interval lies within "
        f"±{MARGIN:g}, no where it lies outside, else undecided. step time: a training step over "
        "naive fusion's of the same seed without AMR.\n\n" + _points(lines, config.names)
    )
    published = DATASETS[config.dataset].published if config.dataset in DATASETS else ""
    return text + (f"\n{published}" if published else "")


def _block(
    line: Line, weight: str, results: Results, modalities: Sequence[str], naive: dict[int, float]
) -> list[str]:
    """The cells of a row's runs of one weight."""
    cells = [_cell([100 * r[name] for r in results]) for name in ("mAP", "accuracy")]
    cells += [_shares_cell(results, target, modalities) for target in ("probability", "logit")]
    if weight != plan.WITHOUT:
        change = line.change(weight, "accuracy")
        cells += [_signed(change), within(change, MARGIN)] if change else ["-", "-"]
    return [*cells, _ratio(results, naive)]


def _points(lines: Sequence[Line], modalities: Sequence[str]) -> str:
    first = f"{modalities[0]} share"
    measured = metrics(modalities)
    rows = [f"| model | AMR weight | accuracy by seed | mAP by seed | {first} by seed |"]
    rows.append("|---|---|---|---|---|")
    for line, weight, results in _finished(lines):
        points = [values(measured[n], results) for n in ("accuracy", "mAP", first)]
        cells = [" ".join(f"{p:.2f}" for p in some) or "-" for some in points]
        rows.append(f"| {line.row.label} | {weight} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _write_csv(path: pathlib.Path, lines: Sequence[Line], measured: dict[str, Metric]) -> None:
    """A row a model and weight of AMR; mean and interval of each metric, in percent."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        names = [f"{name} {part}" for name in measured for part in ("mean", "low", "high")]
        changes = ["accuracy change mean", "accuracy change low", "accuracy change high"]
        rows.writerow(
            ["model", "amr_weight", "seeds", *names, *changes, f"within {MARGIN:g} point"]
        )
        for line, weight, results in _finished(lines):
            cells = [x for f in measured.values() for x in _numbers(values(f, results))]
            change = line.change(weight, "accuracy") if weight != plan.WITHOUT else None
            cells += _numbers(change.points if change else [])
            cells.append(within(change, MARGIN) if change else "")
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


def _cell(points: Sequence[float]) -> str:
    if not points:
        return "-"
    found = estimate(points)
    error = "" if np.isnan(found.low) else f" ± {found.half_width:.2f}"
    return f"{found.mean:.2f}{error}"


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


def _signed(change: Estimate) -> str:
    error = "" if np.isnan(change.low) else f" ± {change.half_width:.2f}"
    return f"{change.mean:+.2f}{error}"


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
