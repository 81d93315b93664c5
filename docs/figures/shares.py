"""Draws shares.png: naive fusion without AMR and with `auto`, its shares and its behaviour.

    python docs/figures/shares.py

reads docs/frontier/runs.csv, which `python -m studies.frontier` made.
"""

import csv
import pathlib
from collections.abc import Sequence

import matplotlib
import numpy as np
from scipy import stats

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = pathlib.Path(__file__).parent
SETS = {
    "words": "GRID words, mouth",
    "frame": "GRID words, whole picture",
    "digits": "digits, new speakers",
}
PANELS = {
    "share_audio": "share of the sound in the decision, %",
    "behaviour_audio": "conflicts that the sound wins, %",
    "accuracy": "accuracy on test clips, %",
}
WEIGHTS = {"0": ("without AMR", "white"), "auto": ("with AMR, --amr_weight=auto", "black")}
PLAIN = {"ratio": "1:1", "measure": "gradient", "scope": "head", "inputs": "components"}


def read() -> list[dict[str, str]]:
    """The runs of naive fusion, of the default measure and scope."""
    with (HERE.parent / "frontier" / "runs.csv").open() as file:
        runs = list(csv.DictReader(file))
    return [r for r in runs if r["method"] == "naive" and PLAIN.items() <= r.items()]


def found(runs: Sequence[dict[str, str]], of: str, weight: str, number: str) -> tuple[float, float]:
    """Mean over seeds and half of the 95 % t-interval, in percent."""
    values = [100 * float(r[number]) for r in runs if (r["set"], r["weight"]) == (of, weight)]
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(half)


def draw(runs: Sequence[dict[str, str]]) -> plt.Figure:
    """A panel for each number, a row for each set, an arrow from without AMR to with it."""
    figure, panels = plt.subplots(1, 3, figsize=(10.5, 2.7), sharey=True, layout="constrained")
    for panel, (number, title) in zip(panels, PANELS.items(), strict=True):
        for row, of in enumerate(SETS):
            ends = [found(runs, of, weight, number) for weight in WEIGHTS]
            panel.plot([mean for mean, _ in ends], [row, row], color="#bbbbbb", lw=2, zorder=1)
            for (mean, half), (label, face) in zip(ends, WEIGHTS.values(), strict=True):
                panel.errorbar(mean, row, xerr=half, fmt="o", color="black", markerfacecolor=face,
                               ms=8, capsize=2, label=label if row == 0 else None)  # fmt: skip
            told = " → ".join(f"{mean:.1f}" for mean, _ in ends)
            centre = np.mean([mean for mean, _ in ends])
            panel.annotate(told, (centre, row), (0, -9), textcoords="offset points",
                           ha="center", va="top", fontsize=8,
                           bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
        panel.set_xlim(8, 108)
        panel.set_title(title, fontsize=10)
        panel.axvline(50, color="black", lw=0.8, ls=":", visible=number != "accuracy")
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(SETS)), SETS.values())
    panels[0].set_ylim(len(SETS) - 0.45, -0.4)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                  frameon=False, fontsize=9)  # fmt: skip
    return figure


if __name__ == "__main__":
    draw(read()).savefig(HERE / "shares.png", dpi=150)
