"""The tables of a comparison, in the layout of the paper's Table 1."""

import csv
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np

from amr_tf.analysis.metrics import dominance_title, format_dominance
from amr_tf.analysis.seed_intervals import Estimate, estimate, within
from tfrecords import atomic
from tfrecords.datasets import DATASETS
from trainers.comparison import plan
from trainers.config.run_config import Config

matplotlib.use("Agg")
from matplotlib import pyplot as plt

MARGIN = 1.0  # points of accuracy that count as equal


@dataclasses.dataclass(frozen=True)
class Line:
    """A row and what its finished runs gave.

    Attributes:
        row: Of the plan.
        plain: `results.json` of the runs without AMR.
        amr: Of those with AMR.
    """

    row: plan.Row
    plain: Sequence[dict[str, Any]]
    amr: Sequence[dict[str, Any]]

    def change(self, name: str) -> Estimate | None:
        """With AMR minus without, in points, paired by seed; None without a pair."""
        plain = {r["seed"]: r[name] for r in self.plain}
        pairs = [100 * (r[name] - plain[r["seed"]]) for r in self.amr if r["seed"] in plain]
        return estimate(pairs) if pairs else None


Metrics = dict[str, Callable[[dict[str, Any]], float | None]]


def metrics(modalities: Sequence[str]) -> Metrics:
    """Name -> what it takes from a run's results, in percent.

    Args:
        modalities: Strings, the modalities of the runs. Of two, the first one's share tells both.
    """
    found: Metrics = {
        "mAP": lambda r: 100 * r["mAP"],
        "accuracy": lambda r: 100 * r["accuracy"],
    }
    for target, suffix in (("probability", ""), ("logit", " (logit)")):
        for name in modalities[:1] if len(modalities) == 2 else modalities:
            found[f"{name} share{suffix}"] = functools.partial(share, target=target, modality=name)
    return found


def share(results: dict[str, Any], target: str, modality: str) -> float | None:
    """A modality's share of the attribution in percent; None for a model of one modality."""
    shares = (results["dominance_by_target"] or {}).get(target)
    found = shares[modality] if shares else None
    return None if found is None else 100 * found


def write(output: pathlib.Path, lines: Sequence[Line], config: Config) -> None:
    """Writes table.md, table.csv, table.png and runs.csv.

    Args:
        output: Path of the comparison.
        lines: Rows with the results of their finished runs.
        config: What the runs share.
    """
    atomic.write_text(output / "table.md", markdown(lines, config))
    measured = metrics(config.names)
    _write_csv(output / "table.csv", lines, measured)
    _write_runs(output / "runs.csv", lines, measured)
    _plot(output / "table.png", lines, config)


def markdown(lines: Sequence[Line], config: Config) -> str:
    """The tables as text."""
    names = dominance_title(config.names)
    header = ["model", "mAP", "accuracy", names, "(logit)"]
    header += ["with AMR: mAP", "accuracy", names, "(logit)"]
    header += ["accuracy change", f"within {MARGIN:g} point", "step time", "with AMR"]
    naive = _step_seconds(lines)
    rows = [header, ["---"] * len(header)]
    for line in lines:
        cells = [line.row.label]
        for results in (line.plain, line.amr):
            cells += [_cell([100 * r[name] for r in results]) for name in ("mAP", "accuracy")]
            cells += [_shares_cell(results, t, config.names) for t in ("probability", "logit")]
        change = line.change("accuracy")
        cells += [_signed(change), within(change, MARGIN)] if change else ["-", "-"]
        cells += [_ratio(results, naive) for results in (line.plain, line.amr)]
        rows.append(cells)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    counts = {len(results) for line in lines for results in (line.plain, line.amr) if results}
    runs = " to ".join(map(str, sorted({min(counts), max(counts)})))
    text = (
        f"{config.data_name}, test split, {runs} seed(s) a row; AMR weight {config.amr_text}, "
        f"ratio {config.amr_ratio or 'equal'}, target {config.amr_target}.\n\n{table}\n\n"
        f"Means with 95 % t-intervals over seeds. {names}: mean Grad⊙Input shares, for the "
        "probability target and for the logit target. accuracy change: with AMR minus without, "
        "paired by seed, in points; yes where its whole interval lies within "
        f"±{MARGIN:g}, no where it lies outside, else undecided. step time: a training step over "
        "naive fusion's of the same seed.\n\n" + _points(lines, config.names)
    )
    published = DATASETS[config.dataset].published if config.dataset in DATASETS else ""
    return text + (f"\n{published}" if published else "")


