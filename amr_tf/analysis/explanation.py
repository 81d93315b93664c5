"""What of a sample's input decides: Grad⊙Input carried back through the encoders."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

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
        attributions: Dictionary, modality -> array of the input's shape `[B, ...]`, Grad⊙Input at
            the input.
    """

    probabilities: np.ndarray
    shares: dict[str, np.ndarray]
    attributions: dict[str, np.ndarray]


def explain(
    model: MultimodalClassifier, inputs: Any, targets: tuple[str, ...] = ("probability", "logit")
) -> Explanation:
    """Explains a batch's top classes, in inference mode.

    `A^m = dg/dx^m ⊙ x^m` for the input x^m and the score g of `target_score`: like the shares,
    one step further back. Where the model lacks bias terms its sum over all inputs is g itself.

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
    watched = {name: x for name, x in inputs.items() if name != PRESENCE}
    with tf.GradientTape() as tape:
        tape.watch(watched)
        logits = model(inputs, training=False)
        score = target_score(logits, targets[0])
    gradients = tape.gradient(score, watched, unconnected_gradients="zero")
    shares = {}
    if len(model.modalities) > 1:
        for target in targets:
            _, alphas = model.attribute(inputs, target)
            shares[target] = attribution_shares(alphas).numpy()
    return Explanation(
        probabilities=tf.nn.softmax(tf.cast(logits, tf.float32)).numpy(),
        shares=shares,
        attributions={name: (gradients[name] * x).numpy() for name, x in watched.items()},
    )
