"""Figures of the full evaluation, from its sections; readable in black and white."""

import pathlib
from collections.abc import Mapping

import matplotlib
import numpy as np

from amr_tf.analysis.bootstrap import interval
from amr_tf.analysis.corruption import SEVERITIES
from amr_tf.analysis.sections import Section

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = ("#2f5f96", "#e0a458")
HATCHES = ("", "///")
MARKERS = "osv^D"
LINES = ("-", "--")
MOST_BOXES = 40  # classes that are drawn as a box each


def draw(path: pathlib.Path, key: str, sections: Mapping[str, Section]) -> bool:
    """Draws a section of one or two models.

    Args:
        path: PNG file to write.
        key: Of the section.
        sections: Model's name -> its section.

    Returns:
        Whether there was anything to draw.
    """
    drawn = {
        "corrupted": _curves,
        "distribution": _distributions,
        "agreement": _correlations,
        "calibration": _reliability,
    }
    if key not in drawn and not next(iter(sections.values())).bars:
        return False
    figure = drawn.get(key, _bars)(sections)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return True


def _bars(sections: Mapping[str, Section]) -> plt.Figure:
    """Horizontal bars with intervals, one a number and model."""
    first = next(iter(sections.values()))
    names = first.bars
    figure, panel = plt.subplots(figsize=(7, 0.7 + (0.12 + 0.24 * len(sections)) * len(names)))
    height = 0.8 / len(sections)
    for i, (model, section) in enumerate(sections.items()):
        found = [interval(section.numbers.get(n, np.full(2, np.nan))) for n in names]
        values = 100 * np.array([[x.value, x.low, x.high] for x in found]).reshape(-1, 3)
        panel.barh(
            np.arange(len(names)) + (i - (len(sections) - 1) / 2) * height,
            values[:, 0],
            height,
            xerr=np.nan_to_num(np.abs(values[:, 1:] - values[:, :1]).T),
            color=COLOURS[i],
            hatch=HATCHES[i],
            edgecolor="white",
            error_kw={"ecolor": "#222", "capsize": 2, "lw": 1},
            label=model,
        )
    panel.set_yticks(np.arange(len(names)), names)
    panel.invert_yaxis()
    panel.set_xlabel(first.axis)
    panel.spines[["top", "right"]].set_visible(False)
    if len(sections) > 1:
        panel.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def _curves(sections: Mapping[str, Section]) -> plt.Figure:
    """Accuracy by severity, a panel a modality."""
    first = next(iter(sections.values()))
    rows = [n.removesuffix(" / area") for n in first.numbers if n.endswith(" / area")]
    modalities = list(dict.fromkeys(row.partition(" / ")[0] for row in rows))
    figure, panels = plt.subplots(
        1, len(modalities), figsize=(4.6 * len(modalities), 4), squeeze=False, sharey=True
    )
    for panel, modality in zip(panels[0], modalities, strict=True):
        mine = [row for row in rows if row.startswith(f"{modality} / ")]
        for k, row in enumerate(mine):
            for i, section in enumerate(sections.values()):
                if f"{row} / area" not in section.numbers:  # a model of the other modality
                    continue
                keys = ["clean / accuracy", *(f"{row} / severity {s}" for s in SEVERITIES)]
                found = [interval(section.numbers[key]) for key in keys]
                values = 100 * np.array([[x.value, x.low, x.high] for x in found])
                panel.plot(
                    (0, *SEVERITIES), values[:, 0], LINES[i], marker=MARKERS[k], color=f"C{k}",
                    ms=5, label=None if i else row.removeprefix(f"{modality} / "),
                )  # fmt: skip
                panel.fill_between((0, *SEVERITIES), *values[:, 1:].T, color=f"C{k}", alpha=0.08)
        panel.set(title=f"{modality} corrupted", xlabel="severity", ylim=(0, None))
        panel.legend(
            frameon=False,
            fontsize="small",
            ncols=2,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.15),
        )
        panel.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel("accuracy, %")
    if len(sections) > 1:
        handles = [plt.Line2D([], [], color="black", ls=ls) for ls in LINES]
        figure.legend(handles, sections, frameon=False, ncols=2, loc="lower center",
                      bbox_to_anchor=(0.5, 0.94))  # fmt: skip
    return figure


