"""One pass of a model over a split: predictions, shares, and the metrics that follow from them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf._pass import Pass
from amr_tf._presence import complete_samples
from amr_tf.analysis import metrics
from amr_tf.attribution import attribution_shares
from amr_tf.model import MultimodalClassifier
from amr_tf.tasks import Task
from amr_tf.tasks.multiclass import MULTICLASS


class Unmeasurable(ValueError):
    """The error for a model or a split that cannot be measured; the message says why.

    Example:
        >>> amr_tf.Evaluator(model)(dataset.take(0))
        Traceback (most recent call last):
        amr_tf.analysis.evaluation.Unmeasurable: the dataset to evaluate on is empty
    """


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The predictions of a model for each sample of a split, in order.

    Example:
        >>> predictions = amr_tf.Evaluator(model)(dataset)
        >>> predictions.probabilities.shape
        (12, 3)
        >>> predictions.summary()["samples"]
        12

    Attributes:
        modalities: Tuple of strings, the names of the modalities.
        labels: Array `[N]`, the class ids, or `[N, C]` of another task.
        logits: Array `[N, C]`, the head's outputs.
        shares: Dictionary, attribution target -> array `[N, M]`; empty for a model of one modality.
        complete: Array `[N]` of booleans, whether a sample has all modalities.
        task: Task, the model's.
    """

    modalities: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    shares: dict[str, np.ndarray]
    complete: np.ndarray
    task: Task = MULTICLASS

    @property
    def probabilities(self) -> np.ndarray:
        """The task's predictions, `[N, C]`: probabilities, or numbers of a regression."""
        return self.task.host_predictions(self.logits)

    def summary(self) -> dict[str, Any]:
        """Loss, the task's metrics and dominance of the split.

        Returns:
            A dictionary of `samples`, `loss`, the metrics of the task (`accuracy`, `mAP` and
            `mAP_classes`, the number of classes with a positive, of one class a sample),
            `dominance` and `dominance_by_target` (None for one modality).
        """
        by_target = {
            target: dict(
                zip(self.modalities, metrics.dominance(s, self.complete).tolist(), strict=True)
            )
            for target, s in self.shares.items()
        }
        return {
            "samples": len(self.labels),
            **self.task.measured(self.labels, self.logits),
            "dominance": by_target.get(self.task.reported[0]),
            "dominance_by_target": by_target or None,
        }


class Evaluator:
    """Runs a model over splits in inference mode, on all of its strategy's replicas.

    Make one and keep it: its graph is traced once.

    Example:
        >>> predictions = amr_tf.Evaluator(model)(dataset)
        >>> predictions.shares["probability"].shape
        (12, 2)
        >>> sorted(predictions.summary()["dominance"])
        ['audio', 'video']

    Args:
        model: MultimodalClassifier, the model to evaluate.
        targets: Sequence of strings, the attribution targets to report; by default the task's.
    """

    def __init__(self, model: MultimodalClassifier, targets: Sequence[str] | None = None) -> None:
        self.model = model
        targets = model.task.reported if targets is None else targets
        self.targets = tuple(targets) if len(model.modalities) > 1 else ()
        self._pass = Pass(model, self._outputs)

    def __call__(self, dataset: tf.data.Dataset) -> Predictions:
        """Predicts every sample of a dataset, in its order.

        With several workers each gives the whole dataset and gets all predictions, out of order.

        Args:
            dataset: Dataset of (inputs, class ids).

        Returns:
            The predictions.

        Raises:
            Unmeasurable: The dataset is empty, or logits are NaN or infinite.
        """
        if dataset.cardinality() == 0:
            raise Unmeasurable("the dataset to evaluate on is empty")
        out = self._pass(dataset)
        check_finite("logits", out["logits"])
        return Predictions(
            modalities=self.model.modalities,
            labels=out["labels"],
            logits=out["logits"].astype(np.float64),
            shares={t: out[t].astype(np.float64) for t in self.targets},
            complete=out["complete"].astype(bool),
            task=self.model.task,
        )

    def _outputs(self, inputs: Any, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        out = {"labels": labels, "complete": complete_samples(inputs, labels)}
        for target in self.targets:
            # the forward passes are one and the same: the graph keeps a single copy
            out["logits"], attributions = self.model.attribute(inputs, target)
            out[target] = attribution_shares(attributions)
        if not self.targets:
            out["logits"], _ = self.model.attribute(inputs)
        return out


def check_finite(what: str, values: np.ndarray) -> None:
    """Refuses a model that diverged, of which scikit-learn would say only "contains NaN".

    Args:
        what: String, what the values are, in the plural, for the message.
        values: Array `[N, ...]`.

    Raises:
        Unmeasurable: A value is NaN or infinite.
    """
    wrong = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if wrong.any():
        raise Unmeasurable(
            f"the {what} of {wrong.sum():,} of {len(wrong):,} clips are not finite: the model's "
            "training diverged; train anew with a lower learning rate"
        )
