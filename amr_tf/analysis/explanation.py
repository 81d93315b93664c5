"""Explanations of what in a sample's input decides: Grad⊙Input back through the encoders."""

import dataclasses
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf._context import inputs_by_name
from amr_tf.attribution import attribute, attribution_shares
from amr_tf.model import MultimodalClassifier


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The explanation of a batch's predictions.

    Example:
        >>> explanation = amr_tf.analysis.explain(model, inputs, targets=("logit",))
        >>> explanation.shares["logit"].shape
        (12, 2)

    Attributes:
        probabilities: Array `[B, C]`, what the task makes of the logits: numbers of a regression.
        shares: Dictionary, attribution target -> array `[B, M]`, the modalities' shares at the
            encodings; empty for one modality.
        features: Dictionary, modality -> array `[B, ...]`, what its encoder took.
        attributions: Dictionary, modality -> array of the features' shape, Grad⊙Input at them; of
            tokens `[B, L]`, Grad⊙Input at each one's embedding, summed.
    """

    probabilities: np.ndarray
    shares: dict[str, np.ndarray]
    features: dict[str, np.ndarray]
    attributions: dict[str, np.ndarray]


def explain(
    model: MultimodalClassifier, inputs: Any, targets: tuple[str, ...] | None = None
) -> Explanation:
    """Explains a batch's top classes (or its outputs, of a regression), in inference mode.

    `A^m = dg/dx^m ⊙ x^m` for the features x^m and the score g of the task: like the shares,
    one step further back. Where the model lacks bias terms its sum over all features is g itself.

    Example:
        >>> explanation = amr_tf.explain(model, inputs)
        >>> explanation.probabilities.shape
        (12, 3)
        >>> explanation.attributions["audio"].shape == inputs["audio"].shape
        True

    Args:
        model: MultimodalClassifier, the model to explain.
        inputs: Structure of the model's inputs, e.g. a dictionary of tensors `[B, ...]`.
        targets: Tuple of strings, the attribution targets of the shares; the first is also that
            of the attributions. By default those that the task reports.

    Returns:
        The explanation.
    """
    task = model.task
    targets = targets or task.reported
    inputs = inputs_by_name(inputs, model.modalities)
    inputs = {name: tf.convert_to_tensor(x) for name, x in inputs.items()}
    features = model.features(inputs)
    explained = {name: features[name] for name in model.modalities}
    embedders: dict[str, Any] = {
        m: _embedder(model.encoders[m]) for m, x in explained.items() if x.dtype.is_integer
    }
    with tf.GradientTape() as tape:
        tape.watch([x for name, x in explained.items() if name not in embedders])
        encodings = []
        for name in model.modalities:
            if embedders.get(name) is None:
                encodings.append(model.encoding(name, features))
                continue
            explained[name], encoding = embedders[name](features[name], training=False)
            encodings.append(model.where_present(name, encoding, features))
        logits = model.head(encodings, training=False)
        score = task.target_score(logits, targets[0])
    gradients = tape.gradient(score, explained)
    shares = {}
    if len(model.modalities) > 1:
        for target in targets:
            _, alphas = attribute(model.head, encodings, target, score=task.target_score)
            shares[target] = attribution_shares(alphas).numpy()
    attributions = {
        name: _attribution(explained[name], gradients[name], features[name].shape)
        for name in model.modalities
    }
    return Explanation(
        probabilities=task.predictions(logits).numpy(),
        shares=shares,
        features={name: features[name].numpy() for name in model.modalities},
        attributions=attributions,
    )


def _attribution(x: tf.Tensor, gradient: tf.Tensor | None, shape: tf.TensorShape) -> np.ndarray:
    """Grad⊙Input of the features' shape: of embeddings `[B, L, D]` summed to their tokens."""
    if gradient is None:  # nothing that has a gradient leads from there to the score
        return np.zeros(shape, np.float32)
    found = tf.cast(gradient * x, tf.float32) if x.dtype.size < 4 else gradient * x
    return tf.reduce_sum(found, axis=list(range(len(shape), found.shape.rank))).numpy()


def _embedder(encoder: keras.Model) -> keras.Model | None:
    """An encoder that gives its tokens' embeddings `[B, L, D]`, too; None if it has none."""
    for layer in getattr(encoder, "layers", ()):
        found = layer.output
        if isinstance(found, list) or not tf.as_dtype(found.dtype).is_floating:
            continue
        if len(found.shape) == 3:
            return keras.Model(encoder.inputs, [found, encoder.outputs[0]])
    return None
