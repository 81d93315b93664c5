"""The page that explains a clip: labels, shares, and the parts of the input that decided."""

import dataclasses
import pathlib
from collections.abc import Mapping

import matplotlib
import numpy as np

from amr_tf.analysis.explanation import Explanation
from amr_tf.analysis.metrics import dominance_title, format_dominance
from amr_tf.modalities import Bars, Image, Modality, Panel
from trainers.config.run_config import Config
from trainers.reporting import pages, timeline
from trainers.reporting.prediction_answers import Answers
from trainers.running.predictor import Labelled

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TOP = 5  # labels that are listed


def write(
    directory: pathlib.Path,
    clip: str,
    labelled: Labelled,
    explanation: Explanation,
    window: int,
    config: Config,
    modalities: Mapping[str, Modality],
    answers: Answers,
) -> pathlib.Path:
    """Writes the page of one clip, with its figures beside it.

    Args:
        directory: Path, the directory of the page, which is made.
        clip: String, the media file, or one for each modality.
        labelled: Labelled, what the model says of the clip's windows.
        explanation: Explanation of a batch of only one window.
        window: Integer, the index of that window.
        config: Config, the run's.
        modalities: Mapping, modality -> the model's input.
        answers: Answers, the form of the model's answers.

    Returns:
        The path of the page.
    """
    directory.mkdir(parents=True, exist_ok=True)
    mean, there = labelled.mean, set(modalities) - set(labelled.missing[window])
    parts = [_decision(clip, labelled, config, answers)]
    if len(labelled.windows) > 1:
        parts.append(timeline.section(directory, labelled, answers, tuple(modalities)))
        shown = labelled.windows[window]
        parts[-1].notes.append(
            f"The rest is about the window from {shown.start:.1f} to {shown.end:.1f} s, which "
            + (
                "speaks most clearly for the label."
                if answers.task.probabilistic
                else "is nearest to the mean."
            )
        )
    if explanation.shares:
        parts.append(_shares(explanation, config))
    for name, modality in modalities.items():
        if name in there:
            one = (explanation.features[name][0], explanation.attributions[name][0])
            parts.append(_figure(directory, name, modality.called(name), modality.panel(*one)))
    page = directory / "explanation.html"
    about = f"{config.data_name}, {config.method}, AMR weight {config.amr_text}"
    numbers = mean.probabilities[0]
    top = dataclasses.replace(answers, top=1).said(numbers).title
    page.write_text(pages.page(f"{pathlib.PurePath(clip).name}: {top}", about, parts))
    return page


def _decision(clip: str, labelled: Labelled, config: Config, answers: Answers) -> pages.PageSection:
    mean = labelled.mean
    probabilities, shares, missing = mean.probabilities[0], mean.shares[0], mean.missing[0]
    names = dominance_title(config.model_modalities)
    lines = [answers.sentence(probabilities)]
    if len(labelled.windows) > 1:
        lines.append(f"That is the mean of {len(labelled.windows)} windows of the file.")
    if len(shares):
        told = format_dominance(dict(zip(config.model_modalities, shares, strict=True)))
        lines.append(f"Of that decision {names} have {told} percent (Grad⊙Input).")
    if missing:
        lines.append(f"The file has no {' and no '.join(missing)}: it counts as absent.")
    labels = pages.Table(answers.headings, answers.said(probabilities).lines)
    return pages.PageSection("decision", "Decision", f"File: {clip}", lines, tables=[labels])


def _shares(explanation: Explanation, config: Config) -> pages.PageSection:
    header = ("attribution target", dominance_title(config.model_modalities))
    table = pages.Table(header, _share_rows(explanation, config))
    return pages.PageSection("shares", "Shares", "Of the modalities, in percent.", tables=[table])


def _share_rows(explanation: Explanation, config: Config) -> list[tuple[str, str]]:
    return [
        (target, format_dominance(dict(zip(config.model_modalities, values[0], strict=True))))
        for target, values in explanation.shares.items()
    ]


def _figure(directory: pathlib.Path, name: str, called: str, panel: Panel) -> pages.PageSection:
    title = called.capitalize()
    path = directory / f"{name}.png"
    figure = draw(panel)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return pages.PageSection(name, title, panel.note, figures=[(path, f"{title} and attributions")])


def draw(panel: Panel) -> plt.Figure:
    """Draws a panel.

    Args:
        panel: Panel, what a modality gives to draw.

    Returns:
        The figure.
    """
    columns = max(map(len, panel.rows))
    wide = columns == 1
    size = (9, 2.75 * len(panel.rows)) if wide else (3 * columns, 3 * len(panel.rows))
    if any(isinstance(part, Bars) and len(part.labels) > 16 for row in panel.rows for part in row):
        size = (9, 6 * len(panel.rows))
    figure, axes = plt.subplots(
        len(panel.rows), columns, figsize=size, squeeze=False, layout="constrained"
    )
    for row, parts in zip(axes, panel.rows, strict=True):
        for axis, part in zip(row, parts, strict=False):
            (_bars if isinstance(part, Bars) else _image)(axis, part)
        for axis in row[len(parts) :]:
            axis.set_axis_off()
    return figure


def _image(axis: plt.Axes, image: Image) -> None:
    options: dict = {"extent": image.extent, "aspect": "auto" if image.extent else None}
    if image.pixels.ndim == 2:
        options |= {"cmap": "gray" if image.extent else "inferno"}
        if image.signed:
            most = float(np.quantile(np.abs(image.pixels), 0.999)) or 1.0
            options |= {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
        elif not image.extent:
            options |= {"vmin": 0, "vmax": image.most or float(image.pixels.max()) or 1.0}
    axis.imshow(image.pixels, **{k: v for k, v in options.items() if v is not None})
    axis.set(title=image.caption, xlabel=image.axes[0], ylabel=image.axes[1])
    if not image.extent:
        axis.set_axis_off()


def _bars(axis: plt.Axes, bars: Bars) -> None:
    place = np.arange(len(bars.labels))
    colours = np.where(bars.values > 0, "#b2182b", "#2166ac")
    axis.barh(place, bars.values, color=colours)
    axis.set_yticks(place, bars.labels, fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0, color="black", lw=0.8)
    axis.set_title(bars.caption)
