"""Callbacks that run beside the training steps: validation, a line per epoch, TensorBoard."""

import statistics
import time

import keras
import tensorflow as tf

from amr_tf.analysis.evaluation import Evaluator, Predictions
from amr_tf.analysis.metrics import dominance_title, format_dominance
from amr_tf.tasks import Metric
from tfrecords.progress import Progress

DISTANCE = "amr_distance"


class Validation(keras.callbacks.Callback):
    """Evaluates at each epoch's end and adds the results to the logs as `val_...`.

    With `amr_weight="auto"` it also adds the distance from the ratio. Put it before the callbacks
    that read them.

    Args:
        dataset: Dataset, the validation split.

    Attributes:
        predictions: Predictions of the last epoch.
    """

    def __init__(self, dataset: tf.data.Dataset) -> None:
        super().__init__()
        self.dataset = dataset
        self.predictions: Predictions | None = None

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        self._evaluate = Evaluator(model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.predictions = self._evaluate(self.dataset)
        summary = self.predictions.summary()
        task = self.model.task
        names = ("loss", *(metric.name for metric in task.metrics))
        logs.update({f"val_{name}": summary[name] for name in names})
        if self.model.multipliers is not None:
            logs[DISTANCE] = self.model.multipliers.distance
        for target, values in (summary["dominance_by_target"] or {}).items():
            suffix = "" if target == task.reported[0] else f"_{target}"
            logs.update({f"val_dominance{suffix}_{m}": value for m, value in values.items()})


class Bar(keras.callbacks.Callback):
    """Progress of a training that is part of another.

    Args:
        title: String, the name of the training.
    """

    reads_logs_of_steps = False

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._bar = Progress(self.title, self.params["steps"], transient=True)
        self._bar.__enter__()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._bar.advance()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._bar.__exit__(None, None, None)


class StepTime(keras.callbacks.Callback):
    """Measures a training step. Put it first: what other callbacks take is then left out.

    Attributes:
        seconds: List of the mean seconds of a step, one number per epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    @property
    def median(self) -> float | None:
        """The median of the epochs but the first, in which graphs are made; None without one."""
        return statistics.median(self.seconds[1:]) if len(self.seconds) > 1 else None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds.append((time.perf_counter() - self._start) / self.params["steps"])


class EpochLines(keras.callbacks.Callback):
    """Progress within an epoch, and one line at its end.

    Args:
        epochs: Integer, the number of all epochs.
        modalities: Strings, the names of the modalities, in order.
    """

    reads_logs_of_steps = False

    def __init__(self, epochs: int, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.epochs = epochs
        self.modalities = modalities

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._start = time.monotonic()
        self._bar = Progress(
            f"epoch {epoch + 1}/{self.epochs}", self.params["steps"], transient=True
        )
        self._bar.__enter__()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._bar.advance()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._bar.__exit__(None, None, None)
        seconds, task = time.monotonic() - self._start, self.model.task
        width = len(str(self.epochs))
        parts = [
            f"epoch {epoch + 1:{width}}/{self.epochs} {seconds:5.1f} s",
            f"train loss {logs['loss']:.3f} {_told(task.metric(task.step_metric), logs)}",
            " ".join(
                [
                    f"validation loss {logs['val_loss']:.3f}",
                    *(_told(metric, logs, "val_") for metric in task.metrics[:2]),
                ]
            ),
        ]
        if len(self.modalities) > 1:
            shares = {m: logs[f"val_dominance_{m}"] for m in self.modalities}
            parts[-1] += f" {dominance_title(self.modalities)} {format_dominance(shares)}"
        print("  ".join(parts), flush=True)


def _told(metric: Metric, logs: dict[str, float], prefix: str = "") -> str:
    return f"{metric.name} {metric.shown(logs[prefix + metric.name]):>5}"