def _points(lines: Sequence[Line], modalities: Sequence[str]) -> str:
    first = f"{modalities[0]} share"
    measured = metrics(modalities)
    rows = [f"| model | AMR | accuracy by seed | mAP by seed | {first} by seed |"]
    rows.append("|---|---|---|---|---|")
    for line in lines:
        for amr, results in (("without", line.plain), ("with", line.amr)):
            if results:
                points = [_values(measured[n], results) for n in ("accuracy", "mAP", first)]
                cells = [" ".join(f"{p:.2f}" for p in some) or "-" for some in points]
                rows.append(f"| {line.row.label} | {amr} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _write_csv(path: pathlib.Path, lines: Sequence[Line], measured: Metrics) -> None:
    """A row a model and AMR; mean and interval of each metric, in percent."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        names = [f"{name} {part}" for name in measured for part in ("mean", "low", "high")]
        changes = ["accuracy change mean", "accuracy change low", "accuracy change high"]
        rows.writerow(["model", "amr", "seeds", *names, *changes, f"within {MARGIN:g} point"])
        for line in lines:
            for amr, results in ((0, line.plain), (1, line.amr)):
                if not results:
                    continue
                cells = [x for f in measured.values() for x in _numbers(_values(f, results))]
                change = line.change("accuracy") if amr else None
                cells += _numbers(change.points if change else [])
                cells.append(within(change, MARGIN) if change else "")
                rows.writerow([line.row.label, amr, len(results), *cells])


def _write_runs(path: pathlib.Path, lines: Sequence[Line], measured: Metrics) -> None:
    """A row a run."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["model", "amr", "seed", *measured, "seconds", "step_seconds"])
        for line in lines:
            for amr, results in ((0, line.plain), (1, line.amr)):
                for r in results:
                    cells = ["" if (x := f(r)) is None else f"{x:.4f}" for f in measured.values()]
                    cost = [r["seconds"], r["step_seconds"] or ""]
                    rows.writerow([line.row.label, amr, r["seed"], *cells, *cost])


def _plot(path: pathlib.Path, lines: Sequence[Line], config: Config) -> None:
    """One panel a metric, one line a model: points of the seeds, mean and interval."""
    measured, first = metrics(config.names), f"{config.names[0]} share"
    panels = [(measured[name], f"{name}, %") for name in ("mAP", "accuracy", first)]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(12, 1.4 + 0.42 * len(lines)), sharey=True, squeeze=False
    )
    styles = [("without AMR", -0.16, "#b05a2a", "o"), ("with AMR", 0.16, "#2a5a9a", "s")]
    for axis, (metric, title) in zip(axes[0], panels, strict=True):
        for label, shift, color, marker in styles:
            for place, line in enumerate(lines):
                values = _values(metric, line.amr if shift > 0 else line.plain)
                if not values:
                    continue
                mean, at = estimate(values), place + shift
                axis.plot(values, [at] * len(values), "|", color=color, ms=7, alpha=0.7)
                error = None if len(values) == 1 else mean.half_width
                axis.errorbar(
                    mean.mean, at, xerr=error, fmt=marker, color=color, ms=5, capsize=2,
                    mfc="white" if shift < 0 else color,
                )  # fmt: skip
            axis.plot([], [], marker, color=color, label=label, mfc="white" if shift < 0 else color)
        low, high = axis.get_xlim()
        axis.set_xlim(max(0, low), min(100, high))  # an interval may go further, a percentage not
        axis.set_xlabel(title)
        axis.grid(axis="x", alpha=0.3)
    axes[0][2].axvline(100 * config.ratio[0] / sum(config.ratio), color="gray", ls=":")
    axes[0][0].set_yticks(range(len(lines)), [line.row.label for line in lines])
    axes[0][0].set_ylim(len(lines) - 0.5, -0.5)
    axes[0][2].legend(frameon=False, loc="best")
    figure.suptitle(f"{config.data_name}, test split: seeds, means and 95 % t-intervals")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _values(
    metric: Callable[[dict[str, Any]], float | None], results: Sequence[dict[str, Any]]
) -> list[float]:
    return [x for r in results if (x := metric(r)) is not None]


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    found = estimate(values)
    error = "" if np.isnan(found.low) else f" ± {found.half_width:.2f}"
    return f"{found.mean:.2f}{error}"


def _shares_cell(results: Sequence[dict[str, Any]], target: str, modalities: Sequence[str]) -> str:
    """`74/26 ± 3.00`, the interval being that of the first; of more than two `12/21/...`."""
    values = {
        name: [x for r in results if (x := share(r, target, name)) is not None]
        for name in modalities
    }
    if not all(values.values()):
        return "-"
    means = {name: float(np.mean(some)) / 100 for name, some in values.items()}
    found = estimate(values[modalities[0]])
    told = np.isnan(found.low) or len(modalities) > 2
    return format_dominance(means) + ("" if told else f" ± {found.half_width:.2f}")


def _signed(change: Estimate) -> str:
    error = "" if np.isnan(change.low) else f" ± {change.half_width:.2f}"
    return f"{change.mean:+.2f}{error}"


def _numbers(values: Sequence[float]) -> list[str]:
    if not values:
        return ["", "", ""]
    found = estimate(values)
    return ["" if np.isnan(x) else f"{x:.4f}" for x in (found.mean, found.low, found.high)]


def _step_seconds(lines: Sequence[Line]) -> dict[int, float]:
    """Seed -> seconds a step of naive fusion without AMR takes."""
    naive = [line.plain for line in lines if line.row.method == "naive"]
    return {r["seed"]: r["step_seconds"] for r in (naive[0] if naive else []) if r["step_seconds"]}


def _ratio(results: Sequence[dict[str, Any]], naive: dict[int, float]) -> str:
    ratios = [
        r["step_seconds"] / naive[r["seed"]]
        for r in results
        if r["step_seconds"] and r["seed"] in naive
    ]
    return f"{np.mean(ratios):.2f}" if ratios else "-"
