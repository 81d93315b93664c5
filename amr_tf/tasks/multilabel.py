"""Any number of labels for each sample: a sigmoid for each label."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import special
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve

from amr_tf.attribution import at_least_float32
from amr_tf.modalities.checks import after
from amr_tf.tasks.base import Metric, Task
from amr_tf.tasks.metrics import average_precisions, mean_average_precision, positives

THRESHOLD = 0.5  # of a label before validation clips have told a better one


@keras.saving.register_keras_serializable(package="amr_tf")
class Multilabel(Task):
    """Labels are `[B, C]` of 0 and 1; a sample may have none of them.

        loss         1/C sum_c -(y_c log p_c + (1 - y_c) log(1 - p_c)),   p_c = 1 / (1 + exp(-z_c))
        score g      z_k, the log-odds of the top label k                 target `probability`
                     the mean of z_c over the true labels c               target `label`

    A label's log-odds are its logit, so that nothing is left open as it is with softmax: a vector
    added to all rows of a linear head changes predictions. Of a sample without any label the target
    `label` takes the top one. A label is predicted where p_c is at least its threshold.

    Example:
        >>> task = amr_tf.tasks.Multilabel(thresholds=(0.5, 0.2))
        >>> probabilities = np.array([[0.6, 0.3], [0.4, 0.1]])
        >>> task.predicted(probabilities)
        array([[ True,  True],
               [False, False]])

    Args:
        thresholds: Sequence of C numbers, the probability from which on each label is predicted;
            None for 0.5 each. `tuned` chooses them.

    Raises:
        ValueError: A threshold is outside of [0, 1].
    """

    help = "any number of labels for each clip"
    targets = ("probability", "label")
    reported = ("probability",)
    metrics = (Metric("mAP"), Metric("micro_mAP"), Metric("hit"), Metric("F1"))
    resampled = ("mAP", "hit")
    step_metric = "hit"
    selects = "mAP"

    def __init__(self, thresholds: Sequence[float] | None = None) -> None:
        self.thresholds = None if thresholds is None else tuple(map(float, thresholds))
        if not all(0 <= t <= 1 for t in self.thresholds or ()):
            raise ValueError(f"thresholds are probabilities, got {self.thresholds}")

    def labels(self, labels: Any, outputs: int | None = None) -> tf.Tensor:
        """0 and 1 as `[B, C]` float32 (float64 stays).

        Raises:
            ValueError: There are no labels, or they have another shape; other numbers are refused
                as the graph runs.
        """
        if labels is None:
            raise ValueError("a batch is (inputs, labels [B, C] of 0 and 1); there are no labels")
        labels = tf.convert_to_tensor(labels)
        if labels.shape.rank != 2 or outputs not in (None, labels.shape[1]):
            wanted = "C" if outputs is None else outputs
            raise ValueError(
                f"labels of task='multilabel' are [B, {wanted}], a 0 or 1 for each label, got "
                f"{labels.dtype.name} {labels.shape}; for class ids use "
                "tf.one_hot(labels, C), or task='multiclass'"
            )
        labels = labels if labels.dtype == tf.float64 else tf.cast(labels, tf.float32)
        known = tf.reduce_all((labels == 0) | (labels == 1))
        with after(known, "a label of task='multilabel' is neither 0 nor 1"):
            return tf.identity(labels)

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """The mean over the labels of the binary cross-entropy, `[B]`."""
        outputs = at_least_float32(outputs)
        each = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, outputs.dtype), outputs)
        return tf.reduce_mean(each, axis=-1)

    def predictions(self, outputs: tf.Tensor) -> tf.Tensor:
        """The probability of each label, `[B, C]` float32."""
        return tf.nn.sigmoid(tf.cast(outputs, tf.float32))

    def chosen(self, outputs: tf.Tensor, target: str, labels: tf.Tensor | None = None) -> tf.Tensor:
        """The weights `[B, C]` of the labels in the score; each row sums to 1."""
        self.check_target(target)
        kind = at_least_float32(outputs).dtype
        top = tf.one_hot(tf.argmax(outputs, axis=-1), outputs.shape[-1], dtype=kind)
        if target == "probability":
            return top
        if labels is None:
            raise ValueError("target='label' attributes the true labels: give labels [B, C]")
        labels = tf.cast(labels, kind)
        count = tf.reduce_sum(labels, axis=-1, keepdims=True)
        return tf.where(count > 0, labels / tf.maximum(count, 1), top)

    def step_values(
        self, labels: tf.Tensor, outputs: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """1 where the top label is a true one; samples without any label do not count."""
        top = tf.one_hot(tf.argmax(outputs, axis=-1), outputs.shape[-1])
        labels = tf.cast(labels, tf.float32)
        return tf.reduce_sum(top * labels, axis=-1), tf.reduce_max(labels, axis=-1)

    def answers(self, outputs: tf.Tensor, names: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities` and `predicted` (booleans) `[B, C]`, and `labels` `[B]`.

        The latter are the names of the predicted labels, separated by `|`; "" where there is none.
        """
        probabilities = self.predictions(outputs)
        predicted = probabilities >= self.thresholds_of(outputs.shape[-1])
        joined = tf.strings.reduce_join(tf.where(predicted, names + "|", ""), axis=-1)
        return {
            self.answer: probabilities,
            "predicted": predicted,
            "labels": tf.strings.regex_replace(joined, r"\|$", ""),
        }

    def host_losses(self, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The mean binary cross-entropy, `[N]`."""
        return (np.logaddexp(0, outputs) - labels * outputs).mean(axis=1)

    def host_predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of each label, `[N, C]`."""
        return special.expit(outputs)

    def predicted(self, probabilities: np.ndarray) -> np.ndarray:
        """The predicted labels, booleans `[..., C]`: those at or above their thresholds."""
        return probabilities >= self.thresholds_of(probabilities.shape[-1])

    def thresholds_of(self, classes: int) -> np.ndarray:
        """The thresholds `[C]`, float32.

        Raises:
            ValueError: There are more or fewer thresholds than labels.
        """
        if self.thresholds is None:
            return np.full(classes, THRESHOLD, np.float32)
        if len(self.thresholds) != classes:
            raise ValueError(f"{len(self.thresholds)} thresholds for {classes} labels")
        return np.array(self.thresholds, np.float32)

    def measured(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
        """The loss and the metrics, by scikit-learn.

        `mAP` is the macro average over the `mAP_classes` labels that occur, `micro_mAP` the average
        precision of all pairs of clip and label, `hit` how often the top label of a clip that has
        any is a true one, `F1` the macro average at the thresholds over the labels that occur.
        """
        scores = self.host_predictions(outputs)
        mean_ap, classes = mean_average_precision(labels, scores)
        there, some = labels.any(axis=0), labels.any(axis=1)
        f1 = f1_score(labels, self.predicted(scores), average=None, zero_division=0.0)
        hit = labels[np.arange(len(labels)), outputs.argmax(axis=1)] > 0
        return {
            "loss": float(np.mean(self.host_losses(labels, outputs))),
            "mAP": mean_ap,
            "mAP_classes": classes,
            "micro_mAP": float(average_precision_score(labels.ravel(), scores.ravel()))
            if there.any()
            else float("nan"),
            "hit": float(hit[some].mean()) if some.any() else float("nan"),
            "F1": float(np.atleast_1d(f1)[there].mean()) if there.any() else float("nan"),
        }

    def draws(self, labels: np.ndarray, outputs: np.ndarray, boots: Any, name: str) -> np.ndarray:
        """Draws of mAP or of the hits."""
        if name == "mAP":
            return boots.mean_average_precision(labels, self.host_predictions(outputs))
        hit = labels[np.arange(len(labels)), outputs.argmax(axis=1)] > 0
        return boots.mean(hit, labels.any(axis=1))

    def by_class(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Average precision, F1 and threshold of each label."""
        scores = self.host_predictions(outputs)
        f1 = f1_score(labels, self.predicted(scores), average=None, zero_division=0.0)
        return {
            "average_precision": average_precisions(labels, scores),
            "F1": np.where(labels.any(axis=0), f1, np.nan),
            "threshold": self.thresholds_of(scores.shape[1]),
        }

    def members(self, labels: np.ndarray, outputs: int) -> np.ndarray | None:
        """The labels that clips have, booleans `[N, C]`."""
        return positives(labels, outputs)

    def tuned(self, labels: np.ndarray, outputs: np.ndarray) -> "Multilabel":
        """The task with the thresholds at which each label's F1 on these clips is largest.

        A threshold lies halfway between the least probability that is to be predicted and the next
        lower one; a label that no clip has keeps 0.5.
        """
        scores = self.host_predictions(outputs)
        return Multilabel([_threshold(y, p) for y, p in zip(labels.T, scores.T, strict=True)])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"thresholds": None if self.thresholds is None else list(self.thresholds)}


def _threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """The threshold of one label."""
    if not labels.any():
        return THRESHOLD
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    best = thresholds[np.argmax(f1[:-1])]
    return float((best + max(scores[scores < best], default=0.0)) / 2)
