"""Exports a classifier as a SavedModel that stock TensorFlow Serving loads.

Feature extraction is inside the graph: a client sends waveforms and frames as they are.
"""

import json
import pathlib
import shutil
import tempfile
from typing import Any

import tensorflow as tf

from amr_tf import compat, features
from amr_tf.attribution import attribution_shares
from amr_tf.model import MultimodalClassifier


class ServedClassifier(tf.Module):
    """The classifier as a function of raw clips; only core TensorFlow operations.

    `serving_default(waveform [B, samples] float32, frames [B, T, H, W, 3] uint8)`; a model of one
    modality takes that one. Every size is dynamic.

    Args:
        model: The classifier, of the modalities `audio`, `video` or both.
        audio: The audio input, None without one.
        video: The video input, None without one.
        classes: Class names, by id.
    """

    def __init__(
        self,
        model: MultimodalClassifier,
        audio: features.AudioConfig | None,
        video: features.VideoConfig | None,
        classes: tuple[str, ...],
    ) -> None:
        super().__init__()
        self._call = model.attribute if len(model.modalities) > 1 else self._without_shares(model)
        self._audio, self._video = audio, video
        self._classes = tf.constant(classes)
        # what predicts, and nothing that only training needs
        self.model_variables = compat.tf_variables([*model.encoders.values(), model.head])
        specs = {}
        if audio:
            specs["waveform"] = tf.TensorSpec([None, None], tf.float32, "waveform")
        if video:
            specs["frames"] = tf.TensorSpec([None, None, None, None, 3], tf.uint8, "frames")
        self.serve = tf.function(self._serve).get_concrete_function(**specs)

    def _serve(
        self, waveform: tf.Tensor | None = None, frames: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor]:
        inputs = features.serving_features(waveform, frames, self._audio, self._video)
        logits, attributions = self._call(inputs)
        top = tf.argmax(logits, axis=-1)
        out = {
            "probabilities": tf.nn.softmax(logits),
            "class_id": top,
            "label": tf.gather(self._classes, top),
        }
        if attributions:
            out["shares"] = attribution_shares(attributions)
        return out

    @staticmethod
    def _without_shares(model: MultimodalClassifier) -> Any:
        return lambda inputs: (model(inputs, training=False), [])


def export(
    model: MultimodalClassifier,
    directory: str | pathlib.Path,
    audio: features.AudioConfig | None,
    video: features.VideoConfig | None,
    classes: tuple[str, ...],
    notes: dict[str, Any] | None = None,
) -> pathlib.Path:
    """Writes `directory/<version>/`, the version one above the highest that is there.

    A version appears whole or not at all, and is never written again.

    Args:
        model: The classifier; made outside of a distribution strategy.
        directory: Of the versions.
        audio: The audio input, None without one.
        video: The video input, None without one.
        classes: Class names, by id; also in `assets/classes.txt`.
        notes: What else to keep in `assets/model.json`.

    Returns:
        The version's directory.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    served = ServedClassifier(model, audio, video, tuple(classes))
    description = {
        "modalities": list(model.modalities),
        "audio": vars(audio) if audio else None,
        "video": vars(video) if video else None,
        **(notes or {}),
    }
    with tempfile.TemporaryDirectory(dir=directory, prefix=".part-") as part:
        files = pathlib.Path(part) / "files"
        files.mkdir()
        (files / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
        (files / "model.json").write_text(json.dumps(description, indent=2) + "\n")
        served.assets = [tf.saved_model.Asset(str(file)) for file in sorted(files.iterdir())]
        tf.saved_model.save(served, f"{part}/model", {"serving_default": served.serve})
        shutil.rmtree(files)
        return _publish(pathlib.Path(part) / "model", directory)


def _publish(made: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Renames to the next free version; another export at the same moment takes another one."""
    made.chmod(0o755)
    while True:
        versions = [int(path.name) for path in directory.iterdir() if path.name.isdigit()]
        version = directory / str(max(versions, default=0) + 1)
        try:
            return made.rename(version)
        except OSError:
            if not version.exists():
                raise
