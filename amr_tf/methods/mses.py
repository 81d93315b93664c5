"""MSES (Fujimori et al. 2019): each modality stops early by itself."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat
from amr_tf._pass import in_batches
from amr_tf._tape import Tape
from amr_tf.methods.base import ANY_TASK, Context
from amr_tf.methods.branches import add_unimodal_heads, unimodal_heads, unimodal_losses
from amr_tf.methods.copies import Copy, floats
from amr_tf.methods.held_out import Encoded, HeldOutMethod, encoded
from amr_tf.methods.rates import owner_of, scaled


@keras.saving.register_keras_serializable(package="amr_tf")
class MSES(HeldOutMethod):
    """Modality-specific early stopping (Fujimori et al., ACPR 2019).

    Classifiers of single modalities, linear heads on the encodings, learn with the fused one:

        loss = CE(z, y) + sum_m CE(z^m, y)

    After each epoch the loss L^m of head m on held-out clips is smoothed,

        l^m <- s l^m + (1 - s) L^m         (at first L^m)

    and where l^m has not fallen below its least value for `patience` epochs, modality m stops:
    its encoder and its head get back the weights of the epoch of the least value, and their
    gradients are multiplied by 0. Training ends when all have stopped.

    What momentum, weight decay or AMR's wider scopes would still move in a stopped modality, and
    batch normalisation's moving averages, is put back at each epoch's end. Samples that lack
    modality m don't enter its loss; held-out clips that lack a modality are not counted.

    The code that published s and the patience for CREMA-D (Li et al. 2023, that of AGM) has no
    such heads, takes the modality's part of the fused logits, smooths only with the epoch before,
    puts the whole model back, and looks at the clips of the test split. Here they are those of
    `held_out.unseen`.

    Set `method.held_out` to a `HeldOut` before `fit`.

    Example:
        >>> method = amr_tf.methods.MSES(patience=3)
        >>> method.held_out = amr_tf.methods.HeldOut(
        ...     train=lambda step: dataset.repeat(),
        ...     steps_per_epoch=3,
        ...     seen=dataset,
        ...     unseen=validation,
        ... )
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, epochs=2, verbose=0)
        >>> model.encoder_rates.numpy()  # none has stopped
        array([1., 1.], dtype=float32)

    Args:
        patience: Integer, the epochs without a lower loss after which a modality stops, 80 as
            published.
        smoothing: Number, s, the weight of the smoothed loss before, 0.6 as published.
        unimodal_weight: Number, the factor of the unimodal losses' gradients in the encoders: 1 is
            the paper's multi-task learning; at 0 the heads only watch.
        seed: Integer, the seed of the unimodal heads' initial weights.

    Raises:
        ValueError: A patience of no epochs, smoothing outside of [0, 1), or a negative weight.
    """

    help = "each encoder stops early by itself, with its best weights (Fujimori 2019)"
    demo_options = "patience=3"
    min_modalities = 2
    tasks = ANY_TASK

    def __init__(
        self,
        patience: int = 80,
        smoothing: float = 0.6,
        unimodal_weight: float = 1.0,
        seed: int = 0,
    ) -> None:
        if patience < 1:
            raise ValueError(f"patience is positive, got {patience}")
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing lies in [0, 1), got {smoothing}")
        if unimodal_weight < 0:
            raise ValueError(f"unimodal_weight is zero or positive, got {unimodal_weight}")
        self.patience = patience
        self.smoothing = smoothing
        self.unimodal_weight = unimodal_weight
        self.seed = seed

    def build(self, model: Any) -> None:
        """Makes the unimodal heads, the losses' state and room for the best weights."""
        add_unimodal_heads(model, self.seed)
        count = len(model.modalities)
        model.encoder_rates = _compat.state(model, "encoder_rates", (count,))
        model.encoder_rates.assign(np.ones(count, np.float32))
        model.smoothed_losses = _compat.state(model, "smoothed_losses", (count,))
        model.least_losses = _compat.state(model, "least_losses", (count,))
        model.least_losses.assign(np.full(count, np.inf, np.float32))
        model.epochs_waited = _compat.state(model, "epochs_waited", (count,), "int64")
        for name, layers in zip(model.modalities, _parts(model), strict=True):
            weights = [v for layer in layers for v in floats(layer.weights)]
            setattr(model, f"{name}_best", Copy(weights, f"{name}_best"))

    def loss(self, context: Context) -> tf.Tensor:
        """The fused loss and the unimodal ones."""
        seen = [_weakened(e, self.unimodal_weight) for e in context.encodings]
        return super().loss(context) + tf.add_n(unimodal_losses(context, seen))

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """The task's gradients, those of stopped modalities times 0."""
        gradients = super().gradients(context, loss, tape, variables)
        rates = tf.convert_to_tensor(context.model.encoder_rates)
        return scaled(gradients, owner_of(_parts(context.model), variables), rates)

    def on_epoch_end(self, model: Any, epoch: int, logs: dict[str, float]) -> None:
        """Measures the heads on held-out clips, and stops modalities that got no better."""
        found = encoded(model, self.clips().unseen)
        if not len(found.labels):
            return
        rates, waited = model.encoder_rates.numpy(), model.epochs_waited.numpy()
        smoothed, least = model.smoothed_losses.numpy(), model.least_losses.numpy()
        losses = _losses(model, found)
        first = np.isinf(least)
        moved = self.smoothing * smoothed + (1 - self.smoothing) * losses
        smoothed = np.where(first, losses, moved).astype(np.float32)
        copies = [getattr(model, f"{name}_best") for name in model.modalities]
        for m, copy in enumerate(copies):
            if rates[m] and smoothed[m] < least[m]:
                least[m], waited[m] = smoothed[m], 0
                copy.take()
            elif rates[m]:
                waited[m] += 1
                rates[m] = float(waited[m] < self.patience or first[m])
            if not rates[m]:
                copy.put()
        model.encoder_rates.assign(rates)
        model.epochs_waited.assign(waited)
        model.smoothed_losses.assign(smoothed)
        model.least_losses.assign(least)
        if not rates.any():
            model.stop_training = True

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "patience": self.patience,
            "smoothing": self.smoothing,
            "unimodal_weight": self.unimodal_weight,
            "seed": self.seed,
        }


def _parts(model: Any) -> list[tuple[Any, Any]]:
    """Each modality's encoder and head."""
    return list(zip(model.encoders.values(), unimodal_heads(model), strict=True))


def _weakened(e: tf.Tensor, weight: float) -> tf.Tensor:
    """An encoding whose gradient is multiplied by `weight` on its way back."""
    if weight == 1:
        return e
    constant = tf.stop_gradient(e)
    return constant + weight * (e - constant) if weight else constant


def _losses(model: Any, found: Encoded) -> np.ndarray:
    """Each head's mean loss on encodings, `[M]`."""
    losses = []
    for name, head in zip(model.modalities, unimodal_heads(model), strict=True):
        logits = in_batches(lambda e, head=head: head([e], training=False), found.values[name])
        losses.append(model.task.host_losses(found.labels, logits.astype(np.float64)).mean())
    return np.array(losses)
