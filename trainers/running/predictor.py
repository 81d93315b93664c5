"""A model that labels media files, from a run or from an export alone."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from amr_tf.modalities import Modality, restored
from amr_tf.serving import exporting
from amr_tf.serving.signatures import ServedClassifier
from tfrecords.building.container import MediaError
from tfrecords.building.media import Settings
from trainers.config.run_config import Config
from trainers.reporting.prediction_formats import Row
from trainers.running import inputs, media_files
from trainers.running.finished_run import load_classes, load_model

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A model that labels encoded clips.

    Attributes:
        answer: Function, the model's signature `serving_media`.
        inputs: Mapping, modality -> the model's input.
        classes: Strings, the class names by id.
        settings: How it wants media files decoded.
    """

    answer: Callable[..., dict[str, tf.Tensor]]
    inputs: Mapping[str, Modality]
    classes: tuple[str, ...]
    settings: Settings

    @classmethod
    def of_run(cls, model_dir: pathlib.Path) -> "Predictor":
        """The model of a finished run.

        Raises:
            ValueError: The run was trained with plug-ins that are not loaded, or is damaged.
            FileNotFoundError: There is no run.
        """
        Config.load(model_dir)
        taken, settings = inputs.load(model_dir)
        classes = load_classes(model_dir)
        served = ServedClassifier(load_model(model_dir, compile=False), classes, taken)
        return cls(served.signature("serving_media"), taken, classes, settings)

    @classmethod
    def of_export(cls, directory: pathlib.Path) -> "Predictor":
        """An export's newest version, or one of its versions; nothing else is read."""
        version = exporting.newest_version(directory)
        path = version / "assets" / "model.json"
        try:
            about = json.loads(path.read_text())
            taken = {name: restored(about[name]) for name in about["modalities"]}
            classes, settings = tuple(about["classes"]), Settings(**about["media"])
        except (AttributeError, KeyError, TypeError, RecursionError, ValueError) as error:
            raise ValueError(
                f"{path} is no description of an export: {str(error)[:200]}. Export the model "
                "again: python -m trainers.export --model_dir=DIR"
            ) from error
        signatures = tf.saved_model.load(str(version)).signatures
        return cls(signatures["serving_media"], taken, classes, settings)

    def rows(self, clips: Sequence[str], top: int) -> Iterator[tuple[str, Row | MediaError]]:
        """Labels files, a batch at a time.

        Args:
            clips: Strings, each a file, or one for each modality, see `media_files.sources`.
            top: Integer, how many labels each gets.

        Yields:
            Each clip with its row, in order; before those of its batch, a file that can't be read
            with the reason.
        """
        batch: list[tuple[str, media_files.Sent]] = []
        files = [media_files.sources(clip, self.inputs) for clip in clips]
        found = media_files.read(files, self.inputs, self.settings)
        for path, clip in zip(clips, found, strict=True):
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
        self, batch: list[tuple[str, media_files.Sent]], top: int
    ) -> Iterator[tuple[str, Row]]:
        given = media_files.batch([clip for _, clip in batch], self.inputs)
        out = {name: value.numpy() for name, value in self.answer(**given).items()}
        for i, (path, clip) in enumerate(batch):
            probabilities = out["probabilities"][i]
            order = np.argsort(-probabilities, kind="stable")[:top]
            shares = out["shares"][i] if "shares" in out else []
            row = Row(
                clip=path,
                class_id=int(order[0]),
                top=[(self.classes[c], float(probabilities[c])) for c in order],
                shares={m: float(s) for m, s in zip(self.inputs, shares, strict=False)},
                missing=media_files.missing(clip),
            )
            yield path, row
