"""The interface of all kinds of modalities to the builder and to the tools."""

import abc
import dataclasses
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tfrecords.building.settings import Settings, Window


@dataclasses.dataclass(frozen=True)
class Built:
    """The values of a modality at the end of a build.

    Attributes:
        name: String, the modality.
        settings: Settings, how the clips were decoded.
        counted: Sequence of mappings, what `Stored.count` counted in each shard that holds the
            modality.
        training: Sequence of mappings, those of them that are of the training split.
        values: Function, (how it is stored, split or None for all) -> the values in the records, as
            `schema.read` gives them, in their order. It reads them all: for what cannot be counted.
    """

    name: str
    settings: Settings
    counted: Sequence[Mapping[str, Any]]
    training: Sequence[Mapping[str, Any]]
    values: Callable[["Stored", str | None], Iterator[Any]]

    def most(self, field: str) -> int:
        """The largest of what was counted by `at_least`."""
        return max((part.get(field, 0) for part in self.counted), default=0)


@dataclasses.dataclass(frozen=True)
class Stored(abc.ABC):
    """The way in which one modality of a set is stored; all that tools know of its kind.

    A subclass is a frozen dataclass whose fields are numbers, texts or tuples of them: the set's
    description holds them as JSON.

    Example:
        >>> tfrecords.stored.STORED["audio"](16_000, max_samples=8_000).decoded_bytes
        16000

    Attributes:
        kind: String, the kind's name, which lists, records and flags use.
        endings: Strings in lower case, e.g. `.wav`, of the files that are of this kind.
        panels: Integer, the panels of a contact sheet that a clip gets.
        timed: Boolean, whether a clip's value has a length in time.
        blank: String, a word for values of less worth than `least`, e.g. `silent`. Records of such
            are counted and named; empty where none are looked for.
        least: Number, the worth from which on a value tells something.
    """

    kind: ClassVar[str] = ""
    endings: ClassVar[frozenset[str]] = frozenset()
    panels: ClassVar[int] = 1
    timed: ClassVar[bool] = False
    blank: ClassVar[str] = ""
    least: ClassVar[float] = -math.inf

    def __post_init__(self) -> None:
        """Takes lists, as JSON has them, for tuples."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))

    # -- the description of a set -----------------------------------------------------------------

    @abc.abstractmethod
    def check(self) -> None:
        """Refuses, by a ValueError, a description that no build writes."""

    @property
    @abc.abstractmethod
    def decoded_bytes(self) -> int:
        """The most that a decoded clip takes in memory."""

    @property
    def longest_seconds(self) -> float:
        """The length of the longest clip in seconds; 0 for what has no length in time."""
        return 0.0

    def mismatch(self, modality: Any) -> str:
        """The reason why a model's input cannot be made of these records, "" where it can.

        Args:
            modality: `amr_tf.modalities.Modality`, the input, of the same kind.

        Returns:
            What the records hold and what is wanted, to go on `... holds`.
        """
        del modality
        return ""

    # -- building ---------------------------------------------------------------------------------

    @classmethod
    @abc.abstractmethod
    def read(cls, path: pathlib.Path, settings: Settings, window: Window) -> tuple[Any, float]:
        """Reads a file's part.

        Args:
            path: Path of the file.
            settings: Settings, the rates and sizes.
            window: Window, the part of the file that is the clip.

        Returns:
            What the record gets, e.g. a `tfrecords.building.decoded.Sound`, and its length in
            seconds, 0 for what has none.

        Raises:
            MediaError: The file cannot be used.
        """

    @classmethod
    def holds_value(cls, cell: str) -> bool:
        """Whether a cell of a list holds the value itself, and not the path of its file."""
        del cell
        return False

    @classmethod
    def of_cell(cls, cell: str) -> tuple[Any, float]:
        """Reads a cell that holds the value, as `read` does a file.

        Args:
            cell: String, one for which `holds_value` is true.

        Raises:
            MediaError: The cell cannot be used.
        """
        raise NotImplementedError(f"{cls.kind} is read from files: {cell!r}")

    @classmethod
    def array_problem(cls, shape: Sequence[int], dtype: np.dtype) -> str:
        """The form that arrays of this kind must have, "" for an array that has it.

        Args:
            shape: Integers, the array's shape, of one dimension or more: the first is the clips'.
            dtype: Type of the array.
        """
        del shape, dtype
        return f"{cls.kind} is not read from arrays"

    @classmethod
    def of_row(cls, value: np.ndarray, where: str, settings: Settings) -> tuple[Any, float]:
        """Reads one row of an array in which `array_problem` sees none, as `read` does a file.

        Args:
            value: Array, the row.
            where: String, the place of the row, for messages.
            settings: Settings, the rates and sizes.

        Raises:
            MediaError: The row cannot be used.
        """
        raise NotImplementedError(f"{cls.kind} is not read from arrays, nor is {where}")

    @classmethod
    def worth(cls, value: Any) -> float:
        """The worth of a value, e.g. how loud a sound is.

        Args:
            value: Value that `read` gave.
        """
        del value
        return math.inf

    @classmethod
    @abc.abstractmethod
    def count(cls, counted: dict[str, Any], value: Any) -> None:
        """Counts a record's value in a shard's report.

        Args:
            counted: Mapping, the numbers that were counted of this modality in the shard so far,
                empty at first. It is to be JSON at last; arrays become lists.
            value: Value that `read` gave.
        """

    @classmethod
    @abc.abstractmethod
    def of_build(cls, built: Built) -> "Stored":
        """The description of a modality at the end of a build.

        Raises:
            ValueError: The clips do not fit together.
        """

    # -- tools ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def extent(self, value: Any) -> tuple[str, float]:
        """The measured extent of a clip: its name, e.g. `seconds`, and its value.

        Args:
            value: Value that `schema.read` gives.
        """

    @abc.abstractmethod
    def draw(self, panels: Sequence[Any], value: Any) -> None:
        """Draws a clip.

        Args:
            panels: Sequence of Matplotlib's axes, as many as `panels` says.
            value: Value that `schema.read` gives.
        """


def at_least(counted: dict[str, Any], **sizes: int) -> None:
    """Raises counted sizes to those that are larger."""
    for field, size in sizes.items():
        counted[field] = max(counted.get(field, 0), size)


def require(condition: bool, what: str, value: Any) -> None:
    """Raises ValueError, naming a value of a description, unless the condition holds."""
    if not condition:
        raise ValueError(f"not a description of a record set: {what} is {repr(value)[:200]}")


def is_count(value: Any, most: int = 2**40) -> bool:
    """Whether a value is a whole number from 0 to `most`."""
    return type(value) is int and 0 <= value <= most


def is_number(value: Any) -> bool:
    """Whether a value is a positive number of a sane size."""
    return type(value) in (int, float) and 0 < value < 1e6
