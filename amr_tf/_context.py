"""The context of one step: the batch, its place in the global batch, and the step's results."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _draws, distribution
from amr_tf._presence import PRESENCE, kept


@dataclasses.dataclass
class Context:
    """The context that a method sees of one step; fields are filled as the step goes on.

    Example:
        >>> class Smoothed(amr_tf.methods.Method):
        ...     def loss(self, context):
        ...         classes = context.logits.shape[-1]
        ...         wanted = 0.9 * tf.one_hot(context.labels, classes) + 0.1 / classes
        ...         each = tf.nn.softmax_cross_entropy_with_logits(wanted, context.logits)
        ...         return context.mean(each)  # over the global batch, whatever the replicas
        >>> model = amr_tf.MultimodalClassifier(encoders, head, Smoothed())
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Attributes:
        model: `MultimodalClassifier` that is trained or tested.
        inputs: Dictionary, modality -> what its encoder takes `[B, ...]`.
        labels: Tensor `[B]`, the class ids (or as the task's `labels` gives them), this replica's
            part of the global batch.
        training: Boolean, whether this is a training step.
        step: Scalar int64, the train steps done before this one.
        epoch: Scalar int64, the epoch that `fit` is in.
        offset: Scalar int32, the index of this replica's first sample in the global batch.
        global_batch: Scalar int32, the size of the global batch.
        presence: Tensor `[B, M]` float32, 1 where a sample has the modality.
        weights: Tensor `[B]` float32, how much each sample's loss counts, of `fit`'s class_weight
            and sample_weight; None where all count alike.
        encodings: List of M tensors as the head sees them.
        logits: Tensor `[B, C]` of the head.
        extras: Dictionary of what a method hands from one of its hooks to the next.
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
    weights: tf.Tensor | None = None
    encodings: list[tf.Tensor] = dataclasses.field(default_factory=list)
    logits: tf.Tensor | None = None
    extras: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, model: Any, data: Any, training: bool) -> "Context":
        """The context of one step on a batch `(inputs, class ids [B])` or `(..., weights [B])`.

        Raises:
            ValueError: The batch has another form.
        """
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        inputs = inputs_by_name(inputs, model.modalities)
        model.input_specs.note(inputs)
        labels = model.task.labels(labels, outputs_of(model.head))
        batch = tf.shape(labels)[0]
        presence = inputs.get(PRESENCE)
        if presence is None:
            presence = tf.ones([batch, len(model.modalities)])
        offset, global_batch = distribution.global_positions(batch)
        context = cls(
            model=model,
            inputs=inputs,
            labels=labels,
            training=training,
            step=tf.convert_to_tensor(model.step),
            epoch=tf.convert_to_tensor(model.epoch),
            offset=offset,
            global_batch=global_batch,
            presence=tf.cast(presence, tf.float32),
            weights=sample_weights(weights),
        )
        context.inputs = model.features(inputs, context if training else None)
        return context

    @property
    def complete(self) -> tf.Tensor:
        """`[B]`, 1 where a sample has all its modalities: only those count in a^m."""
        return tf.reduce_min(self.presence, axis=-1)

    def losses(self, outputs: tf.Tensor) -> tf.Tensor:
        """The task's loss of each sample for a head's outputs `[B, C]`: `[B]`."""
        return self.model.task.losses(self.labels, outputs)

    def present(self, m: int, per_sample: tf.Tensor) -> tf.Tensor:
        """Values `[B]` of the samples that have modality m, and 0 for the other samples."""
        return kept(per_sample, self.presence[:, m])

    def mean(self, per_sample: tf.Tensor) -> tf.Tensor:
        """This replica's share of a loss's mean over the global batch: local sum / global count.

        The optimizer adds the replicas' gradients, so each must bring its share, whatever the
        sizes of the parts. Where samples have weights they multiply, and the count stays that of
        the samples, as in Keras.
        """
        if self.weights is not None:
            per_sample *= tf.cast(self.weights, per_sample.dtype)
        count = tf.cast(tf.maximum(self.global_batch, 1), per_sample.dtype)
        return tf.reduce_sum(per_sample) / count

    def uniform(
        self, seed: int, shape: tuple[int, ...] | tf.Tensor = (), per_sample: bool = True
    ) -> tf.Tensor:
        """Uniform numbers in [0, 1) that depend only on (seed, step, sample).

        Args:
            seed: Integer, the method's seed.
            shape: Integers, the shape of one draw, also as a tensor.
            per_sample: Boolean, whether each sample has its own draw, `[B, *shape]`; else one for
                the whole global batch, `shape`.

        Returns:
            float32.
        """
        key = tf.stack([tf.constant(seed, tf.int64), self.step])
        if not per_sample:
            return _draws.uniform(key, shape)
        batch = tf.shape(self.presence)[0]
        return _draws.uniform_of_samples(key, shape, batch, self.offset, self.global_batch)


def inputs_by_name(inputs: Any, modalities: tuple[str, ...]) -> dict[str, tf.Tensor]:
    """A batch's inputs as a dict by modality; further keys stay.

    Args:
        inputs: A dict, a list in the modalities' order, or one tensor for one modality.
        modalities: Sequence of strings, the names of the modalities.

    Raises:
        ValueError: A modality is missing, or the list has another length.
    """
    if isinstance(inputs, Mapping):
        missing = [name for name in modalities if name not in inputs]
        if missing:
            raise ValueError(
                f"the input lacks {', '.join(missing)}: it has {', '.join(inputs)}, "
                f"the model was made for {', '.join(modalities)}"
            )
        return dict(inputs)
    inputs = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if len(inputs) != len(modalities):
        raise ValueError(
            f"{len(inputs)} inputs for the {len(modalities)} modalities {', '.join(modalities)}"
        )
    return dict(zip(modalities, inputs, strict=True))


def outputs_of(head: Any) -> int | None:
    """The number of outputs of a head; None if it is unknown, as the head is not functional."""
    shape = getattr(head, "output_shape", None)
    return shape[-1] if isinstance(shape, tuple) else None


def sample_weights(weights: Any) -> tf.Tensor | None:
    """Sample weights as `[B]` float32; `[B, 1]` is flattened, None stays.

    Raises:
        ValueError: They are of another shape.
    """
    if weights is None:
        return None
    weights = tf.cast(weights, tf.float32)
    if weights.shape.rank not in (1, 2) or (weights.shape.rank == 2 and weights.shape[1] != 1):
        raise ValueError(f"sample weights are one number a sample, [B], got {weights.shape}")
    return tf.reshape(weights, [-1])
