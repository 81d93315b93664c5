"""Labels media files: `python -m trainers.predict --model_dir=DIR | --export_dir=DIR CLIP...`.

Prints each clip's likeliest labels and the modalities' shares of the decision, as a table, as JSON
(an array of objects) or as CSV; JSON and CSV row by row as clips are done. A file that can't be
read gets one line on stderr, and the others go on.
"""

import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from amr_tf.serving import exporting
from amr_tf.serving.signatures import ServedClassifier
from tfrecords.building import media
from tfrecords.building.container import MediaError
from tfrecords.progress import Progress
from trainers.config.run_config import Config
from trainers.reporting.prediction_formats import FORMATS, Row
from trainers.running import command, media_files
from trainers.running.finished_run import load_model

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A model that labels encoded clips.

    Attributes:
        answer: The model's signature `serving_media`.
        modalities: Of the model.
        classes: Names by id.
        settings: How it wants media files decoded.
    """

    answer: Callable[..., dict[str, tf.Tensor]]
    modalities: tuple[str, ...]
    classes: tuple[str, ...]
    settings: media.Settings

    @classmethod
    def of_run(cls, model_dir: pathlib.Path) -> "Predictor":
        """The model of a finished run."""
        config = Config.load(model_dir)
        model = load_model(model_dir, compile=False)
        classes = tuple((model_dir / "classes.txt").read_text().splitlines())
        served = ServedClassifier(model, config.audio, config.video, classes)
        answer = served.signature("serving_media")
        return cls(answer, config.modalities, classes, media_files.settings(config))

    @classmethod
    def of_export(cls, directory: pathlib.Path) -> "Predictor":
        """An export's newest version, or one of its versions; nothing else is read."""
        version = exporting.newest_version(directory)
        about = json.loads((version / "assets" / "model.json").read_text())
        if "media" not in about:
            raise ValueError(f"{version} is of an earlier release: export the model again")
        signatures = tf.saved_model.load(str(version)).signatures
        return cls(
            signatures["serving_media"],
            tuple(about["modalities"]),
            tuple(about["classes"]),
            media.Settings(**about["media"]),
        )

    def rows(
        self, paths: Sequence[pathlib.Path], top: int
    ) -> Iterator[tuple[pathlib.Path, Row | MediaError]]:
        """Labels files, a batch at a time.

        Args:
            paths: The files.
            top: How many labels of each.

        Yields:
            Each file with its row, in order; before those of its batch, a file that can't be read
            with the reason.
        """
        batch: list[tuple[pathlib.Path, media_files.Encoded]] = []
        found = media_files.read(paths, self.modalities, self.settings)
        for path, clip in zip(paths, found, strict=True):
            if isinstance(clip, MediaError):
                yield path, clip
                continue
            batch.append((path, clip))
            if len(batch) == BATCH:
                yield from self._label(batch, top)
                batch = []
        if batch:
            yield from self._label(batch, top)

    def _label(
        self, batch: list[tuple[pathlib.Path, media_files.Encoded]], top: int
    ) -> Iterator[tuple[pathlib.Path, Row]]:
        audio, frames = media_files.batch([clip for _, clip in batch])
        given = {"audio": {"audio": audio}, "video": {"frames": frames}}
        inputs = {name: x for m in self.modalities for name, x in given[m].items()}
        out = {name: value.numpy() for name, value in self.answer(**inputs).items()}
        for i, (path, clip) in enumerate(batch):
            probabilities = out["probabilities"][i]
            order = np.argsort(-probabilities, kind="stable")[:top]
            shares = out["shares"][i] if "shares" in out else []
            row = Row(
                clip=str(path),
                class_id=int(order[0]),
                top=[(self.classes[c], float(probabilities[c])) for c in order],
                shares={m: float(s) for m, s in zip(self.modalities, shares, strict=False)},
                missing=clip.missing(self.modalities),
            )
            yield path, row


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string(
        "export_dir", "", "In its place: an export's directory, or one of its versions."
    )
    flags.DEFINE_enum("format", "table", list(FORMATS), "Of what is printed.")
    flags.DEFINE_integer("top", 3, "Labels a clip, the likeliest first.", lower_bound=1)


def main(clips: list[str]) -> None:
    """The command."""
    values = flags.FLAGS
    with command.user_errors():
        if not clips:
            raise ValueError("name media files: trainers.predict --model_dir=DIR CLIP.mp4 ...")
        predictor = load(values.model_dir, values.export_dir)
    try:
        failed = _print(predictor, [pathlib.Path(clip) for clip in clips], values)
    except BrokenPipeError:  # whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        failed = True
    if failed:
        sys.exit(1)


def load(model_dir: str, export_dir: str) -> Predictor:
    """The predictor of one of the two directories.

    Raises:
        ValueError: None or both are given, or the export is of an earlier release.
        FileNotFoundError: There is no such directory, or nothing in it.
    """
    if bool(model_dir) == bool(export_dir):
        raise ValueError("give either --model_dir or --export_dir")
    if model_dir:
        return Predictor.of_run(command.required_directory("model_dir", model_dir))
    return Predictor.of_export(command.required_directory("export_dir", export_dir))


def _print(predictor: Predictor, paths: list[pathlib.Path], values: Any) -> int:
    """Prints the rows; returns how many files could not be read."""
    failed = 0
    out = sys.stdout  # which the bar takes over
    # rows on the terminal are progress enough
    show = len(paths) > BATCH and (values.format == "table" or not out.isatty())
    top = min(values.top, len(predictor.classes))

    def rows() -> Iterator[Row]:
        nonlocal failed
        with Progress("predict", len(paths), show, transient=True) as progress:
            for path, found in predictor.rows(paths, top):
                if isinstance(found, MediaError):
                    failed += 1
                    print(media_files.refusal(path, found), file=sys.stderr, flush=True)
                else:
                    yield found
                progress.advance(f"{failed:,} failed" if failed else "")

    FORMATS[values.format](rows(), out, predictor.modalities, top)
    return failed


if __name__ == "__main__":
    command.run(define, main, arguments=True)
