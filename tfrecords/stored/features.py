"""Numbers that were computed before: vectors or arrays of one shape, one a clip."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from tfrecords.building.container import MediaError
from tfrecords.building.decoded import Vector
from tfrecords.building.media import Settings, Window
from tfrecords.limits import MAX_FEATURES
from tfrecords.stored.base import Built, Stored, is_count, require


@dataclasses.dataclass(frozen=True)
class StoredFeatures(Stored):
    """How the numbers of a modality are stored: float32, of one shape in all clips.

    Attributes:
        dimensions: Integers, the shape of a clip's array.
        mean: Numbers, the mean of each feature over the training split, in row-major order.
        std: Numbers, the standard deviation of each feature over the training split.
    """

    kind: ClassVar[str] = "features"

    dimensions: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def check(self) -> None:
        """Refuses what no build writes."""
        known = isinstance(self.dimensions, tuple) and all(map(is_count, self.dimensions))
        require(known and math.prod(self.dimensions) <= MAX_FEATURES, "dimensions", self)
        for name in ("mean", "std"):
            values = getattr(self, name)
            numbers = isinstance(values, tuple) and all(
                type(x) in (int, float) and math.isfinite(x) for x in values
            )
            counts = (0, math.prod(self.dimensions))
            require(numbers and len(values) in counts, name, values)

    @property
    def decoded_bytes(self) -> int:
        """What a clip takes in memory."""
        return 4 * math.prod(self.dimensions)

    def mismatch(self, modality: Any) -> str:
        """Whether the model takes another shape."""
        if modality.shape == self.dimensions:
            return ""
        return f"features of the shape {self.dimensions}: the model takes {modality.shape}"

    @classmethod
    def read(cls, path: pathlib.Path, settings: Settings, window: Window) -> tuple[Vector, float]:
        """Reads an `.npy` file."""
        try:
            values = np.load(path)
        except FileNotFoundError:
            raise MediaError("missing", f"no file {path.name}") from None
        except (OSError, ValueError, EOFError) as error:
            detail = f"{path.name}: no .npy file of numbers: {error}"
            raise MediaError("undecodable", detail) from error
        return _vector(values, path.name), 0.0

    @classmethod
    def array_problem(cls, shape: Sequence[int], dtype: np.dtype) -> str:
        """Numbers of whatever shape."""
        return "" if dtype.kind in "fiub" else "features are numbers"

    @classmethod
    def of_row(cls, value: np.ndarray, where: str, settings: Settings) -> tuple[Vector, float]:
        """Numbers of any shape."""
        return _vector(value, where), 0.0

    @classmethod
    def count(cls, counted: dict[str, Any], value: Vector) -> None:
        """Keeps the shapes that occur, two at the most, and the sums for mean and deviation."""
        shape = list(value.values.shape)
        shapes = counted.setdefault("shapes", [])
        if shape not in shapes[:2]:
            shapes.append(shape)
        if len(shapes) == 1:
            values = value.values.reshape(-1).astype(np.float64)
            clips, total, squares = counted.get("moments", (0, 0.0, 0.0))
            counted["moments"] = [clips + 1, values + total, values**2 + squares]

    @classmethod
    def of_build(cls, built: Built) -> "StoredFeatures":
        """The shape, and the training split's mean and deviation."""
        shapes = {tuple(shape) for part in built.counted for shape in part["shapes"]}
        if len(shapes) != 1:
            example = ", ".join(map(str, sorted(shapes)[:4]))
            raise ValueError(f"the features {built.name} are of different shapes: {example}")
        return cls(shapes.pop(), *_moments(built.training))

    def extent(self, value: np.ndarray) -> tuple[str, float]:
        """The largest magnitude: what is wrong with numbers shows there."""
        return "largest magnitude", float(np.abs(value).max(initial=0))

    def draw(self, panels: Sequence[Any], value: np.ndarray) -> None:
        """Draws the numbers as a line."""
        panels[0].plot(value.reshape(-1), lw=0.6)


def _vector(values: np.ndarray, where: str) -> Vector:
    if values.dtype.kind not in "fiub" or values.size > MAX_FEATURES:
        raise MediaError("undecodable", f"{where}: {values.dtype} {values.shape} are no features")
    values = np.atleast_1d(values).astype(np.float32)
    if not np.isfinite(values).all():
        raise MediaError("not finite", f"{where} holds NaN or infinity")
    return Vector(values)


def _moments(parts: Sequence[Mapping]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each feature, from the shards' counts and sums.

    Args:
        parts: For each shard its number of clips, and each feature's sum and sum of squares.

    Returns:
        Two tuples of numbers, in row-major order; empty where there are no clips.
    """
    sums = [part["moments"] for part in parts]
    count = sum(clips for clips, *_ in sums)
    if not count:
        return (), ()
    mean, square = (sum(np.asarray(part[i]) for part in sums) / count for i in (1, 2))
    # rounding can make the variance of a constant a little negative
    std = np.sqrt(np.maximum(square - mean**2, 0))
    std[std <= 1e-6 * np.abs(mean)] = 0.0
    return tuple(mean.tolist()), tuple(std.tolist())
