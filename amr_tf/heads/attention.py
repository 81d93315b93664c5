"""A head of self-attention over the modalities."""

import math
from typing import Any

import keras

from amr_tf.heads.common import (
    Shapes,
    default_width,
    dense,
    flat_inputs,
    in_float32,
    joined,
    last_layer,
    own_seed,
)


@in_float32
def attention(
    encoding_shapes: Shapes,
    num_classes: int,
    hidden: int = 0,
    dropout: float = 0.0,
    seed: int = 0,
) -> keras.Model:
    """Self-attention over one token per modality.

        t^m = P^m e^m + p^m,   y = LayerNorm(t + MultiHead(t, t, t)),   z = W mean_m(y^m) + b

    One attention sublayer of a transformer (Vaswani et al. 2017, sections 3.1 and 3.2) with 4
    heads, or as many as divide the width. p^m, a projection's bias, is the modality's learned
    embedding; it also keeps the token of a missing modality, whose encoding is 0, off the zero
    vector, where normalisation would have no good gradient.

    Example:
        >>> head = amr_tf.heads.attention([(4,), (6,)], num_classes=3, hidden=8)
        >>> head([tf.zeros([2, 4]), tf.zeros([2, 6])]).shape
        TensorShape([2, 3])

    Args:
        encoding_shapes: Tuples of integers, the shapes of M >= 1 encodings.
        num_classes: Integer, the number of classes C.
        hidden: Integer, the features of a token; 0 for as many as the largest encoding has, at
            most 512.
        dropout: Number, the dropout rate before the last layer.
        seed: Integer, the seed of the initial weights and of the dropout.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.
    """
    inputs, flat = flat_inputs(encoding_shapes)
    width = hidden or default_width(encoding_shapes)
    tokens = []
    for m, x in enumerate(flat):
        embedding = keras.initializers.RandomNormal(
            stddev=0.02, seed=own_seed(seed, f"embedding_{m}")
        )
        x = dense(width, f"token_{m}", seed, bias_initializer=embedding)(x)
        tokens.append(keras.layers.Reshape((1, width), name=f"row_{m}")(x))
    x = joined(tokens, axis=1)
    x = keras.layers.Add(name="residual")([x, _multi_head(x, seed)])
    # Keras's default, 1e-3, is more than the variance of a missing modality's token
    x = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = keras.layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, last_layer(x, num_classes, dropout, seed), name="head")


def _multi_head(x: Any, seed: int) -> Any:
    """Multi-head self-attention of tokens `[B, M, D]`, from layers with a seed each.

    `keras.layers.MultiHeadAttention` gives query, key and value one initializer, and with a seed
    they would start equal.
    """
    width = x.shape[-1]
    heads = math.gcd(4, width)
    size = width // heads
    outputs = []
    for h in range(heads):
        query, key, value = (
            dense(size, f"{part}_{h}", seed)(x) for part in ("query", "key", "value")
        )
        query = keras.layers.Rescaling(size**-0.5, name=f"scaled_query_{h}")(query)
        outputs.append(keras.layers.Attention(name=f"attention_{h}")([query, value, key]))
    return dense(width, "attended", seed)(joined(outputs))
