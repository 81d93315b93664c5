"""Text: UTF-8, as it was written; words are numbers only in the model, by the set's vocabulary."""

import dataclasses
import itertools
import pathlib
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from tfrecords.building.container import check_file
from tfrecords.building.decoded import Passage
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings, Window
from tfrecords.limits import MAX_TEXT
from tfrecords.stored.base import Built, Stored, is_count, require

MAX_TOKENS = 10_000  # of a vocabulary, the two that stand for no word and for any other among them
_BATCH = 256
_DRAWN = 160  # characters of a contact sheet's panel


@dataclasses.dataclass(frozen=True)
class StoredText(Stored):
    """The description of how the texts of a modality are stored.

    Attributes:
        vocabulary: Strings, the words of the training split's texts as Keras' `TextVectorization`
            standardises and splits them, the most frequent first, those of one frequency in
            reverse alphabetical order.
        max_words: Integer, the words of the longest text of the set.
    """

    kind: ClassVar[str] = "text"
    endings: ClassVar[frozenset[str]] = frozenset({".txt"})

    vocabulary: tuple[str, ...] = ()
    max_words: int = 0

    def check(self) -> None:
        """Refuses a description that no build writes."""
        words = self.vocabulary
        known = isinstance(words, tuple) and all(isinstance(w, str) and w for w in words)
        require(known and len(set(words)) == len(words) <= MAX_TOKENS, "vocabulary", words)
        require(is_count(self.max_words, MAX_TEXT), "max_words", self.max_words)

    @property
    def decoded_bytes(self) -> int:
        """The most that a clip takes in memory, at eight bytes a word."""
        return 8 * self.max_words

    @classmethod
    def holds_value(cls, cell: str) -> bool:
        """Whether a cell is the text, and not the path of a `.txt` file."""
        return not cell.lower().endswith(".txt")

    @classmethod
    def of_cell(cls, cell: str) -> tuple[Passage, float]:
        """The text of a list's cell."""
        return _passage(cell, "the text"), 0.0

    @classmethod
    def read(cls, path: pathlib.Path, settings: Settings, window: Window) -> tuple[Passage, float]:
        """Reads a file of UTF-8, with or without a byte-order mark."""
        try:
            empty = path.is_file() and not path.stat().st_size
            if not empty:
                check_file(path)
            with path.open("rb") as file:
                content = file.read(MAX_TEXT + 4)  # a byte-order mark does not count
        except OSError as error:
            raise MediaError("unreadable", f"{path.name}: {error.strerror}") from error
        return _passage(_decoded(content, path.name), path.name), 0.0

    @classmethod
    def array_problem(cls, shape: Sequence[int], dtype: np.dtype) -> str:
        """The form that arrays of texts must have, "" for one that has it."""
        fits = len(shape) == 1 and dtype.kind in "US"
        return "" if fits else "text is [N] texts, as np.array(texts, str) makes them"

    @classmethod
    def of_row(cls, value: Any, where: str, settings: Settings) -> tuple[Passage, float]:
        """A string, or bytes of UTF-8."""
        value = np.asarray(value)[()]  # of an array without dimensions
        text = _decoded(bytes(value), where) if isinstance(value, bytes) else str(value)
        return _passage(text, where), 0.0

    @classmethod
    def count(cls, counted: dict[str, Any], value: Passage) -> None:
        """Counts the texts; their words are counted by Keras, at the end."""
        counted["texts"] = counted.get("texts", 0) + 1

    @classmethod
    def of_build(cls, built: Built) -> "StoredText":
        """The vocabulary of the training split, and the longest of all texts."""
        # Takes seconds: at the end of the build of a set with texts, and not before.
        import keras
        import tensorflow as tf

        counter = keras.layers.TextVectorization(vocabulary=["the"])
        longest = [0]

        def batches(split: str) -> Iterator[list[str]]:
            for texts in _batches(built.values(cls(), split)):
                longest.append(int(counter(tf.constant(texts)).shape[1]))
                yield texts

        words = keras.layers.TextVectorization(max_tokens=MAX_TOKENS)
        for split in ("validation", "test"):
            for _ in batches(split):
                pass
        if built.training:
            words.adapt(
                tf.data.Dataset.from_generator(
                    lambda: batches("train"), output_signature=tf.TensorSpec([None], tf.string)
                )
            )
        found = words.get_vocabulary(include_special_tokens=False) if built.training else []
        return cls(tuple(map(str, found)), max(longest))

    def extent(self, value: str) -> tuple[str, float]:
        """The number of words."""
        return "words", len(value.split())

    def draw(self, panels: Sequence[Any], value: str) -> None:
        """Writes the first words."""
        text = textwrap.shorten(value, _DRAWN, placeholder=" ...")
        lines = textwrap.fill(text or value[:_DRAWN], 32)
        panels[0].text(0, 1, lines, fontsize=6, va="top", parse_math=False)


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(content) > MAX_TEXT:  # the read may have ended inside a character
            raise _too_large(where) from None
        raise MediaError("undecodable", f"{where} is not text in UTF-8: {error}") from error


def _passage(text: str, where: str) -> Passage:
    """A text, without the spaces around it.

    Raises:
        MediaError: It is not text, or too long.
    """
    text = text.strip()
    if not text:
        raise MediaError("no text", f"{where} is empty")
    if "\0" in text:
        raise MediaError("undecodable", f"{where} is not text in UTF-8: it holds NUL")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise MediaError("undecodable", f"{where} is not text in Unicode: {error}") from error
    if size > MAX_TEXT:
        raise _too_large(where)
    return Passage(text)


def _too_large(where: str) -> MediaError:
    return MediaError("too large", f"{where} has more than {MAX_TEXT:,} bytes")


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    texts = iter(texts)
    while batch := list(itertools.islice(texts, _BATCH)):
        yield batch
