"""What of a sample's input decides: Grad⊙Input carried back through the encoders."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat
from amr_tf._context import PRESENCE, inputs_by_name
from amr_tf.attribution import attribution_shares, target_score
from amr_tf.model import MultimodalClassifier


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What decides the predictions of a batch.

    Example:
        >>> explanation = amr_tf.analysis.explain(model, inputs, targets=("logit",))
        >>> explanation.shares["logit"].shape
        (12, 2)

    Attributes:
        probabilities: Array `[B, C]`.
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
    model: MultimodalClassifier, inputs: Any, targets: tuple[str, ...] = ("probability", "logit")
) -> Explanation:
    """Explains a batch's top classes, in inference mode.

    `A^m = dg/dx^m ⊙ x^m` for the features x^m and the score g of `target_score`: like the shares,
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
            of the attributions.

    Returns:
        The explanation.
    """
    inputs = inputs_by_name(inputs, model.modalities)
    inputs = {name: tf.convert_to_tensor(x) for name, x in inputs.items()}
    features = model.features(inputs)
    numbers = {name: x for name, x in features.items() if x.dtype.is_floating and name != PRESENCE}
    tables = {name: _embeddings(model, name) for name in model.modalities if name not in numbers}
    with tf.GradientTape() as tape:
        tape.watch(numbers)
        tape.watch(tables)
        logits = model.head(model.encode(features), training=False)
        score = target_score(logits, targets[0])
    gradients = tape.gradient(score, (numbers, tables), unconnected_gradients="none")
    shares = {}
    if len(model.modalities) > 1:
        for target in targets:
            _, alphas = model.attribute(inputs, target)
            shares[target] = attribution_shares(alphas).numpy()
    attributions = {
        name: _of_tokens(tables[name], gradients[1][name], features[name])
        if name in tables
        else _of_numbers(features[name], gradients[0][name])
        for name in model.modalities
    }
    return Explanation(
        probabilities=tf.nn.softmax(tf.cast(logits, tf.float32)).numpy(),
        shares=shares,
        features={name: features[name].numpy() for name in model.modalities},
        attributions=attributions,
    )


def _of_numbers(features: tf.Tensor, gradient: tf.Tensor | None) -> np.ndarray:
    if gradient is None:  # nothing leads from there to the score
        return np.zeros(features.shape, features.dtype.as_numpy_dtype)
    return (gradient * features).numpy()


def _of_tokens(table: list, gradients: list, tokens: tf.Tensor) -> np.ndarray:
    """Grad⊙Input of each token's embedding, summed over its features; zeros without a lookup.

    The gradient of a table that is looked up once has one row for each token of the batch.
    """
    found = np.zeros(tokens.shape, np.float32)
    for weights, gradient in zip(table, gradients, strict=True):
        looked_up = isinstance(gradient, tf.IndexedSlices)
        if looked_up and len(gradient.indices) == tokens.shape.num_elements():
            rows = tf.gather(weights, gradient.indices) * gradient.values
            found += tf.reshape(tf.reduce_sum(rows, axis=-1), tokens.shape).numpy()
    return found


def _embeddings(model: MultimodalClassifier, name: str) -> list[tf.Variable]:
    """The tables of embeddings in an encoder."""
    layers = _layers(model.encoders[name])
    return [
        variable
        for layer in layers
        if isinstance(layer, keras.layers.Embedding)
        for variable in _compat.tf_variables([layer])
    ]


def _layers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from _layers(inner)
