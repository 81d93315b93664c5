"""Explains what a model makes of media files: `python -m trainers.explain --model_dir=DIR CLIP...`.

For each clip a page, MODEL_DIR/explanations/<clip>/explanation.html: the likeliest labels, the
modalities' shares, and Grad⊙Input carried back to the spectrogram and to the pixels. A file that
cannot be read gets one line, and the others go on.
"""

import pathlib
import sys

import matplotlib
import numpy as np
import tensorflow as tf
from absl import flags

from amr_tf.analysis.explanation import Explanation, explain
from amr_tf.analysis.metrics import format_dominance
from amr_tf.model import PRESENCE
from amr_tf.serving import encoded_media
from tfrecords.building.container import MediaError
from trainers.config.run_config import Config
from trainers.reporting import pages
from trainers.running import command, media_files
from trainers.running.finished_run import load_model

matplotlib.use("Agg")
from matplotlib import pyplot as plt

TOP = 5


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string("output_dir", "", "Of the pages (default: MODEL_DIR/explanations).")


def main(clips: list[str]) -> None:
    """The command."""
    values = flags.FLAGS
    with command.user_errors():
        model_dir = command.required_directory("model_dir", values.model_dir)
        if not clips:
            raise ValueError("name media files: trainers.explain --model_dir=DIR CLIP.mp4 ...")
        config = Config.load(model_dir)
        model = load_model(model_dir, compile=False)
        classes = (model_dir / "classes.txt").read_text().splitlines()
        output = pathlib.Path(values.output_dir or model_dir / "explanations")
    failed = 0
    paths = [pathlib.Path(clip) for clip in clips]
    settings = media_files.settings(config)
    for clip, found in zip(
        paths, media_files.read(paths, config.modalities, settings), strict=True
    ):
        if isinstance(found, MediaError):
            print(media_files.refusal(clip, found), file=sys.stderr)
            failed += 1
            continue
        inputs = encoded_media.media_features(
            *media_files.batch([found]), config.audio, config.video, config.modalities
        )
        page = write(output / clip.stem, clip, explain(model, inputs), inputs, config, classes)
        print(f"explanation  {page}")
    if failed:
        sys.exit(1)


def write(
    directory: pathlib.Path,
    clip: pathlib.Path,
    explanation: Explanation,
    inputs: dict[str, tf.Tensor],
    config: Config,
    classes: list[str],
) -> pathlib.Path:
    """Writes the page of one clip, with its figures beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    probabilities = explanation.probabilities[0]
    order = np.argsort(-probabilities)[:TOP]
    top = classes[order[0]]
    labels = pages.Table(
        ("label", "probability"), [(classes[c], f"{100 * probabilities[c]:.1f} %") for c in order]
    )
    names = "/".join(config.modalities)
    shares = [
        (target, format_dominance(dict(zip(config.modalities, values[0], strict=True))))
        for target, values in explanation.shares.items()
    ]
    lines = [f"The model says {top!r}, with {100 * probabilities[order[0]]:.0f} %."]
    if shares:
        lines.append(f"Of that decision {names} have {shares[0][1]} percent (Grad⊙Input).")
    missing = [
        m for m, p in zip(config.modalities, inputs[PRESENCE][0].numpy(), strict=True) if not p
    ]
    if missing:
        lines.append(f"The file has no {' and no '.join(missing)}: it counts as absent.")
    parts = [
        pages.Part("decision", "Decision", f"File: {clip}", lines, tables=[labels]),
    ]
    if shares:
        table = pages.Table(("attribution target", names), shares)
        parts.append(
            pages.Part("shares", "Shares", "Of the modalities, in percent.", tables=[table])
        )
    figures = {
        "audio": (spectrogram_figure, "Sound", "Red speaks for the label, blue against it."),
        "video": (frames_figure, "Frames", "Brightness: how much a pixel matters, either way."),
    }
    for m in config.modalities:
        if m in missing:
            continue
        draw, title, text = figures[m]
        path = directory / f"{m}.png"
        draw(path, inputs[m][0].numpy(), explanation.attributions[m][0], config)
        parts.append(pages.Part(m, title, text, figures=[(path, f"{title} and attributions")]))
    page = directory / "explanation.html"
    about = f"{config.dataset}, {config.method}, AMR weight {config.effective_amr_weight:g}"
    page.write_text(pages.page(f"{clip.name}: {top}", about, parts))
    return page


def spectrogram_figure(
    path: pathlib.Path, x: np.ndarray, attribution: np.ndarray, config: Config
) -> None:
    """The spectrogram `[T, F, 1]` above its signed attribution."""
    extent = (0, config.audio_seconds, 0, config.audio_rate / 2000)
    figure, axes = plt.subplots(2, 1, figsize=(9, 5.5), sharex=True)
    axes[0].imshow(x[..., 0].T, origin="lower", aspect="auto", extent=extent, cmap="gray")
    largest = np.quantile(np.abs(attribution), 0.999) or 1.0
    axes[1].imshow(
        attribution[..., 0].T, origin="lower", aspect="auto", extent=extent, cmap="RdBu_r",
        vmin=-largest, vmax=largest,
    )  # fmt: skip
    axes[0].set(title="log spectrogram", ylabel="kHz")
    axes[1].set(title="Grad⊙Input", ylabel="kHz", xlabel="seconds")
    _save(figure, path)


def frames_figure(
    path: pathlib.Path, x: np.ndarray, attribution: np.ndarray, config: Config
) -> None:
    """The frames `[T, H, W, 3]` above the size of their attributions."""
    pixels = np.clip(x * config.video.std + config.video.mean, 0, 1)
    strength = np.abs(attribution).sum(axis=-1)
    largest = np.quantile(strength, 0.995) or 1.0
    figure, axes = plt.subplots(2, len(x), figsize=(3 * len(x), 6), squeeze=False)
    for t in range(len(x)):
        axes[0][t].imshow(pixels[t])
        axes[1][t].imshow(strength[t], cmap="inferno", vmin=0, vmax=largest)
        axes[0][t].set_title(f"frame {t + 1}")
    for axis in axes.ravel():
        axis.set_axis_off()
    _save(figure, path)


def _save(figure: plt.Figure, path: pathlib.Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    command.run(define, main, arguments=True)
