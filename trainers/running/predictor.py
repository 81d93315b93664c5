"""A model that labels media files, from a run, or from an export without its run."""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf.serving import exporting
from amr_tf.serving.signatures import ServedClassifier
from amr_tf.tasks import TASKS, Task
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Window
from trainers.config.run_config import Config
from trainers.running import inputs as run_inputs
from trainers.running import media_files, windows
from trainers.running.finished_run import load_classes, load_model
from trainers.running.inputs import ModelInputs

BATCH = 16


@dataclasses.dataclass(frozen=True)
class Labelled:
    """The answers of a model for a clip, window by window.

    Attributes:
        windows: Tuple of the windows that could be read, in order; one where the clip is seen
            whole.
        probabilities: Array `[W, C]` of float32, one row a window; the numbers themselves of a
            regression.
        shares: Array `[W, M]` of float32; `[W, 0]` for a model of one modality.
        missing: Tuple of lists, the modalities that the clip lacks in each window.
        unread: Tuple of the windows that could not be read, each with the reason.
    """

    windows: tuple[Window, ...]
    probabilities: np.ndarray
    shares: np.ndarray
    missing: tuple[list[str], ...]
    unread: tuple[tuple[Window, MediaError], ...] = ()

    @property
    def mean(self) -> "Labelled":
        """The same with one window, the whole clip: the means, and what is missing throughout."""
        everywhere = [name for name in self.missing[0] if all(name in m for m in self.missing)]
        whole = Window(self.windows[0].start, self.windows[-1].end)
        means = (x.mean(axis=0, keepdims=True) for x in (self.probabilities, self.shares))
        return Labelled((whole,), *means, (everywhere,), self.unread)

    def clearest(self, task: Task) -> int:
        """The window that speaks most clearly for the clip's top label, or is nearest to its mean.

        Args:
            task: Task, the model's.
        """
        mean = self.mean.probabilities[0]
        if task.probabilistic:
            return int(np.argmax(self.probabilities[:, np.argmax(mean)]))
        return int(np.argmin(np.abs(self.probabilities - mean).sum(axis=1)))


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A model that labels encoded clips.

    Attributes:
        answer: Function, the model's signature `serving_media`.
        inputs: ModelInputs, what the model takes, and how that is made of files.
        classes: Strings, the class names by id, or those of the numbers.
        task: Task, the model's.
    """

    answer: Callable[..., dict[str, tf.Tensor]]
    inputs: ModelInputs
    classes: tuple[str, ...]
    task: Task

    @classmethod
    def of_run(cls, model_dir: pathlib.Path) -> "Predictor":
        """The model of a finished run.

        Raises:
            ValueError: The run was trained with plug-ins that are not loaded, or is damaged.
            FileNotFoundError: There is no run.
        """
        Config.load(model_dir)
        model = load_model(model_dir, compile=False)
        return cls.of_model(model, run_inputs.load(model_dir), load_classes(model_dir))

    @classmethod
    def of_model(cls, model: Any, taken: ModelInputs, classes: tuple[str, ...]) -> "Predictor":
        """A model in memory.

        Args:
            model: MultimodalClassifier, the model.
            taken: ModelInputs, what it takes.
            classes: Strings, the class names by id.
        """
        served = ServedClassifier(model, classes, taken.modalities)
        return cls(served.signature("serving_media"), taken, classes, model.task)

    @classmethod
    def of_export(cls, directory: pathlib.Path) -> "Predictor":
        """An export's newest version, or one of its versions; nothing else is read."""
        version = exporting.newest_version(directory)
        path = version / "assets" / "model.json"
        try:
            about = json.loads(path.read_text())
            described = {name: about[name] for name in about["modalities"]}
            taken = ModelInputs.of_json(described, about)
            classes = tuple(about["classes"])
            options = dict(about["task"])
            task = TASKS.find(options.pop("name")).from_config(options)
        except (AttributeError, KeyError, TypeError, RecursionError, ValueError) as error:
            raise ValueError(
                f"{path} is not a description of an export: {str(error)[:200]}. Export the model "
                "again: python -m trainers.export --model_dir=DIR"
            ) from error
        signatures = tf.saved_model.load(str(version)).signatures
        return cls(signatures["serving_media"], taken, classes, task)

    def check_window(self, seconds: float | None) -> None:
        """Refuses windows that are longer than the part that is read of a file.

        Raises:
            ValueError: They are longer.
        """
        most = self.inputs.settings.max_seconds
        if seconds is not None and seconds > most:
            raise ValueError(
                f"--window_seconds={seconds:g}: the records were built with --max_seconds="
                f"{most:g}, and the model has seen no longer clips"
            )

    def label(
        self, clips: Sequence[str], seconds: float | None = None
    ) -> Iterator[tuple[str, Labelled | MediaError]]:
        """Labels files, a batch of windows at a time.

        Args:
            clips: Strings, each a file, or one for each modality, see `media_files.sources`.
            seconds: Number, the length of a window; 0 to see each file whole; None for the length
                of the longest training clip.

        Yields:
            Each clip, in order, with what the model says of it, or why it cannot be read.
        """
        files = [media_files.sources(clip, self.inputs.modalities) for clip in clips]
        yield from zip(clips, self.label_files(files, seconds), strict=True)

    def label_files(
        self, files: Sequence[Mapping[str, str]], seconds: float | None = None
    ) -> Iterator[Labelled | MediaError]:
        """Labels clips as `label` does, each given by its files.

        Args:
            files: Sequence of mappings, modality -> path of its file, or the value itself.
            seconds: Number, as for `label`.

        Yields:
            What the model says of each clip, in order, or why it cannot be read.
        """
        modalities = self.inputs.modalities
        length = self.inputs.clip_seconds if seconds is None else seconds
        planned = [(clip, Window()) for clip in range(len(files))]  # each seen whole
        if length:
            lengths = windows.lengths(files, modalities, media_files.workers(len(files)))
            planned = [
                (clip, window)
                for clip, its_length in enumerate(lengths)
                for window in windows.split(its_length, length)
            ]
        found = media_files.read(
            [(files[clip], window) for clip, window in planned], modalities, self.inputs.settings
        )
        answered = self._answered(zip(planned, found, strict=True))
        for _, its_windows in itertools.groupby(answered, key=lambda item: item[0][0]):
            yield self._put_together(its_windows)

    def _answered(self, found: Iterable[tuple]) -> Iterator[tuple]:
        """The same items in order, with a row of answers instead of inputs."""
        held: list[tuple] = []
        for item in found:
            held.append(item)
            if len(held) == BATCH:
                yield from self._answer(held)
                held = []
        yield from self._answer(held)

    def _answer(self, held: list[tuple]) -> Iterator[tuple]:
        sent = [value for _, value in held if not isinstance(value, MediaError)]
        rows = iter(())
        if sent:
            given = media_files.batch(sent, self.inputs.modalities)
            out = {name: value.numpy() for name, value in self.answer(**given).items()}
            shares = out.get("shares", np.zeros((len(sent), 0), np.float32))
            missing = map(media_files.missing, sent)
            rows = zip(out["error"], out[self.task.answer], shares, missing, strict=True)
        for planned, value in held:
            if not isinstance(value, MediaError):
                error, *value = next(rows)
                value = MediaError("refused", error.decode()) if error else value
            yield planned, value

    def _put_together(self, answered: Iterable[tuple]) -> Labelled | MediaError:
        """The windows of one clip."""
        good, unread = [], []
        for (_, window), value in answered:
            (unread if isinstance(value, MediaError) else good).append((window, value))
        if not good:
            return unread[0][1]
        probabilities, shares, missing = zip(*(value for _, value in good), strict=True)
        found = tuple(window for window, _ in good)
        return Labelled(found, np.stack(probabilities), np.stack(shares), missing, tuple(unread))
