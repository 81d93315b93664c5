"""The interface of a task: everything that depends on what labels are, in one place."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.attribution import at_least_float32


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are, as tables show it.

    Example:
        >>> accuracy = amr_tf.tasks.Metric("accuracy")
        >>> accuracy.shown(0.8125), accuracy.title
        ('81.25', 'accuracy, %')

    Attributes:
        name: String, its key in `results.json`.
        percent: Boolean, whether it is a fraction that people read as percent.
        margin: Number, the difference, as it is shown, that counts as none.
    """

    name: str
    percent: bool = True
    margin: float = 1.0

    @property
    def scale(self) -> float:
        """The factor from the number to what is shown."""
        return 100.0 if self.percent else 1.0

    @property
    def digits(self) -> int:
        """The decimals that are shown."""
        return 2 if self.percent else 3

    @property
    def title(self) -> str:
        """Its name with its unit."""
        return f"{self.name}, %" if self.percent else self.name

    def shown(self, value: float | None) -> str:
        """The number as text; `-` where it is not defined.

        Args:
            value: Number, or None, as JSON has what is not finite.
        """
        if value is None or not np.isfinite(value):
            return "-"
        return f"{self.scale * value:.{self.digits}f}"


class Task:
    """The kind of labels, with the loss, predictions, attributed score and metrics for it.

    A task is a small serialisable object that is saved with the model. Those of this package are
    `Multiclass`, `Multilabel` and `Regression`.

    Example:
        >>> @amr_tf.tasks.register_task("counts")
        ... class Counts(amr_tf.tasks.Regression):
        ...     help = "numbers whose logarithms are learnt"
        ...
        ...     def labels(self, labels, outputs=None):
        ...         return tf.math.log1p(super().labels(labels, outputs))
        >>> counts = amr_tf.MultimodalClassifier(encoders, head, task="counts")
        >>> counts.task.name
        'counts'

    Attributes:
        name: String, the name under which the task is registered.
        help: String, what labels are, in one line.
        targets: Strings, what `amr_target` can be; the first is the default.
        reported: Strings, the targets whose shares evaluations report; the first is the main one.
        metrics: Tuple of metrics of a split, the main one first.
        resampled: Strings, those of the metrics that have intervals over clips, the main one first.
        step_metric: String, the name of the metric that steps log beside the loss.
        selects: String, the metric of the validation split that chooses among checkpoints.
        larger_is_better: Boolean, whether a larger one of that metric is better.
        one_class: Boolean, whether each sample has exactly one class, and labels are class ids.
        probabilistic: Boolean, whether predictions are probabilities of labels that have names.
        answer: String, the name under which a served model gives its predictions.
    """

    name: ClassVar[str] = ""
    help: ClassVar[str] = ""
    targets: ClassVar[tuple[str, ...]] = ()
    reported: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[Metric, ...]] = ()
    resampled: ClassVar[tuple[str, ...]] = ()
    step_metric: ClassVar[str] = ""
    selects: ClassVar[str] = ""
    larger_is_better: ClassVar[bool] = True
    one_class: ClassVar[bool] = False
    probabilistic: ClassVar[bool] = True
    answer: ClassVar[str] = "probabilities"

    # -- in graphs ---------------------------------------------------------------------------

    def labels(self, labels: Any, outputs: int | None = None) -> tf.Tensor:
        """A batch's labels in the form that the other functions take.

        Args:
            labels: Tensor, what a dataset gives.
            outputs: Integer, the number of outputs of the head; None where it is not known.

        Raises:
            ValueError: They have another form; the message says which is wanted.
        """
        raise NotImplementedError

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """The loss of each sample, in float32 at least.

        Args:
            labels: Tensor, as `labels` gives them.
            outputs: Tensor `[B, C]`, of a head.

        Returns:
            Tensor `[B]`.
        """
        raise NotImplementedError

    def predictions(self, outputs: tf.Tensor) -> tf.Tensor:
        """The predictions of outputs `[B, C]`: probabilities, or numbers in the labels' unit."""
        raise NotImplementedError

    def called(self, outputs: tf.Tensor) -> tf.Tensor:
        """The result of calling the model, `[B, C]`; by default the head's outputs as they are."""
        return outputs

    def chosen(self, outputs: tf.Tensor, target: str, labels: tf.Tensor | None = None) -> tf.Tensor:
        """The outputs whose score is attributed for each sample, as `score` takes them.

        Args:
            outputs: Tensor `[B, C]`.
            target: String, one of `targets`.
            labels: Tensor, the labels; needed by target `label`.

        Raises:
            ValueError: There is no such target, or labels are missing.
        """
        raise NotImplementedError

    def score(self, outputs: tf.Tensor, chosen: tf.Tensor, target: str) -> tf.Tensor:
        """The scalar g per sample whose gradient is attributed, of outputs `[..., B, C]`.

        By default `chosen` are weights `[B, C]`, and g is the outputs' sum with them.

        Args:
            outputs: Tensor `[..., B, C]`.
            chosen: Tensor, what `chosen` gave, wherever the encodings move.
            target: String, one of `targets`.

        Returns:
            Tensor `[..., B]`, float32, or float64 for float64 outputs.
        """
        del target
        return tf.reduce_sum(at_least_float32(outputs) * chosen, axis=-1)

    def target_score(
        self, outputs: tf.Tensor, target: str, labels: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The score g `[B]` of outputs `[B, C]`, see `score`."""
        return self.score(outputs, self.chosen(outputs, target, labels), target)

    def step_values(
        self, labels: tf.Tensor, outputs: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Numbers `[B]` whose mean is the step metric, and which of them count (None for all)."""
        raise NotImplementedError

    def answers(self, outputs: tf.Tensor, names: tf.Tensor) -> dict[str, tf.Tensor]:
        """The answers of a served model.

        Args:
            outputs: Tensor `[B, C]`.
            names: Tensor `[C]` of strings, the names of classes, labels or numbers.

        Returns:
            Name -> tensor `[B, ...]`; `predictions` are under the name `answer`.
        """
        raise NotImplementedError

    # -- on the host -------------------------------------------------------------------------

    def check_target(self, target: str) -> None:
        """Refuses an attribution target that the task does not have.

        Raises:
            ValueError: There is no such target.
        """
        if target not in self.targets:
            raise ValueError(
                f"unknown attribution target {target!r} of {self.name}: choose one of "
                f"{self.targets}"
            )

    def host_losses(self, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The loss of each sample of a split, `[N]` float64; as `losses`."""
        raise NotImplementedError

    def host_predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The predictions of outputs `[N, C]` of a split, as `predictions`, in float64."""
        raise NotImplementedError

    def measured(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
        """The loss and all metrics of a split.

        Args:
            labels: Array `[N, ...]`.
            outputs: Array `[N, C]` of float64.

        Returns:
            A dictionary of `loss`, the metrics by their names, and what they are over.
        """
        raise NotImplementedError

    def draws(self, labels: np.ndarray, outputs: np.ndarray, boots: Any, name: str) -> np.ndarray:
        """Bootstrap draws `[1 + R]` of one of the `resampled` metrics.

        Args:
            labels: Array `[N, ...]`.
            outputs: Array `[N, C]` of float64.
            boots: `amr_tf.analysis.Bootstrap` of the N clips.
            name: String, the metric.
        """
        raise NotImplementedError

    def by_class(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of a table with a row for each output: heading -> array `[C]`."""
        raise NotImplementedError

    def members(self, labels: np.ndarray, outputs: int) -> np.ndarray | None:
        """The classes that clips are of, booleans `[N, C]`; None where there are no classes."""
        raise NotImplementedError

    def tuned(self, labels: np.ndarray, outputs: np.ndarray) -> "Task":
        """The task with the settings that validation clips choose; by default there are none.

        Args:
            labels: Array `[N, ...]`, of the validation split.
            outputs: Array `[N, C]` of float64.
        """
        del labels, outputs
        return self

    def describe(self) -> dict[str, Any]:
        """The task's entries in the description of an export."""
        return {"name": self.name, **self.get_config()}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, so that a saved model finds its task again."""
        return {}

    def metric(self, name: str) -> Metric:
        """The metric of a name, which may be one that only steps have."""
        known = {metric.name: metric for metric in self.metrics}
        return known.get(name, Metric(name, percent=False))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Task":
        """The task that `get_config` described."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(type(self))
