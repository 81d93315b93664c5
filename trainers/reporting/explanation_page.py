"""The page that explains a clip: labels, shares, and what of the input decided."""

import pathlib
from collections.abc import Callable, Mapping, Sequence

import matplotlib
import numpy as np

from amr_tf._context import PRESENCE
from amr_tf.analysis.explanation import Explanation
from amr_tf.analysis.metrics import format_dominance
from amr_tf.modalities import AudioConfig, Modality, VideoConfig
from trainers.config.run_config import Config
from trainers.reporting import pages

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TOP = 5  # labels that are listed


def write(
    directory: pathlib.Path,
    clip: pathlib.Path,
    explanation: Explanation,
    inputs: Mapping[str, np.ndarray],
    config: Config,
    modalities: Mapping[str, Modality],
    classes: Sequence[str],
) -> pathlib.Path:
    """Writes the page of one clip, with its figures beside it.

    Args:
        directory: Path, the directory of the page, which is made.
        clip: Path, the media file.
        explanation: Explanation of a batch of this clip alone.
        inputs: Mapping, modality -> array `[1, ...]`, what was explained, and `presence` `[1, M]`.
        config: Config, the run's.
        modalities: Mapping, modality -> the model's input.
        classes: Sequence of strings, the class names.

    Returns:
        The path of the page.
    """
    directory.mkdir(parents=True, exist_ok=True)
    there = {m for m, p in zip(modalities, inputs[PRESENCE][0], strict=True) if p}
    parts = [_decision(clip, explanation, config, classes, there)]
    if explanation.shares:
        parts.append(_shares(explanation, config))
    for name, modality in modalities.items():
        if name in there:
            attribution = explanation.attributions[name][0]
            parts.append(_figure(directory, name, inputs[name][0], attribution, modality))
    page = directory / "explanation.html"
    about = f"{config.data_name}, {config.method}, AMR weight {config.effective_amr_weight:g}"
    top = classes[np.argmax(explanation.probabilities[0])]
    page.write_text(pages.page(f"{clip.name}: {top}", about, parts))
    return page


def _decision(
    clip: pathlib.Path,
    explanation: Explanation,
    config: Config,
    classes: Sequence[str],
    there: set[str],
) -> pages.PageSection:
    probabilities = explanation.probabilities[0]
    order = np.argsort(-probabilities)[:TOP]
    top, names = order[0], "/".join(config.model_modalities)
    lines = [f"The model says {classes[top]!r}, with {100 * probabilities[top]:.0f} %."]
    if explanation.shares:
        _, shares = _share_rows(explanation, config)[0]
        lines.append(f"Of that decision {names} have {shares} percent (Grad⊙Input).")
    missing = [m for m in config.model_modalities if m not in there]
    if missing:
        lines.append(f"The file has no {' and no '.join(missing)}: it counts as absent.")
    labels = pages.Table(
        ("label", "probability"), [(classes[c], f"{100 * probabilities[c]:.1f} %") for c in order]
    )
    return pages.PageSection("decision", "Decision", f"File: {clip}", lines, tables=[labels])


def _shares(explanation: Explanation, config: Config) -> pages.PageSection:
    header = ("attribution target", "/".join(config.model_modalities))
    table = pages.Table(header, _share_rows(explanation, config))
    return pages.PageSection("shares", "Shares", "Of the modalities, in percent.", tables=[table])


def _share_rows(explanation: Explanation, config: Config) -> list[tuple[str, str]]:
    return [
        (target, format_dominance(dict(zip(config.model_modalities, values[0], strict=True))))
        for target, values in explanation.shares.items()
    ]


def _figure(
    directory: pathlib.Path,
    name: str,
    x: np.ndarray,
    attribution: np.ndarray,
    modality: Modality,
) -> pages.PageSection:
    draw, title, text = _FIGURES[modality.kind]
    if name != modality.kind:
        title = f"{title} ({name})"
    path = directory / f"{name}.png"
    figure = draw(x, attribution, modality)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return pages.PageSection(name, title, text, figures=[(path, f"{title} and attributions")])


def spectrogram_figure(x: np.ndarray, attribution: np.ndarray, config: AudioConfig) -> plt.Figure:
    """Draws a spectrogram above its signed attribution.

    Args:
        x: Array `[T, F, 1]`, the log spectrogram.
        attribution: Array of the same shape.
        config: The model's input.

    Returns:
        The figure.
    """
    extent = (0, config.seconds, 0, config.sample_rate / 2000)
    figure, axes = plt.subplots(2, 1, figsize=(9, 5.5), sharex=True)
    axes[0].imshow(x[..., 0].T, origin="lower", aspect="auto", extent=extent, cmap="gray")
    largest = np.quantile(np.abs(attribution), 0.999) or 1.0
    axes[1].imshow(
        attribution[..., 0].T, origin="lower", aspect="auto", extent=extent, cmap="RdBu_r",
        vmin=-largest, vmax=largest,
    )  # fmt: skip
    axes[0].set(title="log spectrogram", ylabel="kHz")
    axes[1].set(title="Grad⊙Input", ylabel="kHz", xlabel="seconds")
    return figure


def frames_figure(x: np.ndarray, attribution: np.ndarray, config: VideoConfig) -> plt.Figure:
    """Draws frames above the size of their attributions.

    Args:
        x: Array `[T, H, W, 3]`, the normalised frames.
        attribution: Array of the same shape.
        config: The model's input.

    Returns:
        The figure.
    """
    pixels = np.clip(x * config.std + config.mean, 0, 1)
    strength = np.abs(attribution).sum(axis=-1)
    largest = np.quantile(strength, 0.995) or 1.0
    figure, axes = plt.subplots(2, len(x), figsize=(3 * len(x), 6), squeeze=False)
    for t in range(len(x)):
        axes[0][t].imshow(pixels[t])
        axes[1][t].imshow(strength[t], cmap="inferno", vmin=0, vmax=largest)
        axes[0][t].set_title(f"frame {t + 1}")
    for axis in axes.ravel():
        axis.set_axis_off()
    return figure


_FIGURES: dict[str, tuple[Callable[..., plt.Figure], str, str]] = {
    "audio": (spectrogram_figure, "Sound", "Red speaks for the label, blue against it."),
    "video": (frames_figure, "Frames", "Brightness: how much a pixel matters, either way."),
}
