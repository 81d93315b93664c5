"""Logits of one modality alone: by heads of its own, or read out of the fused head."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution, heads
from amr_tf.attribution import at_least_float32, flattened
from amr_tf.methods.base import Context


def add_unimodal_heads(model: Any, seed: int = 0) -> None:
    """Gives a model one linear head per modality, `z^m = W^m e^m + b^m`, as `<m>_head`.

    They are trained by the task optimizer, saved with the model, and neither AMR's nor exported.

    Args:
        model: MultimodalClassifier whose head is functional.
        seed: Integer, the seed of their initial weights.

    Raises:
        ValueError: The head is not a functional model, so that the encodings' shapes are unknown.
    """
    shapes = encoding_shapes(model.head, type(model.method).__name__)
    classes = model.head.output_shape[-1]
    for m, (name, shape) in enumerate(zip(model.modalities, shapes, strict=True)):
        branch = heads.concat([shape], classes, seed=1000 * (seed + 1) + 10 * m)
        setattr(model, f"{name}_head", branch)


def encoding_shapes(head: Any, method: str) -> list[tuple[int | None, ...]]:
    """The shapes of the encodings that a head takes, without the batch.

    Args:
        head: Functional model.
        method: String, the name of the method that asks.

    Raises:
        ValueError: The head is not a functional model, so that they are unknown.
    """
    inputs = getattr(head, "inputs", None)
    if not inputs:
        raise ValueError(f"{method} needs a functional head, to know the encodings' shapes")
    return [tuple(e.shape[1:]) for e in inputs]


def flat_encodings(context: Context) -> list[tf.Tensor]:
    """The encodings as M tensors `[B, D_m]`, averaged over dimensions of unknown size."""
    model, found = context.model, []
    shapes = encoding_shapes(model.head, type(model.method).__name__)
    for e, shape in zip(context.encodings, shapes, strict=True):
        unknown = [axis for axis, n in enumerate(shape, 1) if n is None]
        found.append(flattened(at_least_float32(tf.reduce_mean(e, unknown) if unknown else e)))
    return found


def unimodal_heads(model: Any) -> list[keras.Model]:
    """The heads that `add_unimodal_heads` made, in the modalities' order."""
    return [getattr(model, f"{name}_head") for name in model.modalities]


def unimodal_logits(
    model: Any, encodings: list[tf.Tensor], training: bool = True
) -> list[tf.Tensor]:
    """Each modality's own head on its encoding: M tensors `[B, C]`."""
    pairs = zip(unimodal_heads(model), encodings, strict=True)
    return [head([e], training=training) for head, e in pairs]


def unimodal_losses(context: Context, encodings: list[tf.Tensor]) -> list[tf.Tensor]:
    """This replica's share of each own head's mean loss, M scalars.

    Samples that lack a modality don't enter its loss.
    """
    return [
        context.mean(context.present(m, context.losses(z)))
        for m, z in enumerate(unimodal_logits(context.model, encodings))
    ]


def linear_logits(head: keras.Model, encodings: list[tf.Tensor]) -> list[tf.Tensor] | None:
    """A modality's part of logits that are a sum over modalities.

    * one linear layer on the concatenation, `z = sum_m W^m e^m + b`: `z^m = W^m e^m + b / M`
      (OGM, Peng et al. 2022, section 3.2);
    * the sum head: each its own branch.

    Args:
        head: Functional model, list of M encodings -> logits.
        encodings: List of M tensors `[B, ...]`.

    Returns:
        M tensors `[B, C]`, or None where the head's logits are not such a sum.
    """
    encodings = [tf.convert_to_tensor(e) for e in encodings]
    layers = getattr(head, "layers", [])
    branches = [layer for layer in layers if layer.name.startswith("logits_")]
    if branches:
        outputs = [branch.output for branch in branches]
        return keras.Model(head.inputs, outputs)(encodings)
    weighted = [layer for layer in layers if layer.weights]
    flat = [flattened(e) for e in encodings]
    sizes = [e.shape[1] for e in flat]
    if None in sizes or len(weighted) != 1 or not isinstance(weighted[0], keras.layers.Dense):
        return None
    dense = weighted[0]
    if dense.kernel.shape[0] != sum(sizes) or dense.activation is not _linear():
        return None
    kernels = tf.split(tf.convert_to_tensor(dense.kernel), sizes)
    bias = tf.convert_to_tensor(dense.bias) / len(flat) if dense.use_bias else 0.0
    return [
        tf.matmul(tf.cast(e, kernel.dtype), kernel) + bias
        for e, kernel in zip(flat, kernels, strict=True)
    ]


def ablation_logits(context: Context) -> list[tf.Tensor]:
    """The fused head with every other encoding replaced by its mean over the global batch.

    The means are constants (no gradient); the head runs in inference mode.

    Returns:
        M tensors `[B, C]`; any head.
    """
    sums = [tf.reduce_sum(tf.stop_gradient(e), axis=0) for e in context.encodings]
    count = tf.cast(tf.maximum(context.global_batch, 1), sums[0].dtype)
    means = [total / count for total in distribution.global_sum(sums)]
    return [
        context.model.head(
            [
                e if j == m else tf.zeros_like(e) + mean
                for j, (e, mean) in enumerate(zip(context.encodings, means, strict=True))
            ],
            training=False,
        )
        for m in range(len(context.encodings))
    ]


def modality_logits(context: Context) -> list[tf.Tensor]:
    """Each modality's part of the fused logits, M tensors `[B, C]`; any head.

    That of `linear_logits` where the logits are a sum over modalities, else of `ablation_logits`.
    """
    linear = linear_logits(context.model.head, context.encodings)
    return ablation_logits(context) if linear is None else linear


def true_probability(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The probability of the true class, `softmax(z)[y]`, of each sample: `[B]` float32.

    Args:
        labels: Tensor `[B]`, the class ids.
        logits: Tensor `[B, C]`.
    """
    true = tf.one_hot(labels, logits.shape[-1])
    return tf.reduce_sum(tf.nn.softmax(tf.cast(logits, tf.float32)) * true, axis=-1)


def _linear() -> Any:
    return keras.activations.get("linear")
