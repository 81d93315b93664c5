"""A comparison's figures beside its table: dominance over training, accuracy against dominance.

Both tell runs without and with AMR apart by line and marker, so that they read in black and white.
"""

import csv
import math
import pathlib
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np

from trainers.comparison import plan
from trainers.comparison.tables import Line, share
from trainers.config.run_config import Config

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLUMNS = 4  # panels side by side
MARKERS = "os^vDPX*<>hdp8"  # of the methods
# without AMR, with AMR: colour, line, whether markers are filled
STYLES = {"without AMR": ("#b05a2a", "--", False), "with AMR": ("#2a5a9a", "-", True)}


def write(
    output: pathlib.Path,
    lines: Sequence[Line],
    config: Config,
    directory: Callable[[plan.Run], pathlib.Path],
) -> None:
    """Writes dominance.png and accuracy-dominance.png, as far as the runs have a dominance.

    Args:
        output: Directory of the comparison.
        lines: Rows of its table, with the results of the finished runs.
        config: What the runs share.
        directory: Run -> its model directory, with `history.csv`.
    """
    first = config.names[0]
    histories = {line.row.label: curves(line, directory, first) for line in lines}
    histories = {label: found for label, found in histories.items() if any(found.values())}
    wanted = 100 * config.ratio[0] / sum(config.ratio)
    if histories:
        plot_training(output / "dominance.png", histories, wanted, first)
    if any(points(line, first)[name] for line in lines for name in STYLES):
        plot_accuracy(output / "accuracy-dominance.png", lines, wanted, first)


def curves(
    line: Line, directory: Callable[[plan.Run], pathlib.Path], modality: str
) -> dict[str, list]:
    """`without AMR`, `with AMR` -> of each finished run the modality's share by epoch, percent."""
    runs = zip(STYLES, (line.row.plain, line.row.amr), (line.plain, line.amr), strict=True)
    found = {}
    for name, planned, results in runs:
        seeds = {r["seed"] for r in results}
        paths = [directory(run) / "history.csv" for run in planned if run.seed in seeds]
        found[name] = [c for path in paths if (c := _history(path, modality))]
    return found


def points(line: Line, modality: str) -> dict[str, tuple[float, float] | None]:
    """`without AMR`, `with AMR` -> the modality's mean share and the accuracy, percent."""
    found = {}
    for name, results in zip(STYLES, (line.plain, line.amr), strict=True):
        pairs = [(share(r, "probability", modality), 100 * r["accuracy"]) for r in results]
        pairs = [pair for pair in pairs if pair[0] is not None]
        found[name] = tuple(np.mean(pairs, axis=0)) if pairs else None
    return found


def _history(path: pathlib.Path, modality: str) -> list[float]:
    """Empty for a run that has no dominance, or that trains nothing."""
    if not path.exists():
        return []
    column = f"val_dominance_{modality}"
    with path.open(newline="") as file:
        return [100 * float(row[column]) for row in csv.DictReader(file) if row.get(column)]


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
        wanted: Number, the share that the ratio asks for, percent.
        modality: String, the modality whose share is drawn.
    """
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
        for name, (color, dashes, filled) in STYLES.items():
            for curve in found[name]:
                axis.plot(
                    range(1, len(curve) + 1), curve, dashes, color=color, lw=1.2, marker="o", ms=3,
                    mfc=color if filled else "white", markevery=max(1, len(curve) // 16),
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
        plt.Line2D([], [], color=c, ls=dashes, marker="o", ms=4, mfc=c if filled else "white")
        for c, dashes, filled in STYLES.values()
    ]
    handles.append(plt.Line2D([], [], color="gray", ls=":"))
    names = [*STYLES, "wanted"]
    figure.legend(handles, names, frameon=False, ncols=3, loc="outside upper center")
    _save(figure, path)


def plot_accuracy(path: pathlib.Path, lines: Sequence[Line], wanted: float, modality: str) -> None:
    """A marker a method, open without and filled with AMR, joined by a line.

    Args:
        path: PNG file to write.
        lines: Rows of the table.
        wanted: Number, the share that the ratio asks for, percent.
        modality: String, the modality whose share is drawn.
    """
    figure, axis = plt.subplots(figsize=(8.5, 5.2), layout="constrained")
    shown = [(line.row.label, points(line, modality)) for line in lines]
    shown = [(label, found) for label, found in shown if any(found.values())]
    for place, (label, found) in enumerate(shown):
        marker = MARKERS[place % len(MARKERS)]
        if all(found.values()):
            axis.plot(*zip(*found.values(), strict=True), color="gray", lw=0.8, zorder=1)
        for name, (color, _, filled) in STYLES.items():
            if found[name]:
                axis.plot(
                    *found[name], marker, color=color, ms=8, mec="black" if filled else color,
                    mew=0.6 if filled else 1.4, mfc=color if filled else "white",
                )  # fmt: skip
        axis.plot([], [], marker, color="black", mfc="white", ms=8, label=label)
    for name, (color, _, filled) in STYLES.items():
        axis.plot([], [], "s", color=color, mfc=color if filled else "white", ms=10, label=name)
    axis.axvline(wanted, color="gray", ls=":", lw=1, label="wanted")
    axis.set(
        xlabel=f"{modality} share of the attribution, %", ylabel="accuracy, %",
        title="Test split, means over seeds",
    )  # fmt: skip
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(frameon=False, loc="outside right upper")
    _save(figure, path)


def _save(figure: plt.Figure, path: pathlib.Path) -> None:
    figure.savefig(path, dpi=130)
    plt.close(figure)
