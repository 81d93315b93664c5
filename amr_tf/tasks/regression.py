"""Numbers for each sample: the mean squared error."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf.attribution import at_least_float32
from amr_tf.modalities.checks import after
from amr_tf.tasks.base import Metric, Task


@keras.saving.register_keras_serializable(package="amr_tf")
class Regression(Task):
    """Labels are numbers, `[B]`, or `[B, K]` for K outputs.

        loss         1/K sum_k (z_k - (y_k - mean_k) / scale_k)^2
        predictions  mean_k + scale_k z_k
        score g      1/K sum_k z_k, the output                            target `output`

    The head learns standardised numbers, whatever their unit: of years, its first steps would do
    nothing but find their mean. Mean and scale are saved with the model, and a call of the model
    gives numbers in the labels' unit. Shares do not depend on them where there is one output.

    Example:
        >>> task = amr_tf.tasks.Regression.of([1.0, 3.0, 5.0])  # training labels
        >>> task.mean
        (3.0,)
        >>> task.predictions(tf.constant([[0.0]])).numpy()
        array([[3.]], dtype=float32)

    Args:
        mean: Sequence of K numbers, the mean of each output's labels; one number for all outputs.
        scale: Sequence of K positive numbers, their standard deviation; one for all outputs.

    Raises:
        ValueError: A number is not finite, or a scale is not positive.
    """

    help = "a number or several for each clip"
    targets = ("output",)
    reported = ("output",)
    metrics = (
        Metric("correlation", percent=False, margin=0.01),
        Metric("MAE", percent=False, margin=0.01),
        Metric("concordance", percent=False, margin=0.01),
    )
    resampled = ("correlation", "MAE", "concordance")
    step_metric = "MAE"
    selects = "loss"
    larger_is_better = False
    probabilistic = False
    answer = "values"

    def __init__(
        self, mean: Sequence[float] | float = 0.0, scale: Sequence[float] | float = 1.0
    ) -> None:
        self.mean = tuple(np.atleast_1d(np.asarray(mean, np.float64)).tolist())
        self.scale = tuple(np.atleast_1d(np.asarray(scale, np.float64)).tolist())
        finite = np.isfinite([*self.mean, *self.scale]).all()
        if not finite or not all(s > 0 for s in self.scale):
            raise ValueError(f"mean and scale are finite, scale is positive, got {mean}, {scale}")

    @classmethod
    def of(cls, labels: Any) -> "Regression":
        """The task of labels like these: their mean, and their standard deviation (1 if it is 0).

        Args:
            labels: Array `[N]` or `[N, K]`, the training labels.
        """
        labels = np.asarray(labels, np.float64)
        labels = labels.reshape(len(labels), -1)
        scale = labels.std(axis=0)
        return cls(labels.mean(axis=0).tolist(), np.where(scale > 0, scale, 1.0).tolist())

    def labels(self, labels: Any, outputs: int | None = None) -> tf.Tensor:
        """Numbers `[B, K]`, float32 (float64 stays).

        Raises:
            ValueError: There are no labels, or they have another shape; NaN and infinity are
                refused as the graph runs.
        """
        if labels is None:
            raise ValueError("a batch is (inputs, numbers [B] or [B, K]); there are no labels")
        labels = tf.convert_to_tensor(labels)
        if labels.shape.rank == 1:
            labels = labels[:, tf.newaxis]
        right = labels.shape.rank == 2 and (labels.dtype.is_floating or labels.dtype.is_integer)
        if not right or outputs not in (None, labels.shape[1]):
            wanted = "K" if outputs is None else outputs
            raise ValueError(
                f"labels of task='regression' are numbers [B] or [B, {wanted}], got "
                f"{labels.dtype.name} {labels.shape}"
            )
        labels = labels if labels.dtype == tf.float64 else tf.cast(labels, tf.float32)
        finite = tf.reduce_all(tf.math.is_finite(labels))
        with after(finite, "a label of task='regression' is not a finite number"):
            return tf.identity(labels)

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """The mean squared error of standardised numbers, `[B]`."""
        outputs = at_least_float32(outputs)
        mean, scale = self._constants(outputs.dtype)
        wanted = (tf.cast(labels, outputs.dtype) - mean) / scale
        return tf.reduce_mean(tf.square(outputs - wanted), axis=-1)

    def predictions(self, outputs: tf.Tensor) -> tf.Tensor:
        """Numbers in the labels' unit, `[B, K]` float32."""
        return tf.cast(self.called(outputs), tf.float32)

    def called(self, outputs: tf.Tensor) -> tf.Tensor:
        """Numbers in the labels' unit, `[B, K]`."""
        outputs = at_least_float32(outputs)
        mean, scale = self._constants(outputs.dtype)
        return mean + scale * outputs

    def _constants(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.constant(self.mean, dtype), tf.constant(self.scale, dtype)

    def chosen(self, outputs: tf.Tensor, target: str, labels: tf.Tensor | None = None) -> tf.Tensor:
        """The weight of each output in the score, `[B, K]`: 1/K."""
        del labels
        self.check_target(target)
        outputs = at_least_float32(outputs)
        return tf.zeros_like(outputs) + 1 / outputs.shape[-1]

    def step_values(
        self, labels: tf.Tensor, outputs: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The absolute error in the labels' unit, a mean over the outputs."""
        error = tf.abs(self.called(outputs) - tf.cast(labels, at_least_float32(outputs).dtype))
        return tf.cast(tf.reduce_mean(error, axis=-1), tf.float32), None

    def answers(self, outputs: tf.Tensor, names: tf.Tensor) -> dict[str, tf.Tensor]:
        """`values` `[B, K]`, in the labels' unit."""
        del names
        return {self.answer: self.predictions(outputs)}

    def host_losses(self, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The mean squared error of standardised numbers, `[N]`."""
        wanted = (labels - np.array(self.mean)) / np.array(self.scale)
        return np.square(outputs - wanted).mean(axis=1)

    def host_predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Numbers in the labels' unit, `[N, K]`."""
        return np.array(self.mean) + np.array(self.scale) * outputs

    def measured(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
        """The loss; MAE in the labels' unit, Pearson's and Lin's correlation; means over outputs.

        Lin's concordance correlation is `2 cov / (var_y + var_p + (mean_y - mean_p)^2)`. A
        correlation is NaN where labels do not vary, and 0 where predictions do not.
        """
        found = self.by_class(labels, outputs)
        return {
            "loss": float(np.mean(self.host_losses(labels, outputs))),
            **{name: float(np.mean(values)) for name, values in found.items()},
        }

    def draws(self, labels: np.ndarray, outputs: np.ndarray, boots: Any, name: str) -> np.ndarray:
        """Draws of a metric."""
        y, p = self._centred(labels, outputs)
        pearson, lin = _correlations(*(boots.mean(x) for x in (y, p, y**2, p**2, y * p)))
        found = {"correlation": pearson, "concordance": lin, "MAE": boots.mean(np.abs(p - y))}
        return found[name].mean(axis=0)

    def by_class(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """The metrics of each output."""
        y, p = self._centred(labels, outputs)
        pearson, lin = _correlations(*(x.mean(axis=0) for x in (y, p, y**2, p**2, y * p)))
        return {"correlation": pearson, "MAE": np.abs(p - y).mean(axis=0), "concordance": lin}

    def _centred(self, labels: np.ndarray, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions minus the labels' mean: squares of large numbers lose digits."""
        labels = labels.astype(np.float64)
        centre = labels.mean(axis=0)
        return labels - centre, self.host_predictions(outputs) - centre

    def members(self, labels: np.ndarray, outputs: int) -> np.ndarray | None:
        """None: there are no classes."""
        del labels, outputs
        return None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"mean": list(self.mean), "scale": list(self.scale)}


def _correlations(
    y: np.ndarray, p: np.ndarray, yy: np.ndarray, pp: np.ndarray, yp: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's and Lin's correlation from the means of y, p, y^2, p^2 and yp."""
    covariance, var_y, var_p = yp - y * p, yy - y**2, pp - p**2
    least = 1e-12 * (yy + pp)  # what rounding leaves of no variance
    with np.errstate(invalid="ignore", divide="ignore"):
        pearson = covariance / np.sqrt(np.maximum(var_y, 0) * np.maximum(var_p, 0))
        lin = 2 * covariance / (var_y + var_p + (y - p) ** 2)
    known, varies = var_y > least, var_p > least
    found = (np.where(varies, each, 0.0) for each in (pearson, lin))
    pearson, lin = (np.where(known, each, np.nan) for each in found)
    return pearson, lin
