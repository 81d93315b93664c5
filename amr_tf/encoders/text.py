"""Encoders of texts, which come as token ids `[L]`: 0 is padding, 1 a token that is not known.

How much padding a text has changes nothing of its encoding, in training included: what is
normalised over the batch is one vector a text, never its steps.
"""

import keras
import tensorflow as tf

from amr_tf.encoders.common import Initializers, dense
from amr_tf.encoders.recurrence import recur
from amr_tf.encoders.steps import (
    MaskedAttention,
    MaxOfSteps,
    MeanOfSteps,
    RealTokens,
    SinusoidalPositions,
    TokenEmbedding,
)
from amr_tf.layers import StatelessDropout

KERNELS = (3, 4, 5)


def text_cnn(
    shape: tuple[int, ...],
    vocabulary_size: int,
    width: int = 64,
    seed: int = 0,
    name: str = "text_cnn",
) -> keras.Model:
    """Builds a convolutional network for sentences (Kim 2014, arXiv 1408.5882).

    Embeddings, convolutions over 3, 4 and 5 tokens side by side, the maximum and the mean of each
    over the text, one dense layer with batch normalisation and ReLU. Differs from the paper by the
    means, by that layer, and by leaving dropout to the methods.

    Example:
        >>> encoder = amr_tf.encoders.text_cnn((12,), vocabulary_size=50, width=8)
        >>> text = [[4, 9, 2, 17] + 8 * [0]]
        >>> encoder(np.array(text)).shape
        TensorShape([1, 8])

    Args:
        shape: Integers, the shape of one sample, `[L]`.
        vocabulary_size: Integer, the number of token ids, those of padding and of unknown tokens
            included.
        width: Integer, the features of an embedding, of each convolution and of the encoding.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, int32 `[B, L]` -> `[B, width]`, not negative.

    Raises:
        ValueError: The shape is not that of a text, or the vocabulary has no word.
    """
    initializers = Initializers(seed, name)
    tokens, mask, x = _embedded(shape, vocabulary_size, width, initializers, name)
    pooled = []
    for kernel in KERNELS:
        # behind the end of a text it sees zeros, as behind the end of the array
        seen = keras.layers.Conv1D(
            width,
            kernel,
            padding="same",
            kernel_initializer=initializers.kaiming(),
            name=f"conv{kernel}",
        )(x)
        seen = keras.layers.ReLU(name=f"conv{kernel}_relu")(seen)
        pooled.append(MaxOfSteps(name=f"conv{kernel}_max")([seen, mask]))
        pooled.append(MeanOfSteps(name=f"conv{kernel}_mean")([seen, mask]))
    x = keras.layers.Concatenate(name="pooled")(pooled)
    return keras.Model(tokens, dense(x, width, "dense", initializers), name=name)


def text_gru(
    shape: tuple[int, ...],
    vocabulary_size: int,
    width: int = 64,
    seed: int = 0,
    name: str = "text_gru",
) -> keras.Model:
    """Builds a gated recurrent unit over the embeddings of a text's tokens.

    Example:
        >>> encoder = amr_tf.encoders.text_gru((12,), vocabulary_size=50, width=8)
        >>> encoder.output_shape
        (None, 8)

    Args:
        shape: Integers, the shape of one sample, `[L]`.
        vocabulary_size: Integer, the number of token ids, those of padding and of unknown tokens
            included.
        width: Integer, the features of an embedding and of the state.
        seed: Integer, the seed of the initial weights.
        name: String, the model's name.

    Returns:
        A functional model, int32 `[B, L]` -> `[B, width]`, in (-1, 1); 0 for a text of padding.

    Raises:
        ValueError: The shape is not that of a text, or the vocabulary has no word.
    """
    initializers = Initializers(seed, name)
    tokens, mask, x = _embedded(shape, vocabulary_size, width, initializers, name)
    return keras.Model(tokens, recur(x, mask, width, initializers), name=name)


