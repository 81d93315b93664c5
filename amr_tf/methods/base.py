"""The plug-in interface: five places in the one train step, and nothing else."""

import dataclasses
from typing import Any

import tensorflow as tf

from amr_tf import distribution


@dataclasses.dataclass
class Context:
    """What a method sees of one step; fields are filled as the step goes on.

    Attributes:
        model: The `MultimodalClassifier`.
        inputs: Modality name -> input `[B, ...]`.
        labels: Class ids `[B]`, this replica's part of the global batch.
        training: Whether this is a training step.
        step: Train steps done before this one, int64 scalar.
        epoch: The epoch that `fit` is in, int64 scalar.
        offset: Index of this replica's first sample in the global batch, int32 scalar.
        global_batch: Size of the global batch, int32 scalar.
        presence: `[B, M]` float32, 1 where a sample has the modality.
        encodings: M tensors as the head sees them.
        logits: `[B, C]` of the head.
        extras: What a method hands from one of its hooks to the next.
    """

    model: Any
    inputs: dict[str, tf.Tensor]
    labels: tf.Tensor | None
    training: bool
    step: tf.Tensor
    epoch: tf.Tensor
    offset: tf.Tensor
    global_batch: tf.Tensor
    presence: tf.Tensor
    encodings: list[tf.Tensor] = dataclasses.field(default_factory=list)
    logits: tf.Tensor | None = None
    extras: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def complete(self) -> tf.Tensor:
        """`[B]`, 1 where a sample has all its modalities: only those count in a^m."""
        return tf.reduce_min(self.presence, axis=-1)

    def mean(self, per_sample: tf.Tensor) -> tf.Tensor:
        """This replica's share of a mean over the global batch: local sum / global count.

        The optimizer adds the replicas' gradients, so each must bring its share, whatever the
        sizes of the parts.
        """
        count = tf.cast(tf.maximum(self.global_batch, 1), per_sample.dtype)
        return tf.reduce_sum(per_sample) / count

    def uniform(self, seed: int, shape: tuple[int, ...] = (), per_sample: bool = True) -> tf.Tensor:
        """Uniform numbers in [0, 1), a function of (seed, step, sample) alone.

        Args:
            seed: The method's.
            shape: Of one draw.
            per_sample: Whether each sample has its own draw, `[B, *shape]`; else one for the
                whole global batch, `shape`.

        Returns:
            float32.
        """
        key = tf.stack([tf.constant(seed, tf.int64), self.step])
        if not per_sample:
            return tf.random.stateless_uniform(shape, key)
        drawn = tf.random.stateless_uniform(tf.stack([self.global_batch, *shape]), key)
        return drawn[self.offset : self.offset + tf.shape(self.presence)[0]]


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

    def gradients(
        self, context: Context, loss: tf.Tensor, tape: tf.GradientTape, variables: list
    ) -> list:
        """Gradients of the task loss for `variables`, summed over the replicas; None where none.

        Args:
            context: The step.
            loss: What `loss` returned.
            tape: Persistent tape that recorded encoders, head and loss.
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
    if logits.dtype in (tf.float16, tf.bfloat16):
        logits = tf.cast(logits, tf.float32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
