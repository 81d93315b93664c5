"""A decoded clip, on its way from media files or arrays to a record."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Sound:
    """A waveform.

    Attributes:
        waveform: Array `[samples]` of int16, mono.
        flac: Bytes, the same as a FLAC stream, or None where PCM is stored.
    """

    waveform: np.ndarray
    flac: bytes | None = None

    @property
    def loudness(self) -> float:
        """The root of the mean square, in dB below the largest; minus infinity for silence."""
        power = (
            float(np.square(self.waveform, dtype=np.float64).mean()) if self.waveform.size else 0.0
        )
        return 10 * math.log10(power / 2**30) if power else -math.inf


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Frames, all of one size; a picture that stands still has one.

    Attributes:
        frames: Bytes, one JPEG file a frame.
        timestamps_us: Integers, the time of each frame in microseconds.
        height: Integer, the frames' height in pixels.
        width: Integer, the frames' width in pixels.
        motion: Number, the amount of motion, see `tfrecords.building.motion`.
    """

    frames: tuple[bytes, ...]
    timestamps_us: tuple[int, ...]
    height: int
    width: int
    motion: float = 0.0

    @classmethod
    def at_rate(
        cls, frames: Sequence[bytes], fps: float, height: int, width: int, motion: float
    ) -> "Pictures":
        """Frames at the times k / fps."""
        times = tuple(round(1e6 * k / fps) for k in range(len(frames)))
        return cls(tuple(frames), times, height, width, motion)


@dataclasses.dataclass(frozen=True)
class Vector:
    """An array of numbers.

    Attributes:
        values: Array of float32 of the shape that all clips of the set share, or a sequence
            `[t, D...]`.
    """

    values: np.ndarray


@dataclasses.dataclass(frozen=True)
class Passage:
    """A text.

    Attributes:
        text: String, not empty, without spaces around it.
    """

    text: str


@dataclasses.dataclass(frozen=True)
class Clip:
    """A decoded clip.

    Attributes:
        values: Mapping, modality -> `Sound`, `Pictures`, `Vector`, `Passage`, or what a kind
            of the user's own reads; it lacks what the clip lacks.
        duration: Number, seconds; 0 for a clip without time.
    """

    values: dict[str, Any]
    duration: float = 0.0
