"""A comparison's figures: its table, dominance over training, accuracy against dominance.

All tell the weights of AMR apart by line and marker, so that they read in black and white.
"""

import csv
import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence

import matplotlib
import numpy as np

from amr_tf.analysis.seed_intervals import estimate
from amr_tf.tasks import Task
from amr_tf.tasks.multiclass import MULTICLASS
from trainers.comparison import plan
from trainers.comparison.tables import Line, metrics, task_of, values
from trainers.config.run_config import Config

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 4  # panels side by side
MARKERS = "os^vDPX*<>hdp8"  # of the methods


@dataclasses.dataclass(frozen=True)
class Style:
    """The style in which runs of one weight of AMR are drawn.

    Attributes:
        color: String, the colour.
        dashes: String, Matplotlib's style of lines.
        fill: String, Matplotlib's style of filling markers.
    """

    color: str
    dashes: str
    fill: str


_WITHOUT = Style("#b05a2a", "--", "none")
_WITH = (
    Style("#2a5a9a", "-", "full"), Style("#3a7a3a", "-.", "left"), Style("#7a3a8a", ":", "bottom"),
)  # fmt: skip


def styles(titles: Sequence[str]) -> dict[str, Style]:
    """Chooses how each block of runs is drawn; a fourth weight looks like the first again.

    Args:
        titles: Strings, the titles of the blocks, the first without AMR.
    """
    found = [_WITHOUT, *(_WITH[i % len(_WITH)] for i in range(len(titles) - 1))]
    return dict(zip(titles, found, strict=True))


def write(
    output: pathlib.Path,
    lines: Sequence[Line],
    config: Config,
    directory: Callable[[plan.Run], pathlib.Path],
) -> None:
    """Writes table.png and, if the runs have a dominance, dominance.png and accuracy-dominance.png.

    Args:
        output: Path of the comparison's directory.
        lines: Sequence of the table's rows, with the results of the finished runs.
        config: Configuration that the runs share.
        directory: Function, run -> its model directory, with `history.csv`.
    """
    first = config.names[0]
    titles = plan.titles([line.row for line in lines])
    plot_table(output / "table.png", lines, titles, config)
    histories = {line.row.label: curves(line, titles, directory, first) for line in lines}
    histories = {label: found for label, found in histories.items() if any(found.values())}
    wanted = _wanted(config)
    if histories:
        plot_training(output / "dominance.png", histories, wanted, first)
    task = task_of(each for line in lines for each in line.results.values())
    shown = {line.row.label: points(line, titles, first) for line in lines}
    shown = {label: found for label, found in shown.items() if any(found.values())}
    if shown:
        plot_accuracy(output / "accuracy-dominance.png", shown, wanted, first, task)


def curves(
    line: Line,
    titles: Sequence[str],
    directory: Callable[[plan.Run], pathlib.Path],
    modality: str,
) -> dict[str, list]:
    """Title -> the modality's share by epoch, in percent, of each finished run of that block."""
    found = {title: [] for title in titles}
    for title, (weight, results) in zip(titles, line.results.items(), strict=False):
        seeds = {r["seed"] for r in results}
        runs = [run for run in line.row.runs[weight] if run.seed in seeds]
        paths = [directory(run) / "history.csv" for run in runs]
        found[title] = [c for path in paths if (c := _history(path, modality))]
    return found


def points(
    line: Line, titles: Sequence[str], modality: str
) -> dict[str, tuple[float, float] | None]:
    """Title -> the modality's mean share and the main metric of that block's runs."""
    found = dict.fromkeys(titles)
    for title, results in zip(titles, line.results.values(), strict=False):
        measured = metrics([modality], line.task)
        pairs = [
            (measured[f"{modality} share"](r), measured[line.task.metrics[0].name](r))
            for r in results
        ]
        pairs = [pair for pair in pairs if None not in pair]
        found[title] = tuple(np.mean(pairs, axis=0)) if pairs else None
    return found


def _history(path: pathlib.Path, modality: str) -> list[float]:
    """Empty for a run that has no dominance, or that trains nothing."""
    if not path.exists():
        return []
    column = f"val_dominance_{modality}"
    with path.open(newline="") as file:
        return [100 * float(row[column]) for row in csv.DictReader(file) if row.get(column)]


