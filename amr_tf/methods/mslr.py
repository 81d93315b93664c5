"""MSLR (Yao and Mihalcea 2022): a learning rate for each modality."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat
from amr_tf._tape import Tape
from amr_tf.methods.base import Context
from amr_tf.methods.held_out import HeldOutMethod, encoded, logits_alone
from amr_tf.methods.rates import encoder_of, scaled


@keras.saving.register_keras_serializable(package="amr_tf")
class MSLR(HeldOutMethod):
    """Modality-specific learning rates (Findings of ACL 2022, pages 1824 to 1834), dynamic.

    After each epoch t each modality's accuracy acc_t^m is measured on held-out clips, and the
    gradients of encoder m are multiplied in the next epoch by

        k^m = k_0^m acc_t^m / mean(acc_{t-1}^m, ..., acc_{t-N}^m)

    and by k_0^m before N + 1 epochs are known, and where that mean is 0. A modality that still
    gets better learns faster, one that gets worse more slowly. Under SGD a factor of the gradient
    is one of the learning rate; Adam and its like undo a constant factor.

    The paper fuses by adding unimodal logits: the accuracy is that of the modality's part of the
    fused logits. Of a head whose logits are not such a sum it is that of the head with the other
    encodings at their mean over the clips. Only encoders have rates of their own; the head keeps
    the task's. Clips that lack a modality are not counted.

    The code that published N and k_0 for CREMA-D (Li et al. 2023, that of AGM) takes the clips of
    the test split, and, by a slip, counts the audio's hits as the video's too. Here they are those
    of `held_out.unseen`.

    Set `method.held_out` to a `HeldOut` before `fit`.

    Example:
        >>> method = amr_tf.methods.MSLR(initial=(0.9, 1.1), window=1)
        >>> method.held_out = amr_tf.methods.HeldOut(
        ...     train=lambda step: dataset.repeat(),
        ...     steps_per_epoch=3,
        ...     seen=dataset,
        ...     unseen=validation,
        ... )
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, epochs=2, verbose=0)
        >>> model.encoder_rates.shape == (2,)
        True

    Args:
        initial: Sequence of M numbers, k_0 in the modalities' order, or text such as `0.9:1.1`;
            empty for 1 each. Published for sound and picture of CREMA-D: 0.9 and 1.1.
        window: Integer, N, the epochs that the mean is over, 5 as published.

    Raises:
        ValueError: A negative or unreadable rate, or a window of no epochs.
    """

    help = "a learning rate for each encoder, by its validation accuracy (Yao 2022)"
    recipe_options = MappingProxyType({"ogm_cremad": {"initial": "0.9:1.1"}})
    min_modalities = 2

    def __init__(self, initial: Sequence[float] | str = (), window: int = 5) -> None:
        parts = initial.split(":") if isinstance(initial, str) and initial else initial
        try:
            self.initial = tuple(float(part) for part in parts)
        except ValueError as error:
            raise ValueError(f"initial rates are numbers, e.g. 0.9:1.1, got {initial}") from error
        if not all(0 <= rate < np.inf for rate in self.initial):
            raise ValueError(f"initial rates are zero or positive, got {initial}")
        if window < 1:
            raise ValueError(f"window is positive, got {window}")
        self.window = window

    def build(self, model: Any) -> None:
        """Makes the rates, and the accuracies that they come from.

        Raises:
            ValueError: `initial` has another length than there are modalities.
        """
        count = len(model.modalities)
        if len(self.initial) not in (0, count):
            raise ValueError(
                f"MSLR: {len(self.initial)} initial rates for the {count} modalities "
                f"{', '.join(model.modalities)}"
            )
        model.encoder_rates = _compat.state(model, "encoder_rates", (count,))
        model.encoder_rates.assign(self._initial(count))
        model.latest_accuracies = _compat.state(model, "latest_accuracies", (self.window, count))
        model.accuracies_known = _compat.state(model, "accuracies_known", dtype="int64")

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """The task's gradients, each encoder's times its rate."""
        gradients = super().gradients(context, loss, tape, variables)
        rates = tf.convert_to_tensor(context.model.encoder_rates)
        return scaled(gradients, encoder_of(context.model, variables), rates)

    def on_epoch_end(self, model: Any, epoch: int, logs: dict[str, float]) -> None:
        """Sets the rates by the accuracies on held-out clips."""
        found = encoded(model, self.clips().unseen)
        if not len(found.labels):
            return
        logits = logits_alone(model, found.values)
        accuracies = np.array([(z.argmax(axis=1) == found.labels).mean() for z in logits])
        latest, known = model.latest_accuracies.numpy(), int(model.accuracies_known.numpy())
        if known >= self.window:
            mean = latest.astype(np.float64).mean(axis=0)
            change = np.where(mean > 0, accuracies / np.where(mean > 0, mean, 1), 1)
            rates = self._initial(len(accuracies)) * change
            model.encoder_rates.assign(rates.astype(np.float32))
        latest = np.concatenate([latest[1:], accuracies[np.newaxis]])
        model.latest_accuracies.assign(latest.astype(np.float32))
        model.accuracies_known.assign(known + 1)

    def _initial(self, count: int) -> np.ndarray:
        return np.array(self.initial or (1.0,) * count, np.float32)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"initial": list(self.initial), "window": self.window}
