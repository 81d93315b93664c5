"""Numbers that were computed before: arrays of one shape, or sequences of them, one a clip."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tfrecords.building.container import check_file
from tfrecords.building.decoded import Vector
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings, Window
from tfrecords.limits import MAX_FEATURES
from tfrecords.stored.base import Built, Stored, at_least, is_count, require


@dataclasses.dataclass(frozen=True)
class StoredFeatures(Stored):
    """The description of how the numbers of a modality are stored, as float32.

    Attributes:
        dimensions: Integers, the shape of a clip's array, one for all clips; of sequences the
            first is None, and the others are the shape of a step.
        mean: Numbers, the mean of each feature over the training split, in row-major order; of
            sequences each feature of a step, over all steps of the split.
        std: Numbers, the standard deviation of each feature over the training split, likewise.
        max_steps: Integer, the steps of the longest sequence; 0 where there are none.
    """

    kind: ClassVar[str] = "features"
    endings: ClassVar[frozenset[str]] = frozenset({".npy"})

    dimensions: tuple[int | None, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    max_steps: int = 0

    @property
    def is_sequence(self) -> bool:
        """Whether clips differ in their number of steps."""
        return bool(self.dimensions) and self.dimensions[0] is None

    def check(self) -> None:
        """Refuses a description that no build writes."""
        require(isinstance(self.dimensions, tuple), "dimensions", self)
        require(is_count(self.max_steps), "max_steps", self.max_steps)
        fixed = self.dimensions[1:] if self.is_sequence else self.dimensions
        least = 1 if self.is_sequence else 0
        require(all(is_count(size) and size >= least for size in fixed), "dimensions", self)
        require(self.is_sequence == (self.max_steps > 0), "max_steps", self.max_steps)
        require(math.prod(fixed) * max(1, self.max_steps) <= MAX_FEATURES, "dimensions", self)
        for name in ("mean", "std"):
            values = getattr(self, name)
            numbers = isinstance(values, tuple) and all(
                type(x) in (int, float) and math.isfinite(x) for x in values
            )
            require(numbers and len(values) in (0, math.prod(fixed)), name, values)

    @property
    def decoded_bytes(self) -> int:
        """The most that a clip takes in memory."""
        if self.is_sequence:
            return 4 * self.max_steps * math.prod(self.dimensions[1:])
        return 4 * math.prod(self.dimensions)

    def mismatch(self, modality: Any) -> str:
        """Tells whether the model takes another shape; the steps of a sequence may differ."""
        wanted = tuple(modality.shape)
        if self.is_sequence:
            fits = len(wanted) == len(self.dimensions) and wanted[1:] == self.dimensions[1:]
        else:
            fits = self.dimensions in (wanted, modality.dimensions)
        if fits:
            return ""
        return f"features of the shape {self.dimensions}: the model takes {modality.shape}"

    @classmethod
    def read(cls, path: pathlib.Path, settings: Settings, window: Window) -> tuple[Vector, float]:
        """Reads an `.npy` file."""
        check_file(path)
        try:
            values = np.load(path)
            if not isinstance(values, np.ndarray):
                raise ValueError("it is an .npz file")
        except (OSError, ValueError, EOFError) as error:
            detail = f"{path.name}: not an .npy file of numbers: {error}"
            raise MediaError("undecodable", detail) from error
        return _vector(values, path.name), 0.0

    @classmethod
    def array_problem(cls, shape: Sequence[int], dtype: np.dtype) -> str:
        """The form that arrays of numbers must have, of any shape, "" for one that has it."""
        return "" if dtype.kind in "fiub" else "features are numbers"

    @classmethod
    def of_row(cls, value: np.ndarray, where: str, settings: Settings) -> tuple[Vector, float]:
        """Numbers of any shape."""
        return _vector(value, where), 0.0

    @classmethod
    def count(cls, counted: dict[str, Any], value: Vector) -> None:
        """Keeps the shapes that occur, two at the most, and the sums for mean and deviation.

        Whether the set holds sequences is known at the end of the build: as long as both can be,
        there are sums for both, over clips and over steps.
        """
        values = value.values.astype(np.float64)
        at_least(counted, steps=len(values))
        shapes = _few(counted.setdefault("shapes", []), values.shape)
        tails = _few(counted.setdefault("tails", []), values.shape[1:])
        if len(shapes) == 1:
            _add(counted, "moments", values.reshape(1, -1))
        else:
            counted.pop("moments", None)  # of arrays of one shape, which the set's are not
        if len(tails) == 1:
            _add(counted, "step_moments", values.reshape(len(values), -1))

    @classmethod
    def of_build(cls, built: Built) -> "StoredFeatures":
        """The shape, and the training split's mean and deviation."""
        shapes = {tuple(shape) for part in built.counted for shape in part["shapes"]}
        tails = {tuple(tail) for part in built.counted for tail in part["tails"]}
        if len(shapes) == 1:
            return cls(shapes.pop(), *_moments([part["moments"] for part in built.training]))
        if not shapes:
            raise ValueError(f"no clip has the features {built.name}")
        if len(tails) > 1 or () in tails:
            example = ", ".join(map(str, sorted(shapes)[:4]))
            raise ValueError(
                f"the features {built.name} are of different shapes: {example}; a sequence is "
                "[t, D], and D is the same in all clips"
            )
        mean, std = _moments([part["step_moments"] for part in built.training])
        return cls((None, *tails.pop()), mean, std, built.most("steps"))

    def extent(self, value: np.ndarray) -> tuple[str, float]:
        """The steps of a sequence; else the largest magnitude: what is wrong shows there."""
        if self.is_sequence:
            return "steps", len(value)
        return "largest magnitude", float(np.abs(value).max(initial=0))

    def draw(self, panels: Sequence[Any], value: np.ndarray) -> None:
        """Draws the numbers as a line, a sequence as a picture whose columns are the steps."""
        if self.is_sequence:
            panels[0].imshow(value.reshape(len(value), -1).T, aspect="auto")
        else:
            panels[0].plot(value.reshape(-1), lw=0.6)


