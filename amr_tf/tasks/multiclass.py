"""One class for each sample: softmax and cross-entropy."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import special

from amr_tf.attribution import TARGETS, at_least_float32, attributed_classes, class_score
from amr_tf.tasks.base import Metric, Task
from amr_tf.tasks.metrics import accuracy, average_precisions, mean_average_precision, positives


@keras.saving.register_keras_serializable(package="amr_tf")
class Multiclass(Task):
    """Labels are integer class ids `[B]`.

    The loss is the softmax cross-entropy, predictions are `softmax(z)`, the score that AMR
    attributes is that of `amr_tf.attribution.target_score`.

    Example:
        >>> task = amr_tf.tasks.Multiclass()
        >>> task.losses(tf.constant([0]), tf.constant([[0.0, 0.0]])).numpy()  # log 2
        array([0.6931472], dtype=float32)
    """

    help = "one class for each clip"
    targets = TARGETS
    reported = ("probability", "logit")
    metrics = (Metric("accuracy"), Metric("mAP"))
    resampled = ("accuracy", "mAP")
    step_metric = "accuracy"
    selects = "accuracy"
    one_class = True

    def labels(self, labels: Any, outputs: int | None = None) -> tf.Tensor:
        """Class ids `[B]`; `[B, 1]` is flattened.

        Raises:
            ValueError: There are no labels, or they are something else: one-hot vectors, or not
                integers.
        """
        del outputs
        if labels is None:
            raise ValueError("a batch is (inputs, class ids [B]); there are no labels")
        labels = tf.convert_to_tensor(labels)
        if not labels.dtype.is_integer or (labels.shape.rank == 2 and labels.shape[1] != 1):
            raise ValueError(
                f"labels are integer class ids [B], got {labels.dtype.name} {labels.shape}; "
                "for one-hot labels use tf.argmax(labels, axis=-1), for several labels a sample "
                "task='multilabel'"
            )
        return tf.reshape(labels, [-1])

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Softmax cross-entropy `[B]`."""
        return cross_entropy(labels, outputs)

    def predictions(self, outputs: tf.Tensor) -> tf.Tensor:
        """Probabilities `[B, C]` float32, whose rows sum to 1."""
        return tf.nn.softmax(tf.cast(outputs, tf.float32))

    def chosen(self, outputs: tf.Tensor, target: str, labels: tf.Tensor | None = None) -> tf.Tensor:
        """The class ids `[B]` of the top class, or of the true one."""
        return attributed_classes(outputs, target, labels)

    def score(self, outputs: tf.Tensor, chosen: tf.Tensor, target: str) -> tf.Tensor:
        """The logit or the log-odds of the chosen class."""
        return class_score(outputs, chosen, target)

    def step_values(
        self, labels: tf.Tensor, outputs: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """1 where the top class is the true one."""
        predicted = tf.argmax(outputs, axis=-1, output_type=labels.dtype)
        return tf.cast(predicted == labels, tf.float32), None

    def answers(self, outputs: tf.Tensor, names: tf.Tensor) -> dict[str, tf.Tensor]:
        """`probabilities` `[B, C]`, `class_id` `[B]` and `label` `[B]` of the top class."""
        top = tf.argmax(outputs, axis=-1)
        return {
            self.answer: self.predictions(outputs),
            "class_id": top,
            "label": tf.gather(names, top),
        }

    def host_losses(self, labels: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Softmax cross-entropy `[N]`."""
        return -special.log_softmax(outputs, axis=1)[np.arange(len(labels)), labels]

    def host_predictions(self, outputs: np.ndarray) -> np.ndarray:
        """Softmax of the logits, `[N, C]`."""
        return special.softmax(outputs, axis=1)

    def measured(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, Any]:
        """`loss`, `accuracy`, `mAP` and `mAP_classes`, the number of classes with a positive."""
        mean_ap, classes = mean_average_precision(labels, self.host_predictions(outputs))
        return {
            "loss": float(np.mean(self.host_losses(labels, outputs))),
            "accuracy": accuracy(labels, outputs),
            "mAP": mean_ap,
            "mAP_classes": classes,
        }

    def draws(self, labels: np.ndarray, outputs: np.ndarray, boots: Any, name: str) -> np.ndarray:
        """Draws of accuracy or mAP."""
        if name == "accuracy":
            return boots.mean(outputs.argmax(axis=1) == labels)
        return boots.mean_average_precision(labels, self.host_predictions(outputs))

    def by_class(self, labels: np.ndarray, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Accuracy (recall) and average precision of each class."""
        correct = outputs.argmax(axis=1) == labels
        recall = [
            correct[labels == c].mean() if (labels == c).any() else np.nan
            for c in range(outputs.shape[1])
        ]
        precision = average_precisions(labels, self.host_predictions(outputs))
        return {"accuracy": np.array(recall), "average_precision": precision}

    def members(self, labels: np.ndarray, outputs: int) -> np.ndarray | None:
        """The classes that clips are of, booleans `[N, C]`."""
        return positives(labels, outputs)


MULTICLASS = Multiclass()  # what models do unless they are told otherwise


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy per sample, in float32 at least.

    Args:
        labels: Tensor `[B]`, the class ids.
        logits: Tensor `[B, C]`.

    Returns:
        Tensor `[B]`.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, at_least_float32(logits))
