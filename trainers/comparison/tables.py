"""The tables of a comparison, in the layout of the paper's Table 1."""

import csv
import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np

from amr_tf.analysis.seed_intervals import Estimate, estimate, within
from trainers.comparison import plan
from trainers.config.run_config import MODALITIES, Config

matplotlib.use("Agg")
from matplotlib import pyplot as plt

MARGIN = 1.0  # points of accuracy that count as equal
PUBLISHED = """\
Published (VGGSound, arXiv 2404.02359, Table 1), for comparison:

| model | mAP | accuracy | audio/video | with AMR: mAP | accuracy | audio/video |
|---|---|---|---|---|---|---|
| audio only | 40.18 | 38.89 | - | - | - | - |
| video only | 25.51 | 25.76 | - | - | - | - |
| naive fusion | 44.82 | 42.20 | 74/26 | 44.89 | 42.01 | 50/50 |
| dropout | 45.27 | 43.16 | 72/28 | 45.23 | 43.04 | 51/49 |
| UMT | 51.86 | 49.37 | 57/43 | 51.70 | 49.27 | 50/50 |

The paper gives neither the training recipe nor the weight of the regulariser nor the number of
seeds; the field's published code selects the epoch on the test split, here it is validation.
"""


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


METRICS: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "mAP": lambda r: 100 * r["mAP"],
    "accuracy": lambda r: 100 * r["accuracy"],
    "audio share": lambda r: _share(r, "probability"),
    "audio share (logit)": lambda r: _share(r, "logit"),
}


def write(output: pathlib.Path, lines: Sequence[Line], config: Config) -> None:
    """Writes table.md, table.csv, table.png and runs.csv into `output`."""
    (output / "table.md").write_text(markdown(lines, config))
    _write_csv(output / "table.csv", lines)
    _write_runs(output / "runs.csv", lines)
    _plot(output / "table.png", lines, config)


def markdown(lines: Sequence[Line], config: Config) -> str:
    """The tables as text."""
    header = ["model", "mAP", "accuracy", "audio/video", "(logit)"]
    header += ["with AMR: mAP", "accuracy", "audio/video", "(logit)"]
    header += ["accuracy change", f"within {MARGIN:g} point", "step time", "with AMR"]
    naive = _step_seconds(lines)
    rows = [header, ["---"] * len(header)]
    for line in lines:
        cells = [line.row.label]
        for results in (line.plain, line.amr):
            cells += [_cell(name, results) for name in METRICS]
        change = line.change("accuracy")
        cells += [_signed(change), within(change, MARGIN)] if change else ["-", "-"]
        cells += [_ratio(results, naive) for results in (line.plain, line.amr)]
        rows.append(cells)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    counts = {len(results) for line in lines for results in (line.plain, line.amr) if results}
    runs = " to ".join(map(str, sorted({min(counts), max(counts)})))
    text = (
        f"{config.dataset}, test split, {runs} seed(s) a row; AMR weight {config.amr_weight:g}, "
        f"ratio {config.amr_ratio}, target {config.amr_target}.\n\n{table}\n\n"
        "Means with 95 % t-intervals over seeds. audio/video: mean Grad⊙Input shares, for the "
        "probability target and for the logit target. accuracy change: with AMR minus without, "
        "paired by seed, in points; yes where its whole interval lies within "
        f"±{MARGIN:g}, no where it lies outside, else undecided. step time: a training step over "
        "naive fusion's of the same seed.\n\n" + _points(lines)
    )
    return text + ("\n" + PUBLISHED if config.dataset == "vggsound" else "")


def _points(lines: Sequence[Line]) -> str:
    rows = ["| model | AMR | accuracy by seed | mAP by seed | audio share by seed |"]
    rows.append("|---|---|---|---|---|")
    for line in lines:
        for amr, results in (("without", line.plain), ("with", line.amr)):
            if results:
                points = [_values(name, results) for name in ("accuracy", "mAP", "audio share")]
                cells = [" ".join(f"{p:.2f}" for p in some) or "-" for some in points]
                rows.append(f"| {line.row.label} | {amr} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _write_csv(path: pathlib.Path, lines: Sequence[Line]) -> None:
    """A row a model and AMR; mean and interval of each metric, in percent."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        names = [f"{name} {part}" for name in METRICS for part in ("mean", "low", "high")]
        changes = ["accuracy change mean", "accuracy change low", "accuracy change high"]
        rows.writerow(["model", "amr", "seeds", *names, *changes, f"within {MARGIN:g} point"])
        for line in lines:
            for amr, results in ((0, line.plain), (1, line.amr)):
                if not results:
                    continue
                cells = [x for name in METRICS for x in _numbers(_values(name, results))]
                change = line.change("accuracy") if amr else None
                cells += _numbers(change.points if change else [])
                cells.append(within(change, MARGIN) if change else "")
                rows.writerow([line.row.label, amr, len(results), *cells])


def _write_runs(path: pathlib.Path, lines: Sequence[Line]) -> None:
    """A row a run."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["model", "amr", "seed", *METRICS, "seconds", "step_seconds"])
        for line in lines:
            for amr, results in ((0, line.plain), (1, line.amr)):
                for r in results:
                    cells = ["" if (x := f(r)) is None else f"{x:.4f}" for f in METRICS.values()]
                    cost = [r["seconds"], r["step_seconds"] or ""]
                    rows.writerow([line.row.label, amr, r["seed"], *cells, *cost])


def _plot(path: pathlib.Path, lines: Sequence[Line], config: Config) -> None:
    """One panel a metric, one line a model: points of the seeds, mean and interval."""
    panels = [("mAP", "mAP, %"), ("accuracy", "accuracy, %"), ("audio share", "audio share, %")]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(12, 1.4 + 0.42 * len(lines)), sharey=True, squeeze=False
    )
    styles = [("without AMR", -0.16, "#b05a2a", "o"), ("with AMR", 0.16, "#2a5a9a", "s")]
    for axis, (name, title) in zip(axes[0], panels, strict=True):
        for label, shift, color, marker in styles:
            for place, line in enumerate(lines):
                values = _values(name, line.amr if shift > 0 else line.plain)
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
    figure.suptitle(f"{config.dataset}, test split: seeds, means and 95 % t-intervals")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _share(results: dict[str, Any], target: str) -> float | None:
    shares = results["dominance_by_target"]
    share = shares[target][MODALITIES[0]] if shares else None
    return None if share is None else 100 * share


def _values(name: str, results: Sequence[dict[str, Any]]) -> list[float]:
    return [x for r in results if (x := METRICS[name](r)) is not None]


def _cell(name: str, results: Sequence[dict[str, Any]]) -> str:
    values = _values(name, results)
    if not values:
        return "-"
    found = estimate(values)
    error = "" if np.isnan(found.low) else f" ± {found.half_width:.2f}"
    if name.startswith("audio share"):
        return f"{found.mean:.0f}/{100 - found.mean:.0f}{error}"
    return f"{found.mean:.2f}{error}"


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
