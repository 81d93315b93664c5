"""The answers of a model for a long file over time: labels and the modalities' shares."""

import pathlib
from collections.abc import Sequence

import matplotlib
import numpy as np

from trainers.reporting import pages
from trainers.reporting.prediction_answers import Answers
from trainers.running.predictor import Labelled

matplotlib.use("Agg")
from matplotlib import pyplot as plt

LABELS = 5  # that are drawn


def section(
    directory: pathlib.Path, labelled: Labelled, answers: Answers, modalities: Sequence[str]
) -> pages.PageSection:
    """The section of a page that shows labels and shares over time.

    Args:
        directory: Path, the directory of the figure.
        labelled: Labelled, what the model says of two windows or more.
        answers: Answers, the form of the model's answers.
        modalities: Strings, the model's modalities.
    """
    path = directory / "timeline.png"
    figure = draw(labelled, answers, modalities)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    length = labelled.windows[0].end - labelled.windows[0].start
    text = f"{len(labelled.windows)} windows of {length:.1f} s, one after the other."
    return pages.PageSection(
        "timeline",
        "Over time",
        text,
        figures=[(path, f"{_told(answers).capitalize()}, and shares, over time")],
        notes=[],
    )


def _told(answers: Answers) -> str:
    return "probabilities of the likeliest labels" if answers.task.probabilistic else "numbers"


def draw(labelled: Labelled, answers: Answers, modalities: Sequence[str]) -> plt.Figure:
    """Draws the likeliest labels' probabilities (or the numbers) and the shares over time.

    Args:
        labelled: Labelled, what the model says of the windows.
        answers: Answers, the form of the model's answers.
        modalities: Strings, the model's modalities.

    Returns:
        The figure.
    """
    several = labelled.shares.shape[1] > 1
    figure, axes = plt.subplots(
        1 + several, 1, figsize=(9, 2.6 * (1 + several)), sharex=True, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    starts = [window.start for window in labelled.windows]
    edges = [*starts, labelled.windows[-1].end]
    percent = answers.task.probabilistic
    mean = labelled.mean.probabilities[0]
    top = (np.argsort(-mean) if percent else np.arange(len(mean)))[:LABELS]
    for label in top:
        probabilities = labelled.probabilities[:, label]
        axes[0][0].stairs(probabilities, edges, baseline=None, label=answers.classes[label], lw=1.5)
    axes[0][0].set(xlim=(edges[0], edges[-1]), ylabel=answers.headings[1])
    if percent:
        axes[0][0].set_ylim(0, 1)
    axes[0][0].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    if several:
        below = np.zeros(len(starts))
        for name, share in zip(modalities, labelled.shares.T, strict=True):
            above = below + share
            axes[1][0].stairs(above, edges, baseline=below, fill=True, alpha=0.8, label=name)
            below = above
        axes[1][0].set(ylim=(0, 1), ylabel="share")
        axes[1][0].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    axes[-1][0].set_xlabel("seconds")
    return figure
