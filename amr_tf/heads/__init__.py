"""Functional fusion heads: a list of M encodings -> logits [B, C].

A head is any Keras model of that form without layers that mix samples; see `check_head`. Those
here take the encodings' shapes (flattened where of rank > 1 a sample), the number of classes C,
`hidden`, `dropout` before the last layer in training, and the `seed` of every initial weight and
mask. They are in float32 whatever the precision policy: softmax and attributions need range and
digits, and next to encoders a head costs nothing.
"""

from collections.abc import Callable

import keras

from amr_tf.heads.attention import attention
from amr_tf.heads.linear import concat, sum_branches
from amr_tf.heads.modulation import film, gated

__all__ = ["HEADS", "attention", "check_head", "concat", "film", "gated", "sum_branches"]

HEADS: dict[str, Callable[..., keras.Model]] = {
    "concat": concat,
    "sum": sum_branches,
    "film": film,
    "gated": gated,
    "attention": attention,
}


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