def plot_table(
    path: pathlib.Path, lines: Sequence[Line], titles: Sequence[str], config: Config
) -> None:
    """One panel a metric, one line a model: points of the seeds, mean and interval.

    Args:
        path: PNG file to write.
        lines: Sequence of the table's rows, with the results of the finished runs.
        titles: Strings, the titles of the rows' blocks.
        config: Configuration that the runs share.
    """
    task = task_of(each for line in lines for each in line.results.values())
    measured, first = metrics(config.names, task), f"{config.names[0]} share"
    panels = [(measured[m.name], m.title) for m in reversed(task.metrics[:2])]
    panels.append((measured[first], f"{first}, %"))
    figure, axes = plt.subplots(
        1, len(panels), figsize=(12, 1.4 + 0.21 * len(titles) * len(lines)), sharey=True,
        squeeze=False,
    )  # fmt: skip
    shifts = np.linspace(-0.16, 0.16, len(titles)) * len(titles) / 2 if len(titles) > 1 else [0.0]
    for axis, (metric, label) in zip(axes[0], panels, strict=True):
        for shift, (title, style) in zip(shifts, styles(titles).items(), strict=True):
            look = {"color": style.color, "fillstyle": style.fill, "mfcalt": "white"}
            for place, line in enumerate(lines):
                results = dict(zip(titles, line.results.values(), strict=False)).get(title, ())
                found = values(metric, results)
                if not found:
                    continue
                mean, at = estimate(found), place + shift
                axis.plot(found, [at] * len(found), "|", color=style.color, ms=7, alpha=0.7)
                error = None if len(found) == 1 else mean.half_width
                axis.errorbar(mean.mean, at, xerr=error, fmt="o", ms=5, capsize=2, **look)
            axis.plot([], [], "o", label=title, **look)
        low, high = axis.get_xlim()
        if label.endswith("%"):  # an interval may go further, a percentage not
            axis.set_xlim(max(0, low), min(100, high))
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.3)
    axes[0][2].axvline(_wanted(config), color="gray", ls=":")
    axes[0][0].set_yticks(range(len(lines)), [line.row.label for line in lines])
    axes[0][0].set_ylim(len(lines) - 0.5, -0.5)
    axes[0][2].legend(frameon=False, loc="best")
    figure.suptitle(f"{config.data_name}, test split: seeds, means and 95 % t-intervals")
    figure.tight_layout()
    _save(figure, path)


def plot_training(
    path: pathlib.Path,
    histories: dict[str, dict[str, list[list[float]]]],
    wanted: float,
    modality: str,
) -> None:
    """A panel a method, a line a run.

    Args:
        path: PNG file to write.
        histories: Label of a row -> `curves`.
        wanted: Number, the share that the ratio asks for, percent; NaN for none.
        modality: String, the modality whose share is drawn.
    """
    looks = styles(list(next(iter(histories.values()))))
    columns = min(COLUMNS, len(histories))
    rows = math.ceil(len(histories) / columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.1 * columns, 0.9 + 2.3 * rows), sharex=True, sharey=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for axis in axes.flat[len(histories) :]:
        axis.set_axis_off()
    for axis in axes.flat[: len(histories)][-columns:]:  # the last of each column
        axis.tick_params(labelbottom=True)
    for axis, (label, found) in zip(axes.flat, histories.items(), strict=False):
        for title, style in looks.items():
            for curve in found[title]:
                axis.plot(
                    range(1, len(curve) + 1), curve, style.dashes, color=style.color, lw=1.2,
                    marker="o", ms=3, fillstyle=style.fill, mfcalt="white",
                    markevery=max(1, len(curve) // 16),
                )  # fmt: skip
        axis.axhline(wanted, color="gray", ls=":", lw=1)
        axis.set_title(label, fontsize=10)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set_ylim(0, 100)
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel(f"{modality} share on validation, %", fontsize=10)
    handles = [
        plt.Line2D(
            [], [], color=style.color, ls=style.dashes, marker="o", ms=4, fillstyle=style.fill,
            mfcalt="white",
        )
        for style in looks.values()
    ]  # fmt: skip
    handles.append(plt.Line2D([], [], color="gray", ls=":"))
    figure.legend(
        handles, [*looks, "wanted"], frameon=False, ncols=len(handles), loc="outside upper center"
    )
    _save(figure, path)


def plot_accuracy(
    path: pathlib.Path,
    shown: Mapping[str, Mapping[str, tuple[float, float] | None]],
    wanted: float,
    modality: str,
    task: Task = MULTICLASS,
) -> None:
    """A marker a method, filled by the weight of AMR; a line joins those of a method.

    Args:
        path: PNG file to write.
        shown: Mapping, label of a row -> `points`.
        wanted: Number, the share that the ratio asks for, percent; NaN for none.
        modality: String, the modality whose share is drawn.
        task: Task, whose main metric is drawn.
    """
    looks = styles(list(next(iter(shown.values()))))
    figure, axis = plt.subplots(figsize=(8.5, 5.2), layout="constrained")
    for place, (label, found) in enumerate(shown.items()):
        marker = MARKERS[place % len(MARKERS)]
        there = [point for point in found.values() if point]
        axis.plot(*zip(*there, strict=True), color="gray", lw=0.8, zorder=1)
        for title, style in looks.items():
            if found[title]:
                axis.plot(
                    *found[title], marker, color=style.color, ms=8, mew=1.4,
                    fillstyle=style.fill, mfcalt="white",
                )  # fmt: skip
        axis.plot([], [], marker, color="black", mfc="white", ms=8, label=label)
    for title, style in looks.items():
        axis.plot(
            [], [], "s", color=style.color, ms=10, fillstyle=style.fill, mfcalt="white", label=title
        )
    axis.axvline(wanted, color="gray", ls=":", lw=1, label="wanted")
    axis.set(
        xlabel=f"{modality} share of the attribution, %", ylabel=task.metrics[0].title,
        title="Test split, means over seeds",
    )  # fmt: skip
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside right upper")
    _save(figure, path)


def _wanted(config: Config) -> float:
    """The first modality's wanted share in percent; NaN, which isn't drawn, where runs find it."""
    if isinstance(config.ratio, str):
        return float("nan")
    return 100 * config.ratio[0] / sum(config.ratio)


def _save(figure: plt.Figure, path: pathlib.Path) -> None:
    figure.savefig(path, dpi=130)
    plt.close(figure)
