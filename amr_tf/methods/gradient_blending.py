"""Gradient-Blending (Wang et al. 2020): loss weights from how each head overfits."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat
from amr_tf._context import inputs_by_name
from amr_tf._pass import Pass
from amr_tf.methods.base import ANY_TASK, Context, HeldOut
from amr_tf.methods.branches import add_unimodal_heads, unimodal_logits
from amr_tf.methods.held_out import HeldOutMethod

MODES = ("offline", "online")
# Overfitting by less than this (nats a clip) cannot be told from none: O^2 is not taken below its
# square, so that one head that happens not to overfit does not take all the weight.
LEAST_OVERFITTING = 0.01


@keras.saving.register_keras_serializable(package="amr_tf")
class GradientBlending(HeldOutMethod):
    """Gradient-Blending (CVPR 2020, arXiv 1905.12681, sections 3.2 and 3.3).

    Heads k: a linear one for each modality, and the fused one, which alone predicts. Each is
    trained alone for some epochs from the present weights, which then come back. From the mean
    losses before (n) and after (n + N), on training and on held-out clips,

        O_k = (Lval - Ltrain)(n + N) - (Lval - Ltrain)(n)       overfitting
        G_k = Lval(n) - Lval(n + N)                             generalisation
        w_k = (G_k / O_k^2) / sum_j (G_j / O_j^2),              loss = sum_k w_k CE_k

    A head that does not generalise (G_k <= 0) gets weight 0; |O_k| counts as 0.01 at least; where
    no head generalises all weights are equal. The weights are part of the saved model. Weights of
    samples count in the loss, and not in the mean losses that are compared.

    Set `method.held_out` to a `HeldOut` before `fit`.

    Example:
        >>> method = amr_tf.methods.GradientBlending(estimate_epochs=1)
        >>> method.held_out = amr_tf.methods.HeldOut(
        ...     train=lambda step: dataset.repeat(),
        ...     steps_per_epoch=3,
        ...     seen=dataset,
        ...     unseen=validation,
        ... )
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)
        >>> model.blend_weights.shape == (3,)  # audio, video, fused
        True

    Args:
        mode: String, `offline` to estimate once, before the first epoch, or `online` to estimate
            before each super-epoch.
        super_epoch: Integer, the epochs between two estimates, 10 as published.
        estimate_epochs: Integer, N, the epochs that each head is trained alone; 0 for a
            super-epoch.
        seed: Integer, the seed of the unimodal heads' initial weights.

    Raises:
        ValueError: An unknown mode, or numbers of epochs out of range.
    """

    help = "weights of unimodal and fused losses by how they overfit (Wang 2020)"
    finds = "estimates weights"
    demo_options = "estimate_epochs=5"
    min_modalities = 2
    tasks = ANY_TASK

    def __init__(
        self,
        mode: str = "offline",
        super_epoch: int = 10,
        estimate_epochs: int = 0,
        seed: int = 0,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}: choose one of {', '.join(MODES)}")
        if super_epoch < 1 or estimate_epochs < 0:
            raise ValueError(
                "super_epoch is positive and estimate_epochs is not negative, "
                f"got {super_epoch} and {estimate_epochs}"
            )
        self.mode = mode
        self.super_epoch = super_epoch
        self.estimate_epochs = estimate_epochs
        self.seed = seed

    def build(self, model: Any) -> None:
        """Makes the unimodal heads and the weights, equal at first."""
        add_unimodal_heads(model, self.seed)
        heads = len(model.modalities) + 1
        model.blend_weights = _compat.state(model, "blend_weights", (heads,))
        model.blend_weights.assign(np.full(heads, 1 / heads, np.float32))

    def loss(self, context: Context) -> tf.Tensor:
        """The weighted sum of all heads' cross-entropies."""
        weights = tf.convert_to_tensor(context.model.blend_weights)
        *own, fused = _head_losses(context.model, context.labels, context.encodings, context.logits)
        losses = tf.stack([*(context.present(m, x) for m, x in enumerate(own)), fused], axis=1)
        return context.mean(tf.reduce_sum(losses * tf.cast(weights, losses.dtype), 1))

    def on_epoch_begin(self, model: Any, epoch: int) -> None:
        """Estimates the weights where they are due.

        Raises:
            ValueError: `held_out` is not set.
        """
        due = epoch == 0 if self.mode == "offline" else epoch % self.super_epoch == 0
        if due:
            data = self.clips()
            if model.steps_done % data.steps_per_epoch:
                return  # goes on within an epoch, at whose begin they were estimated
            model.blend_weights.assign(self.estimate(model, data))

    def estimate(self, model: Any, data: HeldOut) -> np.ndarray:
        """The weights `[M + 1]`, float32; the model is left as it was."""
        evaluate = Pass(model, lambda *batch: {"losses": _losses(model, *batch)})

        def measure(dataset: tf.data.Dataset) -> np.ndarray:
            return evaluate(dataset)["losses"].astype(np.float64).mean(axis=0)

        start = _compat.snapshot(model)
        history = model.history  # Keras puts each training's own there
        before = measure(data.seen), measure(data.unseen)
        heads = len(before[0])
        after = np.zeros((2, heads))
        for k in range(heads):
            model.blend_weights.assign(np.eye(heads, dtype=np.float32)[k])
            keras.Model.fit(  # not the model's own, which would come back here
                model,
                data.train(model.steps_done),
                epochs=1,
                steps_per_epoch=data.steps_per_epoch * (self.estimate_epochs or self.super_epoch),
                shuffle=False,
                verbose=0,
                callbacks=list(data.callbacks),
            )
            after[:, k] = measure(data.seen)[k], measure(data.unseen)[k]
            _compat.restore(model, start)
        model.history = history
        model.reset_metrics()
        return blending_weights(*before, *after)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "mode": self.mode,
            "super_epoch": self.super_epoch,
            "estimate_epochs": self.estimate_epochs,
            "seed": self.seed,
        }


