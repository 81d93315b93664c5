"""Diagnosing & Re-learning (Wei et al. 2024): encoders go part of the way back to their start."""

from typing import Any

import keras
import numpy as np
from sklearn.cluster import KMeans
from sklearn.preprocessing import minmax_scale
from threadpoolctl import threadpool_limits

from amr_tf.methods.copies import Copy
from amr_tf.methods.held_out import HeldOutMethod, encoded

STARTS = 10  # of k-means, of which the best counts


@keras.saving.register_keras_serializable(package="amr_tf")
class Relearning(HeldOutMethod):
    """Diagnosing & Re-learning (ECCV 2024, arXiv 2407.09705, section 3).

    Every so many epochs, before the next one begins, each modality is diagnosed: its encodings are
    scaled to [-1, 1] feature by feature and clustered by k-means, with as many clusters as there
    are classes. The purity P of clusters is the part of clips that are of their cluster's most
    frequent class. With P of training clips D and of held-out clips V,

        g^m = |P_D^m - P_V^m|,    w^m = tanh(strength g^m)
        theta^m <- w^m theta_0^m + (1 - w^m) theta^m

    for all trainable parameters of encoder m, theta_0 those at the first step. A modality that
    overfits (or whose encodings separate only training clips) goes back further. The head, the
    moving averages of batch normalisation and the optimizer's state stay: the paper does not say
    what becomes of them, and its code leaves them, too. Clips that lack a modality are not
    counted.

    As in the code, both sets of clips are scaled and clustered each by itself, by k-means of seed 0
    with 10 starts. The code goes back at the end of an epoch; here it is before the next begins, so
    that no training ends with encoders that have not learnt again.

    Set `method.held_out` to a `HeldOut` before `fit`; `seen` and `unseen` should be of one size,
    since the purity falls with the number of clips.

    Example:
        >>> method = amr_tf.methods.Relearning(every=1, times=1)
        >>> method.held_out = amr_tf.methods.HeldOut(
        ...     train=lambda step: dataset.repeat(),
        ...     steps_per_epoch=3,
        ...     seen=dataset,
        ...     unseen=validation,
        ... )
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, epochs=2, verbose=0)

    Args:
        strength: Number, the paper's lambda, 3 as published for CREMA-D. 0 is naive fusion.
        every: Integer, the epochs between two diagnoses, 20 as published.
        times: Integer, the largest number of diagnoses, 3 as published.

    Raises:
        ValueError: A negative strength, or numbers of epochs or times below 1.
    """

    help = "encoders that overfit go part of the way back to their start (Wei 2024)"
    demo_options = "every=5,times=2"
    min_modalities = 2

    def __init__(self, strength: float = 3.0, every: int = 20, times: int = 3) -> None:
        if strength < 0:
            raise ValueError(f"strength is zero or positive, got {strength}")
        if every < 1 or times < 1:
            raise ValueError(f"every and times are positive, got {every} and {times}")
        self.strength = strength
        self.every = every
        self.times = times

    def build(self, model: Any) -> None:
        """Makes room for the encoders' first weights."""
        for name, encoder in model.encoders.items():
            copy = Copy(encoder.trainable_variables, f"{name}_start")
            setattr(model, f"{name}_start", copy)

    def on_epoch_begin(self, model: Any, epoch: int) -> None:
        """Keeps the encoders' first weights, and later diagnoses and re-initialises.

        Raises:
            ValueError: `held_out` is not set.
        """
        super().on_epoch_begin(model, epoch)
        if model.steps_done == 0:
            for copy in self._starts(model):
                copy.take()
        if epoch % self.every or not 0 < epoch <= self.every * self.times:
            return
        if model.steps_done % self.clips().steps_per_epoch:
            return  # goes on within an epoch, at whose begin it was done
        for copy, weight in zip(self._starts(model), self.diagnose(model), strict=True):
            copy.put(weight)

    def diagnose(self, model: Any) -> list[float]:
        """Measures how far each encoder has to go back, w of each modality; changes no model."""
        if self.strength == 0:
            return [0.0] * len(model.modalities)
        classes = model.head.output_shape[-1]
        splits = [encoded(model, data) for data in (self.clips().seen, self.clips().unseen)]
        weights = []
        for name in model.modalities:
            train, held_out = (cluster_purity(s.values[name], s.labels, classes) for s in splits)
            weights.append(float(np.tanh(self.strength * abs(train - held_out))))
        return weights

    def _starts(self, model: Any) -> list[Copy]:
        return [getattr(model, f"{name}_start") for name in model.modalities]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"strength": self.strength, "every": self.every, "times": self.times}


def cluster_purity(encodings: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """The purity of k-means clusters of encodings, scaled to [-1, 1] feature by feature.

    Args:
        encodings: Array `[N, ...]`.
        labels: Array `[N]`, the class ids.
        classes: Integer, the number of clusters; N where there are fewer clips.

    Returns:
        The purity, and 1 without any clip.
    """
    if not len(labels):
        return 1.0
    scaled = minmax_scale(encodings.reshape(len(labels), -1).astype(np.float64), (-1, 1))
    k_means = KMeans(min(classes, len(labels)), n_init=STARTS, random_state=0)
    with threadpool_limits(1):  # sums of several threads come in any order
        return purity(k_means.fit_predict(scaled), labels)


def purity(clusters: np.ndarray, labels: np.ndarray) -> float:
    """The part of samples that are of the most frequent class of their cluster.

    Args:
        clusters: Array `[N]`, the clusters' ids, N of 1 or more.
        labels: Array `[N]`, the class ids.
    """
    most = [np.bincount(labels[clusters == c]).max() for c in np.unique(clusters)]
    return sum(most) / len(labels)
