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


class TensorBoard(keras.callbacks.Callback):
    """Scalars by step and by epoch, share histograms, examples, flags.

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
        rows = [f"| {name} | `{value}` |" for name, value in self.config.to_json().items()]
        with self._train.as_default(step=0):
            tf.summary.text("flags", "\n".join(["| flag | value |", "| --- | --- |", *rows]))
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
                        tf.summary.scalar(f"epoch/{name.removeprefix('val_')}", float(value))
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