def blending_weights(
    train_before: np.ndarray,
    held_out_before: np.ndarray,
    train_after: np.ndarray,
    held_out_after: np.ndarray,
) -> np.ndarray:
    """Weights of the heads from their mean losses, as in `GradientBlending`.

    Args:
        train_before: Array `[K]`, the losses on training clips at the first checkpoint.
        held_out_before: Array `[K]`, those on held-out clips.
        train_after: Array `[K]`, the losses on training clips at the second checkpoint.
        held_out_after: Array `[K]`, those on held-out clips.

    Returns:
        Array `[K]` float32, not negative, of sum 1.
    """
    overfitting = (held_out_after - train_after) - (held_out_before - train_before)
    generalisation = np.maximum(held_out_before - held_out_after, 0.0)
    ratio = generalisation / np.maximum(np.abs(overfitting), LEAST_OVERFITTING) ** 2
    # a head that diverged has no generalisation to speak of
    ratio = np.where(np.isfinite(ratio), ratio, 0.0)
    if ratio.sum() == 0:
        ratio = np.ones_like(ratio)
    return (ratio / ratio.sum()).astype(np.float32)


def _losses(model: Any, inputs: Any, labels: tf.Tensor) -> tf.Tensor:
    """The loss of each head for each sample in inference mode, `[B, M + 1]`."""
    inputs = inputs_by_name(inputs, model.modalities)
    encodings = model.encode(model.features(inputs))
    logits = model.head(encodings, training=False)
    return tf.stack(_head_losses(model, labels, encodings, logits, False), axis=1)


def _head_losses(
    model: Any, labels: tf.Tensor, encodings: list, logits: tf.Tensor, training: bool = True
) -> list[tf.Tensor]:
    """The loss of each sample, the modalities' heads first, the fused one last: `[B]` each."""
    return [
        model.task.losses(labels, z) for z in [*unimodal_logits(model, encodings, training), logits]
    ]
