"""The base of methods that learn from held-out clips between epochs."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from amr_tf._pass import Pass, encoder_outputs, in_batches
from amr_tf.methods.base import HELD_OUT, HeldOut, Method
from amr_tf.methods.branches import linear_logits


class HeldOutMethod(Method):
    """The base of methods that look at held-out clips between epochs, never at reported ones."""

    requires = (HELD_OUT,)
    finds = "measures the modalities"  # what it does on them

    def clips(self) -> HeldOut:
        """The `HeldOut` that was set as `held_out`.

        Raises:
            ValueError: `held_out` is not set.
        """
        if self.held_out is None:
            raise ValueError(
                f"{type(self).__name__} {self.finds} on held-out clips: set "
                "model.method.held_out = amr_tf.methods.HeldOut(...) before fit"
            )
        return self.held_out

    def on_epoch_begin(self, model: Any, epoch: int) -> None:
        """Refuses to train without held-out clips, before any step.

        Raises:
            ValueError: `held_out` is not set.
        """
        self.clips()


class Encoded(NamedTuple):
    """Clips in memory, as the encoders of all modalities give them in inference mode.

    Attributes:
        labels: Array `[N]`, the class ids.
        values: Dictionary, modality -> float32 array `[N, ...]`.
    """

    labels: np.ndarray
    values: dict[str, np.ndarray]


def encoded(model: Any, dataset: tf.data.Dataset) -> Encoded:
    """The encodings of the clips of a dataset that have all modalities and finite encodings.

    Args:
        model: The classifier.
        dataset: Dataset of (inputs, class ids).
    """
    encode = getattr(model, "_pass_of_encodings", None)
    if encode is None:
        # one for all epochs: its graph is traced once
        outputs = functools.partial(encoder_outputs, model, model.modalities)
        encode = model._pass_of_encodings = Pass(model, outputs)
    found = encode(dataset)
    kept, labels = found.pop("complete") > 0, found.pop("labels")
    for each in found.values():
        kept &= np.isfinite(each.reshape(len(each), -1)).all(axis=1)
    values = {name: found[f"encoding_{m}"][kept] for m, name in enumerate(model.modalities)}
    return Encoded(labels[kept], values)


def logits_alone(model: Any, values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The logits that the fused head gives each modality alone, in inference mode.

    Where its logits are a sum over modalities, this is the modality's part of the sum; any other
    head gets the other modalities' encodings at their mean over the clips.

    Args:
        model: The classifier.
        values: Mapping, modality -> encodings `[N, ...]`, N of 1 or more.

    Returns:
        M arrays `[N, C]`.
    """
    encodings = [values[name] for name in model.modalities]
    if linear_logits(model.head, [e[:1] for e in encodings]) is not None:
        return in_batches(lambda *e: linear_logits(model.head, list(e)), *encodings)
    means = [np.broadcast_to(e.mean(axis=0), e.shape) for e in encodings]
    found = []
    for m in range(len(encodings)):
        given = [e if j == m else means[j] for j, e in enumerate(encodings)]
        found.append(in_batches(lambda *e: model.head(list(e), training=False), *given))
    return found
