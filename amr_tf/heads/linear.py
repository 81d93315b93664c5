"""Heads that are linear where `hidden` is 0: concatenation, and the sum of branches."""

import keras

from amr_tf.heads.common import Shapes, dense, flat_inputs, in_float32, joined, last_layer
from amr_tf.layers import StatelessDropout


@in_float32
def concat(
    encoding_shapes: Shapes,
    num_classes: int,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Concatenation, an optional hidden ReLU layer, one linear layer: `z = W [e^1, ..., e^M] + b`.

    The fusion of OGM (Peng et al. 2022) and of the paper's naive model when `hidden` is 0.

    Example:
        >>> head = amr_tf.heads.concat([(4,), (6,)], num_classes=3, hidden=16)
        >>> head([tf.zeros([2, 4]), tf.zeros([2, 6])]).shape
        TensorShape([2, 3])

    Args:
        encoding_shapes: Tuples of integers, the shapes of M >= 1 encodings, without the batch.
        num_classes: Integer, the number of classes C.
        hidden: Integer, the units of the hidden layer; 0 for none.
        dropout: Number, the dropout rate before the last layer, in training.
        seed: Integer, the seed of the initial weights and of the dropout.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.
    """
    inputs, flat = flat_inputs(encoding_shapes)
    x = joined(flat)
    # seeds as they were before there were other heads: older runs can be repeated
    if hidden:
        x = dense(hidden, "hidden", seed, own=False, activation="relu")(x)
    if dropout:
        x = StatelessDropout(dropout, seed=seed)(x)
    logits = dense(num_classes, "logits", seed + 1, own=False)(x)
    return keras.Model(inputs, logits, name="head")


@in_float32
def sum_branches(
    encoding_shapes: Shapes,
    num_classes: int,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """A classifier for each modality, and their sum: `z = sum_m (W^m e^m + b^m)`.

    `SumFusion` of OGM's code (Peng et al. 2022). The branches' last layers are named `logits_<m>`.

    Example:
        >>> head = amr_tf.heads.sum_branches([(4,), (6,)], num_classes=3)
        >>> head([tf.zeros([2, 4]), tf.zeros([2, 6])]).shape
        TensorShape([2, 3])

    Args:
        encoding_shapes: Tuples of integers, the shapes of M >= 1 encodings.
        num_classes: Integer, the number of classes C.
        hidden: Integer, the units of a hidden ReLU layer in each branch; 0 for none.
        dropout: Number, the dropout rate before each branch's last layer; the branches drop
            independently.
        seed: Integer, the seed of the initial weights and of the dropout.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.
    """
    inputs, flat = flat_inputs(encoding_shapes)
    branches = []
    for m, x in enumerate(flat):
        if hidden:
            x = dense(hidden, f"hidden_{m}", seed, activation="relu")(x)
        branches.append(last_layer(x, num_classes, dropout, seed, suffix=f"_{m}"))
    if len(branches) == 1:
        return keras.Model(inputs, branches[0], name="head")
    logits = keras.layers.Add(name="logits")(branches)
    return keras.Model(inputs, logits, name="head")
