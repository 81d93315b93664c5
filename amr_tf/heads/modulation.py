"""Heads in which the first encoding acts on the features of the others: FiLM and gates."""

import keras

from amr_tf.heads.common import (
    Shapes,
    default_width,
    dense,
    flat_inputs,
    in_float32,
    joined,
    last_layer,
)


@in_float32
def film(
    encoding_shapes: Shapes,
    num_classes: int,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """The first encoding scales and shifts the features of the others.

        z = W (gamma(e^1) ⊙ x + beta(e^1)) + b,    x = [e^2, ..., e^M]

    Feature-wise linear modulation (Perez et al. 2018, eq. 1 and 2), as fusion `FiLM` of OGM's
    code (Peng et al. 2022), which knows M = 2; more are concatenated. gamma and beta are linear,
    and gamma's bias begins at 1, as Perez et al. advise (section 7.2): around 0 it would
    shut off x and its gradient.

    Example:
        >>> head = amr_tf.heads.film([(4,), (6,)], num_classes=3)
        >>> head([tf.zeros([2, 4]), tf.zeros([2, 6])]).shape
        TensorShape([2, 3])

    Args:
        encoding_shapes: Tuples of integers, the shapes of M >= 2 encodings.
        num_classes: Integer, the number of classes C.
        hidden: Integer, the features of x, by a linear layer in between; 0 for the encodings as
            they are.
        dropout: Number, the dropout rate before the last layer.
        seed: Integer, the seed of the initial weights and of the dropout.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.

    Raises:
        ValueError: There is only one modality.
    """
    inputs, (first, *others) = flat_inputs(encoding_shapes, at_least=2, name="film")
    x = joined(others)
    if hidden:
        x = dense(hidden, "features", seed)(x)
    width = x.shape[-1]
    gamma = dense(width, "gamma", seed, bias_initializer="ones")(first)
    beta = dense(width, "beta", seed)(first)
    x = keras.layers.Multiply(name="scaled")([gamma, x])
    x = keras.layers.Add(name="modulated")([x, beta])
    return keras.Model(inputs, last_layer(x, num_classes, dropout, seed), name="head")


@in_float32
def gated(
    encoding_shapes: Shapes,
    num_classes: int,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """The first encoding opens and closes gates on the features of the others.

        z = W (sigmoid(U e^1 + u) ⊙ (V [e^2, ..., e^M] + v)) + b

    The gated fusion of Kiela et al. (2018), as `GatedFusion` of OGM's code (Peng et al. 2022),
    which knows M = 2; more are concatenated. (The gated multimodal unit of Arevalo et al. 2017 is
    another: there each modality's gate sees all of them.)

    Example:
        >>> head = amr_tf.heads.gated([(4,), (6,)], num_classes=3)
        >>> head([tf.zeros([2, 4]), tf.zeros([2, 6])]).shape
        TensorShape([2, 3])

    Args:
        encoding_shapes: Tuples of integers, the shapes of M >= 2 encodings.
        num_classes: Integer, the number of classes C.
        hidden: Integer, the gates; 0 for as many as the largest encoding has features, at most
            512.
        dropout: Number, the dropout rate before the last layer.
        seed: Integer, the seed of the initial weights and of the dropout.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.

    Raises:
        ValueError: There is only one modality.
    """
    inputs, (first, *others) = flat_inputs(encoding_shapes, at_least=2, name="gated")
    width = hidden or default_width(encoding_shapes)
    gate = dense(width, "gate", seed, activation="sigmoid")(first)
    features = dense(width, "features", seed)(joined(others))
    x = keras.layers.Multiply(name="gated")([gate, features])
    return keras.Model(inputs, last_layer(x, num_classes, dropout, seed), name="head")
