"""The encodings of a split, in memory, and the logits that a head gives them."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from amr_tf._pass import Pass, encoder_outputs, in_batches
from amr_tf.analysis.evaluation import Unmeasurable, check_finite
from amr_tf.model import MultimodalClassifier


@dataclasses.dataclass(frozen=True)
class Encodings:
    """The encodings of each sample of a split, in order.

    Example:
        >>> found = amr_tf.analysis.Encoder(model)(dataset)
        >>> found.where(found.labels == 0).values["audio"].shape
        (4, 4)

    Attributes:
        labels: Array `[N]`, the class ids.
        values: Dictionary, modality -> array `[N, ...]`; zero where a sample lacks the modality.
        complete: Array `[N]` of booleans, whether a sample has all of these modalities.
    """

    labels: np.ndarray
    values: dict[str, np.ndarray]
    complete: np.ndarray

    def where(self, kept: np.ndarray) -> "Encodings":
        """Selects some of the samples.

        Args:
            kept: Array `[N]` of booleans, true for the samples to keep.

        Returns:
            The encodings of those samples.
        """
        values = {name: e[kept] for name, e in self.values.items()}
        return Encodings(self.labels[kept], values, self.complete[kept])


class Encoder:
    """Runs encoders of a model over splits in inference mode, on all of its replicas.

    Make one and keep it: its graph is traced once.

    Example:
        >>> encode = amr_tf.analysis.Encoder(model, modalities=["video"])
        >>> encode(dataset).values["video"].shape
        (12, 4)

    Args:
        model: MultimodalClassifier, the model whose encoders run.
        modalities: Sequence of strings, the modalities to encode; all by default. The inputs of a
            dataset then need only these, and its `presence`, if it has one, a column for each.
    """

    def __init__(
        self, model: MultimodalClassifier, modalities: Sequence[str] | None = None
    ) -> None:
        self.modalities = tuple(modalities or model.modalities)
        outputs = functools.partial(encoder_outputs, model, self.modalities)
        self._pass = Pass(model, outputs)

    def __call__(self, dataset: tf.data.Dataset) -> Encodings:
        """Encodes every sample of a dataset, in its order.

        Args:
            dataset: Dataset of (inputs, class ids).

        Returns:
            The encodings.

        Raises:
            Unmeasurable: The dataset is empty, or encodings are NaN or infinite.
        """
        if dataset.cardinality() == 0:
            raise Unmeasurable("the dataset to encode is empty")
        out = self._pass(dataset)
        values = {name: out[f"encoding_{m}"] for m, name in enumerate(self.modalities)}
        for name, encodings in values.items():
            check_finite(f"encodings of {name}", encodings)
        return Encodings(out["labels"], values, out["complete"].astype(bool))


def logits_of(head: Callable, encodings: Sequence[np.ndarray]) -> np.ndarray:
    """The logits that a head gives encodings in inference mode.

    Args:
        head: Function, list of M encodings -> logits `[B, C]`.
        encodings: Sequence of M arrays `[N, ...]`.

    Returns:
        Array `[N, C]` of float64.
    """
    return in_batches(lambda *e: head(list(e), training=False), *encodings).astype(np.float64)
