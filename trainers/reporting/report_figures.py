"""Figures of the full evaluation, from its sections; readable in black and white."""

import pathlib
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np

from amr_tf.analysis.calibration import Calibration
from amr_tf.analysis.contributions import Agreement, Distribution
from amr_tf.analysis.measurement import Measurement
from amr_tf.analysis.robustness import Robustness
from amr_tf.modalities.corruption import SEVERITIES
from trainers.reporting.report_section import ReportSection

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = ("#2f5f96", "#e0a458")
HATCHES = ("", "///")
MARKERS = "osv^D"
LINES = ("-", "--")
RANKS = (0.05, 0.25, 0.5, 0.75, 0.95)  # the quantiles that a box shows
MOST_BOXES = 40  # classes that are drawn as a box each


def draw(path: pathlib.Path, sections: Mapping[str, ReportSection]) -> bool:
    """Draws a section of one or two models.

    Args:
        path: Path, the PNG file to write.
        sections: Mapping, a model's name -> its section.

    Returns:
        Whether there was anything to draw.
    """
    first = next(iter(sections.values()))
    if first.plotted is not None:
        figure = _DRAWN[type(first.plotted)](sections)
    elif first.bars:
        figure = _bars(sections)
    else:
        return False
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
    return True


def _percent(measurements: Sequence[Measurement | None]) -> np.ndarray:
    """Values with lower and upper ends in percent, `[K, 3]`; NaN where there is none."""
    found = [m.interval if m else None for m in measurements]
    rows = [[x.value, x.low, x.high] if x else [np.nan] * 3 for x in found]
    return 100 * np.array(rows).reshape(-1, 3)


def _bars(sections: Mapping[str, ReportSection]) -> plt.Figure:
    """Horizontal bars with intervals, one a number and model."""
    first = next(iter(sections.values()))
    names = [measurement.name for measurement in first.bars]
    figure, panel = plt.subplots(figsize=(7, 0.7 + (0.12 + 0.24 * len(sections)) * len(names)))
    height = 0.8 / len(sections)
    for i, (model, section) in enumerate(sections.items()):
        values = _percent([section.numbers.get(name) for name in names])
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


def _curves(sections: Mapping[str, ReportSection]) -> plt.Figure:
    """Accuracy by severity, a panel a modality."""
    found: list[Robustness] = [section.plotted for section in sections.values()]
    modalities = list(dict.fromkeys(curve.modality for curve in found[0].curves))
    figure, panels = plt.subplots(
        1, len(modalities), figsize=(4.6 * len(modalities), 4), squeeze=False, sharey=True
    )
    for panel, modality in zip(panels[0], modalities, strict=True):
        names = [c.corruption for c in found[0].curves if c.modality == modality]
        for i, robustness in enumerate(found):
            for curve in robustness.curves:
                # the second model may hear other corruptions than the first
                if curve.modality != modality or curve.corruption not in names:
                    continue
                k, values = names.index(curve.corruption), _percent(curve.accuracy)
                panel.plot(
                    (0, *SEVERITIES), values[:, 0], LINES[i], marker=MARKERS[k], color=f"C{k}",
                    ms=5, label=None if i else curve.corruption,
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
    clean = found[0].clean
    panels[0, 0].set_ylabel(f"{clean.metric}{', %' if clean.unit else ' x 100'}")
    if len(sections) > 1:
        handles = [plt.Line2D([], [], color="black", ls=ls) for ls in LINES]
        figure.legend(handles, sections, frameon=False, ncols=2, loc="lower center",
                      bbox_to_anchor=(0.5, 0.94))  # fmt: skip
    return figure


def _distributions(sections: Mapping[str, ReportSection]) -> plt.Figure:
    """A box a class and model; of many classes, in order, the boxes' outlines as bands."""
    found: list[Distribution] = [section.plotted for section in sections.values()]
    classes, labels = found[0].classes, found[0].labels
    # [models, 5, classes]
    quantiles = np.array([distribution.class_quantiles(RANKS) for distribution in found])
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
    panel.set(xlim=(0, 100), xlabel=next(iter(sections.values())).axis)
    panel.spines[["top", "right"]].set_visible(False)
    if len(sections) > 1:
        panel.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
    return figure


def _correlations(sections: Mapping[str, ReportSection]) -> plt.Figure:
    """Spearman's correlations of the measures, a panel a model and modality."""
    found: dict[str, Agreement] = {name: section.plotted for name, section in sections.items()}
    modalities = tuple(next(iter(found.values())).correlations)
    figure, panels = plt.subplots(
        len(modalities), len(sections), squeeze=False,
        figsize=(5.6 * len(sections), 4.4 * len(modalities)), layout="constrained",
    )  # fmt: skip
    for column, (model, agreement) in zip(panels.T, found.items(), strict=True):
        measures = agreement.measures
        for panel, modality in zip(column, modalities, strict=True):
            values = agreement.correlations[modality][..., 0]
            panel.imshow(values, vmin=-1, vmax=1, cmap="PuOr")
            for (i, j), value in np.ndenumerate(values):
                colour = "white" if abs(value) > 0.6 else "black"
                # adding 0 makes a rounded -0.0 positive
                text = f"{round(value, 2) + 0.0:.2f}" if np.isfinite(value) else "–"
                panel.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
            panel.set_xticks(range(len(measures)), measures, rotation=40, ha="right", fontsize=8)
            panel.set_yticks(range(len(measures)), measures, fontsize=8)
            panel.set_title(", ".join(filter(None, (modality, model))), fontsize=10)
    return figure


def _reliability(sections: Mapping[str, ReportSection]) -> plt.Figure:
    """Accuracy over confidence; points as large as their bins."""
    figure, panel = plt.subplots(figsize=(5, 4.6))
    panel.plot([0, 100], [0, 100], ":", color="gray", label="perfect")
    for i, (model, section) in enumerate(sections.items()):
        calibration: Calibration = section.plotted
        bins, error = calibration.bins, 100 * calibration.error.value
        there = bins.counts > 0
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


_DRAWN = {
    Robustness: _curves,
    Distribution: _distributions,
    Agreement: _correlations,
    Calibration: _reliability,
}