def _few(kept: list[list[int]], shape: Sequence[int]) -> list[list[int]]:
    """Keeps a shape among those that occur, if there are not two already."""
    if list(shape) not in kept and len(kept) < 2:
        kept.append(list(shape))
    return kept


def _add(counted: dict[str, Any], name: str, rows: np.ndarray) -> None:
    """Adds rows to their number, their sum and their sum of squares."""
    count, total, squares = counted.get(name, (0, 0.0, 0.0))
    counted[name] = [count + len(rows), total + rows.sum(0), squares + (rows**2).sum(0)]


def _vector(values: np.ndarray, where: str) -> Vector:
    if values.dtype.kind not in "fiub" or values.size > MAX_FEATURES:
        raise MediaError("undecodable", f"{where}: {values.dtype} {values.shape} are not features")
    if not values.size:
        raise MediaError("too short", f"{where} holds no numbers")
    values = np.atleast_1d(values).astype(np.float32)
    if not np.isfinite(values).all():
        raise MediaError("not finite", f"{where} holds NaN or infinity")
    return Vector(values)


def _moments(parts: Sequence[Sequence]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each feature, from the shards' counts and sums.

    Args:
        parts: Sequence of three values for each shard: the number of clips or steps, each feature's
            sum, and its sum of squares.

    Returns:
        Two tuples of numbers, in row-major order; empty where there are no clips.
    """
    count = sum(part[0] for part in parts)
    if not count:
        return (), ()
    mean, square = (sum(np.asarray(part[i]) for part in parts) / count for i in (1, 2))
    # rounding can make the variance of a constant a little negative
    std = np.sqrt(np.maximum(square - mean**2, 0))
    std[std <= 1e-6 * np.abs(mean)] = 0.0
    return tuple(mean.tolist()), tuple(std.tolist())
