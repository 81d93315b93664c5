"""Functional fusion heads: a list of M encodings -> logits [B, C].

A head is any Keras model of that form without layers that mix samples; see `check_head`.
"""

from collections.abc import Sequence

import keras

from amr_tf.layers import StatelessDropout


def concat(
    encoding_shapes: Sequence[tuple[int, ...]],
    num_classes: int,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Concatenation, an optional hidden ReLU layer, one linear layer: `z = W [e^1, ..., e^M] + b`.

    The fusion of OGM (Peng et al. 2022) and of the paper's naive model when `hidden` is 0.

    Args:
        encoding_shapes: Per modality the encoding's shape without the batch; flattened.
        num_classes: C.
        hidden: Units of the hidden layer; 0 for none.
        dropout: Rate before the last layer, in training.
        seed: Of the initial weights and of the dropout.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.
    """
    inputs = [
        keras.Input(tuple(shape), name=f"encoding_{m}") for m, shape in enumerate(encoding_shapes)
    ]
    flat = [keras.layers.Flatten()(x) if len(x.shape) > 2 else x for x in inputs]
    x = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    if hidden:
        x = _dense(hidden, "hidden", seed, activation="relu")(x)
    if dropout:
        x = StatelessDropout(dropout, seed=seed)(x)
    # float32 whatever the precision policy: softmax and attributions need the range
    logits = _dense(num_classes, "logits", seed + 1, dtype="float32")(x)
    return keras.Model(inputs, logits, name="head")


HEADS = {"concat": concat}


def check_head(head: keras.Model) -> None:
    """Refuses a head that mixes samples.

    Raises:
        ValueError: The head contains batch normalisation: the gradient of the summed score would
            then no longer be each sample's own.
    """
    for layer in head._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"the head's layer {layer.name!r} is batch normalisation, which mixes samples: "
                "attributions would not be per sample. Use LayerNormalization, or move it into "
                "an encoder"
            )


def _dense(units: int, name: str, seed: int, **options: object) -> keras.layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=seed)
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name, **options)