def _distributions(sections: Mapping[str, Section]) -> plt.Figure:
    """A box a class and model; of many classes, in order, the boxes' outlines as bands."""
    first = next(iter(sections.values()))
    classes, labels = first.extras["classes"], first.extras["labels"]
    # [models, 5, classes]
    quantiles = np.array([_class_quantiles(section) for section in sections.values()])
    order = [c for c in np.argsort(-quantiles[0, 2], kind="stable") if (labels == c).any()]
    quantiles, many = 100 * quantiles[..., order], len(order) > MOST_BOXES
    height = 6 if many else 0.9 + (0.16 + 0.2 * len(sections)) * len(order)
    figure, panel = plt.subplots(figsize=(7, height))
    places = np.arange(len(order))
    for i, (model, (low, left, middle, right, high)) in enumerate(
        zip(sections, quantiles, strict=True)
    ):
        if many:
            panel.plot(middle, places, LINES[i], color=COLOURS[i], label=f"{model} (median)")
            panel.fill_betweenx(places, left, right, color=COLOURS[i], alpha=0.3, hatch=HATCHES[i])
            continue
        at = places + (i - (len(sections) - 1) / 2) * 0.8 / len(sections)
        panel.hlines(at, low, high, color="#222", lw=1)
        panel.barh(
            at, right - left, 0.64 / len(sections), left, color=COLOURS[i], hatch=HATCHES[i],
            edgecolor="#222", lw=0.8, label=model, zorder=2,
        )  # fmt: skip
        panel.plot(middle, at, "|", color="white", mew=4, ms=11, zorder=3)
        panel.plot(middle, at, "|", color="black", mew=2, ms=11, zorder=3)
    if many:
        panel.set_ylabel(f"{len(order)} classes, by the median of the first model")
    else:
        panel.set_yticks(places, [classes[c] for c in order])
    panel.invert_yaxis()
    panel.axvline(50, color="gray", ls=":", zorder=0)
    panel.set(xlim=(0, 100), xlabel=first.axis)
    panel.spines[["top", "right"]].set_visible(False)
    if len(sections) > 1:
        panel.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def _class_quantiles(section: Section) -> np.ndarray:
    """5, 25, 50, 75 and 95 % of each class's clips, `[5, C]`; NaN for a class without clips."""
    shares, labels = section.extras["shares"], section.extras["labels"]
    ranks = (0.05, 0.25, 0.5, 0.75, 0.95)
    found = np.full((len(ranks), len(section.extras["classes"])), np.nan)
    for c in np.unique(labels):
        found[:, c] = np.quantile(shares[labels == c], ranks)
    return found


def _correlations(sections: Mapping[str, Section]) -> plt.Figure:
    """Spearman's correlations of the measures, a panel a model and modality."""
    first = next(iter(sections.values()))
    modalities, measures = first.extras["modalities"], first.extras["measures"]
    figure, panels = plt.subplots(
        len(modalities), len(sections), squeeze=False,
        figsize=(5.6 * len(sections), 4.4 * len(modalities)), layout="constrained",
    )  # fmt: skip
    for column, (model, section) in zip(panels.T, sections.items(), strict=True):
        measures = section.extras["measures"]
        for panel, modality in zip(column, modalities, strict=True):
            values = np.eye(len(measures))
            for i, a in enumerate(measures):
                for j, b in enumerate(measures[i + 1 :], i + 1):
                    values[i, j] = values[j, i] = section.numbers[f"{modality} / {a} ~ {b}"][0]
            panel.imshow(values, vmin=-1, vmax=1, cmap="PuOr")
            for (i, j), value in np.ndenumerate(values):
                colour = "white" if abs(value) > 0.6 else "black"
                text = f"{value:.2f}" if np.isfinite(value) else "–"
                panel.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
            panel.set_xticks(range(len(measures)), measures, rotation=40, ha="right", fontsize=8)
            panel.set_yticks(range(len(measures)), measures, fontsize=8)
            panel.set_title(", ".join(filter(None, (modality, model))), fontsize=10)
    return figure


def _reliability(sections: Mapping[str, Section]) -> plt.Figure:
    """Accuracy over confidence; points as large as their bins."""
    figure, panel = plt.subplots(figsize=(5, 4.6))
    panel.plot([0, 100], [0, 100], ":", color="gray", label="perfect")
    for i, (model, section) in enumerate(sections.items()):
        bins = section.extras["bins"]
        there = bins.counts > 0
        error = 100 * section.numbers["expected calibration error"][0]
        panel.plot(
            100 * bins.confidence[there], 100 * bins.accuracy[there], LINES[i], color=COLOURS[i]
        )
        panel.scatter(
            100 * bins.confidence[there], 100 * bins.accuracy[there],
            10 + 400 * bins.counts[there] / bins.counts.sum(), marker=MARKERS[i],
            color=COLOURS[i], edgecolor="black", lw=0.5, zorder=3, clip_on=False,
            label=f"{model}: ECE {error:.1f} %".removeprefix(": "),
        )  # fmt: skip
    panel.set(xlabel="confidence, %", ylabel="accuracy, %", xlim=(0, 101), ylim=(0, 101))
    panel.legend(frameon=False)
    return figure
