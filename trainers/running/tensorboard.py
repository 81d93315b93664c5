"""The events of a run for TensorBoard, in `train/` and `validation/` of its directory."""

import pathlib
from collections.abc import Mapping

import keras
import matplotlib
import numpy as np
import tensorflow as tf

from amr_tf import _compat
from amr_tf.modalities import Image, Modality
from trainers.config.run_config import Config
from trainers.running.callbacks import Validation

# TensorBoard sorts groups by name: dominance comes first, what is told by step last.
GROUPS = {
    "dominance_logit_": "dominance_logit/",
    "dominance_": "dominance/",
    "amr_": "regularizer/",
    "encoding_norm_": "encodings/norm_",
}
GUIDE = {
    "dominance": "The mean share that each modality has in the decisions, by Grad⊙Input, after "
    "each epoch. They sum to 1, and with AMR they should end at the wanted ratio.",
    "dominance_logit": "The same shares for the other target, the logit.",
    "encodings": "The mean length of each modality's encodings. Where one shrinks to 0, its "
    "modality is lost.",
    "learning_rate": "The learning rates of the task's optimizer and of AMR's.",
    "performance": "The loss and the metrics after each epoch. The checkpoint that is best on "
    "validation is kept.",
    "regularizer": "`R` is the distance of the batch's mean shares from the wanted ratio, "
    "`gradient_norm` the length of its gradient, and `task_cosine` the cosine between that and the "
    "task's gradient: below 0 they pull apart. With the weight `auto`, `multiplier_...` tells what "
    "a modality's share costs the task, and `distance` how far the shares are from the ratio.",
    "step": "The same numbers by training step, as means since the last point.",
}
FURTHER = """
`train` shows training clips, with dropout and augmentation, and `validation` the model in use. The
tab Distributions has the shares of single validation clips, and the tab Images some clips as the
encoders see them.
"""


def tag(metric: str) -> str:
    """The name of an epoch's scalar, with its group before it.

    Args:
        metric: String, the metric's name in the logs, without `val_`.
    """
    if metric == "regularizer":
        return "regularizer/R"
    for prefix, group in GROUPS.items():
        if metric.startswith(prefix):
            return group + metric.removeprefix(prefix)
    return f"performance/{metric}"


class TensorBoard(keras.callbacks.Callback):
    """Scalars by step and by epoch, share histograms, examples, flags, and what they mean.

    Scalars by step are means over the steps since the last point: the train step keeps running
    sums on the device, and the host reads them at every point only.

    Args:
        config: Config of the run.
        inputs: Mapping, modality -> the model's input.
        validation: Validation, the callback that holds the last predictions.
        examples: Mapping, modality -> a few clips of the validation split to show, `[B, ...]`.
    """

    reads_logs_of_steps = False

    def __init__(
        self,
        config: Config,
        inputs: Mapping[str, Modality],
        validation: Validation,
        examples: Mapping[str, np.ndarray],
    ) -> None:
        super().__init__()
        self.config = config
        self.inputs = inputs
        self.validation = validation
        self.examples = examples

    def _writer(self, name: str) -> tf.summary.SummaryWriter:
        return tf.summary.create_file_writer(str(pathlib.Path(self.config.model_dir) / name))

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._train = self._writer("train")
        self._validation = self._writer("validation")
        flags = {name: f"`{value}`" for name, value in self.config.to_json().items() if value != ""}
        with self._train.as_default(step=0):
            groups = _table("group of scalars", "what it shows", GUIDE)
            tf.summary.text("guide/scalars", groups + "\n" + FURTHER)
            tf.summary.text("run/flags", _table("flag", "value", flags))
        with self._validation.as_default(step=0):
            for name, modality in self.inputs.items():
                features = modality.features(tf.constant(self.examples[name]))
                drawn = [_drawn(modality, one) for one in features.numpy()]
                if all(image is not None for image in drawn):
                    images = np.stack(drawn)
                    tf.summary.image(f"examples/{name}", images, max_outputs=len(images))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._sums = {}
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._batches += 1
        if self._batches % self.config.log_every:
            return
        step = self.model.steps_done
        with self._train.as_default(step=step):
            for metric in self.model.metrics:
                # since the epoch's begin -> since the last point
                value, weight = float(metric.result()), self._batches
                before, then = self._sums.get(metric.name, (0.0, 0))
                total = value * weight
                tf.summary.scalar(f"step/{metric.name}", (total - before) / (weight - then))
                self._sums[metric.name] = (total, weight)
            self._learning_rates(step)

    def _learning_rates(self, step: int) -> None:
        optimizers = {"task": self.model.optimizer, "amr": self.model.amr_optimizer}
        for name, optimizer in optimizers.items():
            if optimizer is not None:
                rate = _compat.learning_rate_of(optimizer)
                value = rate(step - 1) if callable(rate) else rate  # of the step just done
                tf.summary.scalar(f"learning_rate/{name}", float(value))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for writer, validation in ((self._train, False), (self._validation, True)):
            with writer.as_default(step=epoch + 1):
                for name, value in logs.items():
                    if name.startswith("val_") == validation:
                        tf.summary.scalar(tag(name.removeprefix("val_")), float(value))
        predictions = self.validation.predictions
        with self._validation.as_default(step=epoch + 1):
            for target, shares in predictions.shares.items():
                for m, modality in enumerate(predictions.modalities):
                    tf.summary.histogram(f"shares_{target}/{modality}", shares[:, m])
        self._train.flush()
        self._validation.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._train.close()
        self._validation.close()


def _table(key: str, value: str, rows: Mapping[str, str]) -> str:
    """Markdown of two columns."""
    lines = [f"| {name} | {told} |" for name, told in rows.items()]
    return "\n".join([f"| {key} | {value} |", "| --- | --- |", *lines])


def _drawn(modality: Modality, features: np.ndarray) -> np.ndarray | None:
    """The picture of one sample's features `[H, W, 3]`; None if they can't be drawn as one."""
    first = modality.panel(features, np.zeros(features.shape, np.float32)).rows[0]
    if not all(isinstance(part, Image) for part in first):
        return None
    return np.concatenate([_coloured(part.pixels) for part in first], axis=1)


def _coloured(pixels: np.ndarray) -> np.ndarray:
    """Colours `[H, W, 3]` of a picture, or of a map of numbers `[H, W]`."""
    if pixels.ndim == 3:
        return pixels
    low, high = pixels.min(), pixels.max()
    return matplotlib.colormaps["magma"]((pixels - low) / max(high - low, 1e-6))[..., :3]
