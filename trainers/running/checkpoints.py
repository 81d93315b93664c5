"""Checkpoints: whole models, the last few of which are kept for a run to go on from.

A checkpoint is a `.keras` file of everything that training changes: weights, both optimizers, the
method's state, the counts of steps and of random draws. The order of the data is a function of seed
and step, so that a run which goes on from any step is the run that was never interrupted.
"""

import contextlib
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from amr_tf import saving
from amr_tf.tasks import Task
from amr_tf.tasks.multiclass import MULTICLASS
from tfrecords import atomic
from trainers.running.callbacks import DISTANCE

TOLERANCE = 0.02  # of shares


class Preempted(Exception):
    """The error that ends a run whose machine is wanted back; a checkpoint has been saved."""


class Checkpoints(keras.callbacks.Callback):
    """Saves the model every so often and at each epoch's end; see also `ending_on_sigterm`.

    Args:
        directory: Path of the directory of the checkpoints: `step-<step>.keras`, and `best.keras`,
            that of the best epoch by `score`.
        best: Pair of numbers, the score of the best epoch so far, see `score`; None before any.
        minutes: Number, the minutes between two checkpoints within an epoch; 0 for none.
        steps: Integer, the steps between two checkpoints within an epoch; 0 for none.
        keep: Integer, the checkpoints that are kept beside the best one.
        sound: Function, called before each save; it raises where the model is not worth saving.
        agree: Function, whether anyone says yes: workers decide together, every `ask_every` steps.
        ask_every: Integer, the steps between two such decisions.
    """

    reads_logs_of_steps = False

    def __init__(
        self,
        directory: pathlib.Path,
        best: tuple[float, float] | None = None,
        minutes: float = 10.0,
        steps: int = 0,
        keep: int = 3,
        sound: Callable[[], None] = lambda: None,
        agree: Callable[[bool], bool] = bool,
        ask_every: int = 1,
    ) -> None:
        super().__init__()
        self.sound, self.agree, self.ask_every = sound, agree, ask_every
        self.directory = directory
        self.best = best
        self.minutes, self.steps, self.keep = minutes, steps, keep
        self._saved_at = time.monotonic()
        self._since = 0
        self._asked = False

    @contextlib.contextmanager
    def ending_on_sigterm(self) -> Iterator[None]:
        """Lets SIGTERM end the training inside at its next step, by `Preempted`."""
        previous = signal.signal(signal.SIGTERM, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._since += 1
        if batch + 1 == self.params["steps"]:
            return  # the epoch's end, with its validation, belongs to this step
        due = bool(self.steps) and self._since >= self.steps
        if not due and self._since % self.ask_every == 0:
            waited = time.monotonic() - self._saved_at
            due = self.agree(self._asked or bool(self.minutes and waited >= 60 * self.minutes))
        if due:
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        found = score(logs, self.model.task)
        if self.best is None or found > self.best:
            self.best = found
            self._save("best.keras")
        self.save()

    def save(self) -> None:
        """Saves the model as it is, and deletes checkpoints that are older than those to keep.

        Raises:
            Preempted: SIGTERM asked for an end, here or on another worker.
        """
        self.sound()
        self._save(f"step-{self.model.steps_done:09}.keras")
        self._saved_at, self._since = time.monotonic(), 0
        for path in saved(self.directory)[self.keep :]:
            path.unlink()
        if self.agree(self._asked):
            raise Preempted

    def _save(self, name: str) -> None:
        part = self.directory / f".part-{name}"  # Keras asks for the ending `.keras`
        with atomic.writing(self.directory / name, part):
            self.model.save(part)

    def _ask(self, number: int, frame: Any) -> None:
        self._asked = True


def score(logs: Mapping[str, float], task: Task = MULTICLASS) -> tuple[float, float]:
    """The score of an epoch: its validation accuracy, and before that whether it holds the ratio.

    In the place of accuracy another task has its own metric, negative where a smaller one is
    better. Where the ratio is a constraint, an epoch that misses it by more than `TOLERANCE` loses
    against each that is nearer: else an early epoch would be taken, before multipliers have grown.

    Args:
        logs: Mapping, the logs of the epoch.
        task: Task, the model's.
    """
    missed = max(0.0, logs.get(DISTANCE, 0.0) - TOLERANCE)
    found = logs[f"val_{task.selects}"]
    return -missed, found if task.larger_is_better else -found


def saved(directory: pathlib.Path) -> list[pathlib.Path]:
    """The checkpoints but for the best, the newest first."""
    return sorted(directory.glob("step-*.keras"), reverse=True)


def newest(directory: pathlib.Path) -> keras.Model | None:
    """The newest checkpoint that can be loaded, None without any.

    A damaged one is named on the terminal, and the one before it is taken.

    Raises:
        ValueError: There are checkpoints, and none can be loaded.
    """
    paths = saved(directory)
    for path in paths:
        try:
            return saving.load_model(path)
        except Exception as error:  # zip, HDF5, JSON and Keras each have their own
            reason = " ".join(str(error).split())[:200]
            print(f"warning: {path} cannot be loaded ({reason})", file=sys.stderr)
    if paths:
        raise ValueError(f"no checkpoint of {directory} can be loaded; --overwrite trains anew")
    return None
