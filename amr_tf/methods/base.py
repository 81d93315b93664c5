"""The plug-in interface: five places in the one train step, and nothing else."""

from typing import Any

import tensorflow as tf

from amr_tf import distribution
from amr_tf._context import Context
from amr_tf._tape import Tape
from amr_tf.attribution import at_least_float32


class Method:
    """Naive fusion, and the base of every other method: override what differs.

    A method is a small serialisable object; what it learns lives in weights and parts that it
    gives to the model in `build`, so that they are saved with it.

    Attributes:
        needs_several: Whether it is defined for two modalities and more only.
        trains: Whether there is anything to train.
    """

    needs_several = False
    trains = True

    def build(self, model: Any) -> None:
        """Called once when the model is made: auxiliary heads, teachers, state."""

    def encodings(self, encodings: list[tf.Tensor], context: Context) -> list[tf.Tensor]:
        """Changes what the head sees: drop, mask, detach.

        A method that removes a modality from samples says so in `context.presence`.

        Args:
            encodings: M tensors `[B, ...]`.
            context: The step; `encodings` and `logits` are not filled yet.

        Returns:
            M tensors of the same shapes.
        """
        del context
        return encodings

    def loss(self, context: Context) -> tf.Tensor:
        """The task loss: this replica's share of the mean cross-entropy over the global batch."""
        return context.mean(cross_entropy(context.labels, context.logits))

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """Gradients of the task loss for `variables`, summed over the replicas; None where none.

        Args:
            context: The step.
            loss: What `loss` returned.
            tape: What recorded encoders, head and loss; ask it for gradients as often as needed.
            variables: The model's trainable variables.
        """
        del context
        return distribution.sum_gradients(tape.gradient(loss, variables))

    def on_epoch_begin(self, model: Any, epoch: int) -> None:
        """Called by `fit` before an epoch."""

    def on_epoch_end(self, model: Any, epoch: int, logs: dict[str, float]) -> None:
        """Called by `fit` after an epoch, with its logs."""

    def modalities(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """Which of the available modalities the model is to be built with; here all."""
        return available

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, so that a saved model finds its method again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Method":
        """The method that `get_config` described."""
        return cls(**config)


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy per sample, in float32 at least.

    Args:
        labels: Class ids `[B]`.
        logits: `[B, C]`.

    Returns:
        `[B]`.
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, at_least_float32(logits))
