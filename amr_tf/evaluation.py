"""One pass of a model over a split: predictions and shares, and what they amount to."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import metrics
from amr_tf.attribution import attribution_shares
from amr_tf.model import PRESENCE, MultimodalClassifier

TARGETS = ("probability", "logit")


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says of each sample of a split, in order.

    Attributes:
        modalities: Their names.
        labels: Class ids `[N]`.
        logits: `[N, C]`.
        shares: Attribution target -> `[N, M]`; empty for a model of one modality.
        complete: `[N]`, whether a sample has all modalities.
    """

    modalities: tuple[str, ...]
    labels: np.ndarray
    logits: np.ndarray
    shares: dict[str, np.ndarray]
    complete: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of the logits, `[N, C]`."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    def summary(self) -> dict[str, Any]:
        """Loss, accuracy, mAP and dominance of the split.

        Returns:
            `loss`, `accuracy`, `mAP`, `mAP_classes` (the number of classes with a positive),
            `samples`, `dominance` and `dominance_by_target` (None for one modality).
        """
        mean_ap, classes = metrics.mean_average_precision(self.labels, self.probabilities)
        by_target = {
            target: dict(
                zip(self.modalities, metrics.dominance(s, self.complete).tolist(), strict=True)
            )
            for target, s in self.shares.items()
        }
        return {
            "samples": len(self.labels),
            "loss": float(np.mean(self._cross_entropy())),
            "accuracy": metrics.accuracy(self.labels, self.logits),
            "mAP": mean_ap,
            "mAP_classes": classes,
            "dominance": by_target.get("probability"),
            "dominance_by_target": by_target or None,
        }

    def _cross_entropy(self) -> np.ndarray:
        shifted = self.logits - self.logits.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(self.labels)), self.labels]
        return np.log(np.exp(shifted).sum(axis=1)) - chosen


class Evaluator:
    """Runs a model over splits in inference mode, on all of its strategy's replicas.

    Make one and keep it: its graph is traced once.

    Args:
        model: The classifier.
        targets: Attribution targets to report.
    """

    def __init__(self, model: MultimodalClassifier, targets: Sequence[str] = TARGETS) -> None:
        self.model = model
        several = len(model.modalities) > 1
        with model.distribute_strategy.scope():
            self._predictor = _Predictor(model, tuple(targets) if several else ())

    def __call__(self, dataset: tf.data.Dataset, callbacks: Sequence = ()) -> Predictions:
        """Predictions for every sample of a dataset of (inputs, class ids), in its order.

        Raises:
            ValueError: The dataset is empty.
        """
        if dataset.cardinality() == 0:
            raise ValueError("the dataset to evaluate on is empty")
        out = self._predictor.predict(dataset, verbose=0, callbacks=list(callbacks))
        return Predictions(
            modalities=self.model.modalities,
            labels=out["labels"],
            logits=out["logits"].astype(np.float64),
            shares={t: out[t].astype(np.float64) for t in self._predictor.targets},
            complete=out["complete"].astype(bool),
        )


class _Predictor(keras.Model):
    """`predict` gives labels, logits and shares together, gathered over the replicas."""

    def __init__(self, classifier: MultimodalClassifier, targets: tuple[str, ...]) -> None:
        super().__init__()
        self.classifier = classifier
        self.targets = targets
        self.built = True

    def predict_step(self, data: Any) -> dict[str, tf.Tensor]:
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        out = {"labels": labels, "complete": self._complete(inputs, labels)}
        for target in self.targets:
            # the forward passes are one and the same: the graph keeps a single copy
            out["logits"], attributions = self.classifier.attribute(inputs, target)
            out[target] = attribution_shares(attributions)
        if not self.targets:
            out["logits"] = self.classifier(inputs, training=False)
        return out

    def _complete(self, inputs: Any, labels: tf.Tensor) -> tf.Tensor:
        if isinstance(inputs, dict) and PRESENCE in inputs:
            return tf.reduce_min(inputs[PRESENCE], axis=-1)
        return tf.ones(tf.shape(labels)[:1])
