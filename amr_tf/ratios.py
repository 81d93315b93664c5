"""Ratios that training finds: callbacks that move `compile(amr_ratio="auto" | "worst_case")`.

Even shares are right for even evidence. These two ask the validation clips instead, once an epoch.
"""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from amr_tf.analysis.encodings import Encoder
from amr_tf.analysis.evaluation import Evaluator
from amr_tf.analysis.probes import linear_probe

__all__ = ["EvidenceRatio", "RatioCallback", "WorstCaseRatio", "evidence"]

_FOLDS = 3
_MOST_CLIPS = 3_000


class RatioCallback(keras.callbacks.Callback):
    """Moves the model's wanted ratio after each epoch; subclasses say to which one.

    It adds `amr_ratio_<modality>` to the epoch's logs: give it before callbacks that read or save
    them.

    Example:
        >>> class TowardsAudio(amr_tf.ratios.RatioCallback):
        ...     kind = "auto"
        ...
        ...     def wanted(self, ratio):
        ...         return ratio + np.array([0.01, -0.01])
        >>> model.compile(keras.optimizers.SGD(0.01), amr_ratio="auto")
        >>> history = model.fit(dataset, epochs=2, callbacks=[TowardsAudio()], verbose=0)
        >>> round(history.history["amr_ratio_audio"][-1], 2)
        0.52

    Attributes:
        kind: String, the `amr_ratio` that a model is compiled with to be moved by it.
    """

    kind = ""
    reads_logs_of_steps = False

    def set_model(self, model: keras.Model) -> None:
        """Takes the model that is trained.

        Raises:
            ValueError: It is not compiled for this callback.
        """
        super().set_model(model)
        if model.moving_ratio is None or model.amr_ratio != self.kind:
            raise ValueError(
                f"{type(self).__name__} moves the ratio of a model that is compiled with "
                f"amr_ratio={self.kind!r}"
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Moves the ratio and logs it."""
        model = self.model
        model.moving_ratio.move(self.wanted(np.array(model.moving_ratio.numbers)))
        shares = zip(model.modalities, model.moving_ratio.numbers, strict=True)
        if logs is not None:
            logs.update({f"amr_ratio_{m}": share for m, share in shares})

    def wanted(self, ratio: np.ndarray) -> np.ndarray:
        """The next wanted shares `[M]`, in any scale.

        Args:
            ratio: Array `[M]`, the present ones.
        """
        raise NotImplementedError


class EvidenceRatio(RatioCallback):
    """`amr_ratio="auto"`: shares in proportion to what each modality knows by itself.

        r^m  <-  (r^m + E^m / sum_j E^j) / 2,   E^m = max(0, H(y) - CE_m),   none below 0.05

    H(y) is the entropy of the classes among the validation clips, and CE_m the cross-entropy of a
    linear classifier on modality m's encodings, predicted for each clip by one that was fitted to
    the other two thirds of the clips: of encodings that were trained on, even a useless modality
    seems to know everything. The ratio moves half of the way in an epoch: a modality of which the
    first epoch has learnt nothing would be told to stay so.

    Example:
        >>> model.compile(keras.optimizers.SGD(0.01), amr_weight="auto", amr_ratio="auto")
        >>> found = amr_tf.ratios.EvidenceRatio(validation)
        >>> history = model.fit(dataset, callbacks=[found], verbose=0)
        >>> sorted(name for name in history.history if name.startswith("amr_ratio"))
        ['amr_ratio_audio', 'amr_ratio_video']

    Args:
        validation: Dataset of (inputs, class ids), clips that are not trained on; the first 3,000
            of them count. Classes of fewer than three clips are left out.

    Attributes:
        evidence: Array `[M]`, the last `H(y) - CE_m` in nats; NaN before any.
    """

    kind = "auto"

    def __init__(self, validation: tf.data.Dataset) -> None:
        super().__init__()
        self.validation = validation
        self.evidence = np.full(0, np.nan)

    def set_model(self, model: keras.Model) -> None:
        """Takes the model that is trained.

        Raises:
            ValueError: Its samples don't have one class each, or it is not compiled for this
                callback.
        """
        super().set_model(model)
        if not model.task.one_class:
            raise ValueError(
                "EvidenceRatio is defined only for multiclass, and the task is "
                f"{model.task.name}: name the wanted ratio in numbers"
            )
        self._encode = Encoder(model)

    def wanted(self, ratio: np.ndarray) -> np.ndarray:
        """Half of the way to the evidence of each modality, where there is any."""
        found = self._encode(self.validation)
        self.evidence = np.array(
            [
                evidence(found.values[m][:_MOST_CLIPS], found.labels[:_MOST_CLIPS])
                for m in self.model.modalities
            ]
        )
        known = np.maximum(np.nan_to_num(self.evidence), 0)
        return (ratio + known / known.sum()) / 2 if known.sum() > 0 else ratio


class WorstCaseRatio(RatioCallback):
    """`amr_ratio="worst_case"`: the ratio at which the larger of the corrupted losses is least.

    After each epoch the share of the modality whose corruption costs the most goes down by a step,
    and that of the modality whose corruption costs the least goes up by it: a model leans less on
    what fails it.

    Example:
        >>> model.compile(keras.optimizers.SGD(0.01), amr_weight="auto", amr_ratio="worst_case")
        >>> deaf = validation.map(lambda x, y: ({**x, "audio": 0 * x["audio"]}, y))
        >>> found = amr_tf.ratios.WorstCaseRatio({"audio": deaf, "video": validation})
        >>> history = model.fit(dataset, callbacks=[found], verbose=0)
        >>> round(abs(history.history["amr_ratio_audio"][0] - 0.5), 4)
        0.02

    Args:
        corrupted: Mapping, modality -> dataset of (inputs, class ids), validation clips of which
            that modality is corrupted; for every modality of the model, of the same clips.
        step: Number, by how much shares move in an epoch.

    Attributes:
        losses: Array `[M]`, the last mean losses (of classes cross-entropies in nats), by the
            modality that is corrupted.

    Raises:
        ValueError: A step outside (0, 0.5), or, when training begins, datasets for other
            modalities than the model's.
    """

    kind = "worst_case"

    def __init__(self, corrupted: Mapping[str, tf.data.Dataset], step: float = 0.02) -> None:
        super().__init__()
        if not 0 < step < 0.5:
            raise ValueError(f"a ratio moves by a step between 0 and 0.5, got {step}")
        self.corrupted = dict(corrupted)
        self.step = step
        self.losses = np.full(0, np.nan)

    def set_model(self, model: keras.Model) -> None:
        """Takes the model that is trained."""
        super().set_model(model)
        if set(self.corrupted) != set(model.modalities):
            raise ValueError(
                "WorstCaseRatio needs corrupted clips for each of "
                f"{', '.join(model.modalities)}; got {', '.join(self.corrupted) or 'none'}"
            )
        self._evaluate = Evaluator(model, targets=model.task.reported[:1])

    def wanted(self, ratio: np.ndarray) -> np.ndarray:
        """The present shares, a step away from the costliest corruption."""
        self.losses = np.array(
            [self._evaluate(self.corrupted[m]).summary()["loss"] for m in self.model.modalities]
        )
        moved = np.zeros(len(ratio))
        moved[np.argmax(self.losses)] -= self.step
        moved[np.argmin(self.losses)] += self.step
        return np.maximum(ratio + moved, 0)


def evidence(encodings: np.ndarray, labels: np.ndarray) -> float:
    """The information on the class that a linear classifier finds in unseen clips, in nats.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 2, 300)
        >>> noise = rng.normal(size=(300, 2))
        >>> round(amr_tf.ratios.evidence(noise + 8 * labels[:, None], labels), 1)  # log 2
        0.7

    Args:
        encodings: Array `[N, ...]`.
        labels: Array `[N]`, the class ids.

    Returns:
        The classes' entropy minus the cross-entropy of cross-validated predictions; NaN where
        fewer than two classes have three clips or more.
    """
    classes, counts = np.unique(labels, return_counts=True)
    kept = np.isin(labels, classes[counts >= _FOLDS])
    labels, x = labels[kept], encodings[kept].reshape(kept.sum(), -1)
    classes, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        return float("nan")
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(linear_probe(), x, numbers, cv=folds, method="predict_proba")
    found = np.maximum(predicted[np.arange(len(numbers)), numbers], 1e-12)
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)) + np.mean(np.log(found)))
