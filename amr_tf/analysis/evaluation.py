"""One pass of a model over a split: predictions and shares, what they amount to, encodings."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _checks
from amr_tf.analysis import metrics
from amr_tf.attribution import attribution_shares
from amr_tf.model import PRESENCE, MultimodalClassifier

TARGETS = ("probability", "logit")


class Unmeasurable(ValueError):
    """A model or a split of which nothing can be measured; the message says why."""


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
        return metrics.softmax(self.logits)

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

        With several workers each gives the whole dataset and gets all predictions, out of order.

        Raises:
            Unmeasurable: The dataset is empty, or logits are NaN or infinite.
        """
        if dataset.cardinality() == 0:
            raise Unmeasurable("the dataset to evaluate on is empty")
        out = self._predictor.predict(dataset, verbose=0, callbacks=list(callbacks))
        _check_finite("logits", out["logits"])
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
        out = {}
        for target in self.targets:
            # the forward passes are one and the same: the graph keeps a single copy
            out["logits"], attributions = self.classifier.attribute(inputs, target)
            out[target] = attribution_shares(attributions)
        if not self.targets:
            out["logits"] = self.classifier(inputs, training=False)
        return out | {"labels": labels, "complete": _complete(inputs, labels)}


@dataclasses.dataclass(frozen=True)
class Encodings:
    """What encoders make of each sample of a split, in order.

    Attributes:
        labels: Class ids `[N]`.
        values: Modality -> `[N, ...]`; zero where the sample lacks it.
        complete: `[N]`, whether a sample has all of these modalities.
    """

    labels: np.ndarray
    values: dict[str, np.ndarray]
    complete: np.ndarray

    def where(self, kept: np.ndarray) -> "Encodings":
        """Some of the samples, `kept` `[N]`."""
        values = {name: e[kept] for name, e in self.values.items()}
        return Encodings(self.labels[kept], values, self.complete[kept])


class Encoder:
    """Runs encoders of a model over splits in inference mode, on all of its replicas.

    Make one and keep it: its graph is traced once.

    Args:
        model: The classifier.
        modalities: Whose encoders; all by default. A dataset's inputs then need these alone, and
            its `presence`, if it has one, a column for each.
    """

    def __init__(
        self, model: MultimodalClassifier, modalities: Sequence[str] | None = None
    ) -> None:
        self.modalities = tuple(modalities or model.modalities)
        with model.distribute_strategy.scope():
            self._predictor = _EncodingPredictor(model, self.modalities)

    def __call__(self, dataset: tf.data.Dataset, callbacks: Sequence = ()) -> Encodings:
        """Encodings of every sample of a dataset of (inputs, class ids), in its order.

        Raises:
            Unmeasurable: The dataset is empty, or encodings are NaN or infinite.
        """
        if dataset.cardinality() == 0:
            raise Unmeasurable("the dataset to encode is empty")
        out = self._predictor.predict(dataset, verbose=0, callbacks=list(callbacks))
        values = {name: out[f"encoding_{m}"] for m, name in enumerate(self.modalities)}
        for name, encodings in values.items():
            _check_finite(f"encodings of {name}", encodings)
        return Encodings(out["labels"], values, out["complete"].astype(bool))


class _EncodingPredictor(keras.Model):
    """`predict` gives labels and encodings together, gathered over the replicas."""

    def __init__(self, classifier: MultimodalClassifier, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.classifier = classifier
        self.modalities = modalities
        self.built = True

    def predict_step(self, data: Any) -> dict[str, tf.Tensor]:
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        inputs = _checks.inputs_by_name(inputs, self.modalities)
        out = {"labels": labels, "complete": _complete(inputs, labels)}
        presence = inputs.get(PRESENCE)
        for m, name in enumerate(self.modalities):
            e = tf.cast(self.classifier.encoders[name](inputs[name], training=False), tf.float32)
            if presence is not None:
                e *= tf.reshape(tf.cast(presence[:, m], e.dtype), [-1] + [1] * (e.shape.rank - 1))
            out[f"encoding_{m}"] = e
        return out


def in_batches(function: Callable, *arrays: np.ndarray, size: int = 1024) -> Any:
    """Applies a function of tensors to the rows of arrays, some at a time, and joins the results.

    Args:
        function: Tensors `[b, ...]`, one per array -> a tensor `[b, ...]` or a structure of them.
        *arrays: `[N, ...]`, N of 1 or more.
        size: Rows at a time.

    Returns:
        `[N, ...]` as NumPy arrays, in the function's structure.
    """
    parts = [
        function(*(tf.convert_to_tensor(a[start : start + size]) for a in arrays))
        for start in range(0, len(arrays[0]), size)
    ]
    return tf.nest.map_structure(lambda *p: np.concatenate([x.numpy() for x in p]), *parts)


def _check_finite(what: str, values: np.ndarray) -> None:
    """Refuses a model that diverged, of which sklearn would say no more than "contains NaN"."""
    wrong = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if wrong.any():
        raise Unmeasurable(
            f"the {what} of {wrong.sum():,} of {len(wrong):,} clips are not finite: the model's "
            "training diverged; train anew with a lower learning rate"
        )


def _complete(inputs: Any, labels: tf.Tensor) -> tf.Tensor:
    if isinstance(inputs, dict) and PRESENCE in inputs:
        return tf.reduce_min(inputs[PRESENCE], axis=-1)
    return tf.ones(tf.shape(labels)[:1])
