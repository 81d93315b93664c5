"""Written words: a text -> the numbers of its words, which encoders embed."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from amr_tf.modalities.attempts import refused
from amr_tf.modalities.base import Modality, fields_of
from amr_tf.modalities.corruption import Corruption
from amr_tf.modalities.panel import Bars, Panel

PADDING, UNKNOWN = 0, 1  # tokens that are no word of the vocabulary
MAX_BYTES = 1 << 20  # of a text that a client sends
LONGEST = 128  # words that a model reads unless told otherwise


@dataclasses.dataclass(frozen=True)
class TextConfig(Modality):
    """The settings by which a text becomes tokens: Keras' `TextVectorization`, without punctuation.

    Words are in lower case. Token 0 is padding, 1 is a word that the vocabulary lacks, word k of
    the vocabulary is k + 2.

    Example:
        >>> text = amr_tf.modalities.TextConfig(("the", "cat"), length=4)
        >>> text.cut({"text": tf.constant("The black cat!")}).numpy().tolist()
        [2, 1, 3, 0]

    Attributes:
        vocabulary: Strings, the words that the model knows, the most frequent first.
        length: Integer, the words of a text that the model reads: its first ones.
    """

    kind: ClassVar[str] = "text"
    example_name: ClassVar[str] = "TEXT.txt"
    example_code: ClassVar[str] = "['some words']"
    default_encoder: ClassVar[str] = "text_cnn"
    word: ClassVar[str] = "text"
    nothing: ClassVar[str] = "no word"
    rules: ClassVar[Mapping[str, str]] = {
        "words": "lower case, without punctuation, split at white space; the first `length`",
        "raw": "0 for padding at the end, 1 for an unknown word, 2 + its place in vocabulary",
        "file": f"the text in UTF-8, at most {MAX_BYTES} bytes; empty for none",
    }

    vocabulary: tuple[str, ...]
    length: int = 32

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if self.length < 1:
            raise ValueError(f"length must be positive, not {self.length}")
        if not self.vocabulary or len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError("vocabulary must hold words, and none of them twice")

    @classmethod
    def of_records(cls, stored: Any, options: Mapping[str, Any]) -> "TextConfig":
        """The input that knows the records' words, by default as long as their longest text."""
        length = options.get("length") or min(max(1, stored.max_words), LONGEST)
        return cls(**{**fields_of(cls, options), "length": length, "vocabulary": stored.vocabulary})

    @property
    def shape(self) -> tuple[int]:
        """The number of words."""
        return (self.length,)

    @property
    def told(self) -> str:
        """The input in words, for people."""
        return f"the first {self.length} words, of {len(self.vocabulary):,} known ones"

    @property
    def raw(self) -> tf.TensorSpec:
        """Tokens `[length]` int32."""
        return tf.TensorSpec([self.length], tf.int32)

    @property
    def given_to_encoder(self) -> dict[str, Any]:
        """The number of tokens, as the encoder's argument."""
        return {"vocabulary_size": len(self.vocabulary) + 2}

    @functools.cached_property
    def vectorizer(self) -> keras.layers.Layer:
        """Keras' layer, texts `[B]` -> tokens `[B, length]`."""
        with tf.init_scope():  # its table is no part of the graph that asks for it first
            return keras.layers.TextVectorization(
                output_sequence_length=self.length, vocabulary=list(self.vocabulary)
            )

    @property
    def tables(self) -> tuple[Any, ...]:
        """The vocabulary's table."""
        return (self.vectorizer,)

    def tokens(self, texts: tf.Tensor) -> tf.Tensor:
        """Tokens `[B, length]` int32 of texts `[B]`."""
        tokens = tf.cast(self.vectorizer(texts), tf.int32)
        return tf.ensure_shape(tokens, [*texts.shape, self.length])

    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The first words, `[length]` int32."""
        return self.tokens(stored["text"][tf.newaxis])[0]

    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """The tokens as they are: an encoder embeds them."""
        return raw

    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether there is a text."""
        return tf.not_equal(stored["text"], "")

    def absent(self) -> tf.Tensor:
        """Tokens that are all padding."""
        return tf.zeros([self.length], tf.int32)

    @property
    def file_input(self) -> tf.TensorSpec:
        """`[B]` strings, the texts themselves; "" for a clip without text."""
        return tf.TensorSpec([None], tf.string)

    def of_files(self, files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The tokens of texts."""
        large = tf.strings.length(files) > MAX_BYTES
        problems = refused((large, f"the text is larger than the limit of {MAX_BYTES} bytes"))
        return self.tokens(tf.where(large, "", files)), tf.not_equal(files, ""), problems

    def packed(self, files: Sequence[Any]) -> np.ndarray:
        """Texts `[B]`."""
        return np.array([file or b"" for file in files], object)

    def example_file(self) -> bytes:
        """A text of one word."""
        return self.vocabulary[0].encode()

    def corruptions(self, others: Sequence[np.ndarray] = ()) -> tuple[Corruption, ...]:
        """Words that are lost, unknown, or in another order."""
        del others
        levels = (0.1, 0.25, 0.4, 0.6, 0.8)
        return (
            Corruption("word drops", levels, "of the words are lost, on average", _drop),
            Corruption("unknown words", levels, "of the words are unknown, on average", _unknown),
            Corruption("word order", levels, "of the words change places", _shuffle),
        )

    def panel(self, features: np.ndarray, attribution: np.ndarray) -> Panel:
        """The drawing of how much each word matters."""
        names = ("", "(unknown)", *self.vocabulary)
        words = tuple(names[token] for token in features if token != PADDING)
        bars = Bars("Grad⊙Input of each word's embedding", words, attribution[: len(words)])
        return Panel(((bars,),), "A bar to the right speaks for the label, to the left against it.")


def _drop(tokens: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    kept = tokens[(rng.random(len(tokens)) >= level) & (tokens != PADDING)]
    return np.pad(kept, (0, len(tokens) - len(kept)))


def _unknown(tokens: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    lost = (rng.random(len(tokens)) < level) & (tokens != PADDING)
    return np.where(lost, UNKNOWN, tokens).astype(tokens.dtype)


def _shuffle(tokens: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    there = np.flatnonzero(tokens != PADDING)
    order = rng.permutation(there)  # first what moves at every severity
    moved = np.sort(order[: round(level * len(there))])
    found = tokens.copy()
    found[moved] = np.roll(tokens[moved], 1)
    return found