def text_transformer(
    shape: tuple[int, ...],
    vocabulary_size: int,
    width: int = 64,
    depth: int = 2,
    heads: int = 4,
    dropout: float = 0.1,
    seed: int = 0,
    name: str = "text_transformer",
) -> keras.Model:
    """Builds a transformer encoder (Vaswani et al. 2017), normalised before each part.

    Embeddings with sinusoidal positions, `depth` blocks of attention and of a feed-forward network
    of `4 * width` units, each added to what it saw the layer normalisation of (Xiong et al. 2020,
    arXiv 2002.04745); the encoding is the mean over the text's tokens. There are no weights of
    positions: those of one length fit every other.

    Example:
        >>> build = amr_tf.encoders.text_transformer
        >>> encoder = build((12,), vocabulary_size=50, width=8, depth=1, heads=2)
        >>> encoder.output_shape
        (None, 8)

    Args:
        shape: Integers, the shape of one sample, `[L]`.
        vocabulary_size: Integer, the number of token ids, those of padding and of unknown tokens
            included.
        width: Integer, the features of a token and of the encoding; a multiple of `heads`.
        depth: Integer, the number of blocks.
        heads: Integer, the heads of each attention.
        dropout: Number, the probability of dropping a feature of what a part adds, in [0, 1).
        seed: Integer, the seed of the initial weights and of dropout.
        name: String, the model's name.

    Returns:
        A functional model, int32 `[B, L]` -> `[B, width]`; 0 for a text of padding.

    Raises:
        ValueError: The shape is not that of a text, the vocabulary has no word, `width` is no
            multiple of `heads`, or `depth` is not positive.
    """
    if depth < 1:
        raise ValueError(f"{name}: the depth must be positive, not {depth}")
    if heads < 1 or width % heads:
        raise ValueError(f"{name}: the width must be a multiple of the heads, not {width}, {heads}")
    initializers = Initializers(seed, name)
    tokens, mask, x = _embedded(shape, vocabulary_size, width, initializers, name)
    x = SinusoidalPositions(name="positions")(x)

    def project(x: tf.Tensor, units: int, part: str) -> tf.Tensor:
        return keras.layers.Dense(units, kernel_initializer=initializers.glorot(), name=part)(x)

    def added(x: tf.Tensor, change: tf.Tensor, part: str) -> tf.Tensor:
        change = StatelessDropout(dropout, initializers.seed(), name=f"{part}_dropout")(change)
        return keras.layers.Add(name=f"{part}_add")([x, change])

    for block in range(depth):
        part = f"block{block}_attention"
        seen = project(_layer_norm(x, part), 3 * width, f"{part}_projection")
        seen = MaskedAttention(heads, name=part)([seen, mask])
        x = added(x, project(seen, width, f"{part}_output"), part)
        part = f"block{block}_dense"
        seen = project(_layer_norm(x, part), 4 * width, f"{part}_hidden")
        seen = keras.layers.ReLU(name=f"{part}_relu")(seen)
        x = added(x, project(seen, width, f"{part}_output"), part)
    x = MeanOfSteps(name="mean")([_layer_norm(x, "last"), mask])
    return keras.Model(tokens, x, name=name)


def _embedded(
    shape: tuple[int, ...], vocabulary_size: int, width: int, initializers: Initializers, name: str
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A model's input `[B, L]`, the mask of its real tokens, and the tokens' embeddings."""
    if len(shape) != 1 or None in shape:
        raise ValueError(
            f"{name}: an encoder of texts; expected samples of shape [L], token ids of a known "
            f"number, not {tuple(shape)}"
        )
    if vocabulary_size < 2:
        raise ValueError(
            f"{name}: the vocabulary holds padding, unknown tokens and words; a size of "
            f"{vocabulary_size} is too small"
        )
    tokens = keras.Input(shape, dtype="int32", name="inputs")
    mask = RealTokens(name="real_tokens")(tokens)
    embed = TokenEmbedding(vocabulary_size, width, initializers.seed(), name="embedding")
    return tokens, mask, embed(tokens)


def _layer_norm(x: tf.Tensor, part: str) -> tf.Tensor:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=f"{part}_norm")(x)
