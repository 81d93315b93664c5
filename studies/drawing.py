"""Parts of figures, readable in black and white: markers and fills tell series apart."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np

from amr_tf.analysis.seed_intervals import Estimate

matplotlib.use("Agg")
from matplotlib import pyplot as plt

MARKERS = "osv^D"
LINES = ("-", "--", ":", "-.")
FACES = ("white", "black", "#999999", "#555555")


def write(directory: pathlib.Path, figures: Mapping[str, Callable], *arguments: Any) -> None:
    """Draws figures as PNG files.

    Args:
        directory: Path, a directory that is there.
        figures: Mapping, name -> function that draws the figure.
        *arguments: Objects, the arguments of each function.
    """
    for name, draw in figures.items():
        figure = draw(*arguments)
        figure.savefig(directory / f"{name}.png", dpi=110)
        plt.close(figure)


def dots(
    panel: plt.Axes, x: Sequence[float], found: Sequence[Estimate | None], i: int, label: str
) -> None:
    """Draws means with their intervals; missing ones are left out.

    Args:
        panel: Axes, to draw in.
        x: Sequence of floats, the places.
        found: Sequence of estimates, as many.
        i: Integer, the number of the series, which gives its marker.
        label: String, the series in the legend.
    """
    there = [(at, value) for at, value in zip(x, found, strict=True) if value is not None]
    if not there:
        return
    at = [a for a, _ in there]
    half = [np.nan_to_num(v.half_width) for _, v in there]
    panel.errorbar(
        at, [v.mean for _, v in there], half, fmt=MARKERS[i % len(MARKERS)], color="black",
        ecolor="#555555", markerfacecolor=FACES[i % len(FACES)], ms=6, lw=1, capsize=2,
        label=label,
    )  # fmt: skip


def curve(
    panel: plt.Axes, x: Sequence[float], found: Sequence[Estimate | None], i: int, label: str
) -> None:
    """Draws `dots`, joined by a line."""
    dots(panel, x, found, i, label)
    there = [(at, v.mean) for at, v in zip(x, found, strict=True) if v is not None]
    line = LINES[i % len(LINES)]
    panel.plot(*zip(*there, strict=True) if there else ([], []), line, color="black", lw=1)
