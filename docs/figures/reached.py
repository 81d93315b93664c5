"""Draws reached.png: where a weight of 1 and `auto` bring the share, method by method.

    python docs/figures/reached.py

reads docs/frontier/runs.csv, which `python -m studies.frontier` made.
"""

import csv
import pathlib

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = pathlib.Path(__file__).parent
SETS = {"frame": "GRID words, whole picture", "words": "GRID words, mouth"}
WEIGHTS = {"0": ("without AMR", "white"), "1": ("weight 1", "#999999"), "auto": ("auto", "black")}
PLAIN = {"ratio": "1:1", "measure": "gradient", "scope": "head", "inputs": "components"}


def shares() -> dict[tuple[str, str, str], float]:
    """(Set, method, weight) -> the sound's mean share of test clips, percent."""
    found = {}
    with (HERE.parent / "frontier" / "runs.csv").open() as file:
        for run in csv.DictReader(file):
            if PLAIN.items() <= run.items() and run["set"] in SETS and not run["modality"]:
                key = (run["set"], run["method"], run["weight"])
                found.setdefault(key, []).append(100 * float(run["share_audio"]))
    return {key: sum(values) / len(values) for key, values in found.items()}


def draw() -> plt.Figure:
    """A panel for each set, a row for each method."""
    found = shares()
    methods = list(dict.fromkeys(method for _, method, weight in found if weight == "auto"))
    figure, panels = plt.subplots(
        1, 2, figsize=(9, 3.6), sharex=True, sharey=True, layout="constrained"
    )
    for panel, (of, title) in zip(panels, SETS.items(), strict=True):
        for weight, (label, face) in WEIGHTS.items():
            x = [found[of, method, weight] for method in methods]
            panel.plot(x, methods, "o", color="black", markerfacecolor=face, label=label)
        panel.axvline(50, color="black", lw=0.8, ls=":")
        panel.grid(axis="y", color="#dddddd", lw=0.6)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("share of the sound, test clips, %")
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                  frameon=False, fontsize=9)  # fmt: skip
    return figure


if __name__ == "__main__":
    draw().savefig(HERE / "reached.png", dpi=130)
