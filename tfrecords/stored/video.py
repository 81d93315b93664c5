"""Pictures that move: JPEG frames at even times. Optical flow is video, too."""

import dataclasses
import io
import math
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from tfrecords.building import media
from tfrecords.building.decoded import Pictures
from tfrecords.building.errors import MediaError
from tfrecords.building.motion import Motion
from tfrecords.building.pictures import jpeg
from tfrecords.building.settings import Settings, Window
from tfrecords.limits import MAX_PIXELS
from tfrecords.stored.base import Built, Stored, at_least, is_count, is_number, require

_ENDINGS = (
    ".3gp .asf .avi .dv .f4v .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut .ogv "
    ".rm .ts .vob .webm .wmv"
)


@dataclasses.dataclass(frozen=True)
class StoredVideo(Stored):
    """The description of how the frames of a modality are stored.

    Attributes:
        fps: Number, the stored frames a second.
        short_side: Integer, the pixels to which a longer shorter side of a frame was scaled down.
        max_frames: Integer, the frames of the longest clip.
        max_height: Integer, the height of the tallest frame in pixels.
        max_width: Integer, the width of the widest frame in pixels.
    """

    kind: ClassVar[str] = "video"
    endings: ClassVar[frozenset[str]] = frozenset(_ENDINGS.split(" "))
    panels: ClassVar[int] = 3
    timed: ClassVar[bool] = True
    blank: ClassVar[str] = "still"
    least: ClassVar[float] = 2.0  # levels of 255: codecs and cameras change a still picture by less

    fps: float
    short_side: int
    max_frames: int = 0
    max_height: int = 0
    max_width: int = 0

    def check(self) -> None:
        """Refuses a description that no build writes."""
        require(is_number(self.fps), "fps", self.fps)
        for name in ("short_side", "max_frames", "max_height", "max_width"):
            require(is_count(getattr(self, name)), name, getattr(self, name))
        size = self.max_height * self.max_width
        require(size <= MAX_PIXELS, "max_height, max_width", (self.max_height, self.max_width))

    @property
    def decoded_bytes(self) -> int:
        """The most that a decoded clip takes in memory."""
        return 3 * self.max_frames * self.max_height * self.max_width

    @property
    def longest_seconds(self) -> float:
        """The length of the longest clip in seconds."""
        return self.max_frames / self.fps

    @classmethod
    def read(cls, path: pathlib.Path, settings: Settings, window: Window) -> tuple[Pictures, float]:
        """Decodes the frames of a media file."""
        return media.pictures(path, settings, window)

    @classmethod
    def array_problem(cls, shape: Sequence[int], dtype: np.dtype) -> str:
        """The form that arrays of frames or optical flow must have, "" for one that has it."""
        fits = len(shape) in (4, 5) and shape[-1] in (2, 3) and dtype == np.uint8
        if not fits:
            return "video is [N, T, H, W, 3] uint8, or [N, T, H, W, 2] of an optical flow"
        pixels = shape[-3] * shape[-2]
        return "" if 0 < pixels <= MAX_PIXELS else f"frames have 1 to {MAX_PIXELS:,} pixels"

    @classmethod
    def of_row(cls, value: np.ndarray, where: str, settings: Settings) -> tuple[Pictures, float]:
        """Frames `[T, H, W, 3]` or one picture `[H, W, 3]`, uint8, at the set's rate.

        An optical flow has two channels, how far each pixel moves across and down, 128 for not at
        all; the third becomes 128, the middle, which tells nothing.
        """
        frames = value if value.ndim == 4 else value[None]
        if frames.shape[-1] == 2:
            frames = np.concatenate([frames, np.full_like(frames[..., :1], 128)], -1)
        jpegs = tuple(jpeg(frame, settings.jpeg_quality) for frame in frames)
        if not jpegs:
            raise MediaError("too short", f"{where} holds no frame")
        motion = Motion()
        for frame in frames:
            motion.add(frame)
        found = Pictures.at_rate(jpegs, settings.fps, *frames.shape[1:3], motion.value)
        return found, len(jpegs) / settings.fps

    @classmethod
    def worth(cls, value: Pictures) -> float:
        """The amount of motion; one frame by itself is not a video that stands still."""
        return value.motion if len(value.frames) > 1 else math.inf

    @classmethod
    def count(cls, counted: dict[str, Any], value: Pictures) -> None:
        """Counts the frames and their size."""
        at_least(counted, frames=len(value.frames), height=value.height, width=value.width)

    @classmethod
    def of_build(cls, built: Built) -> "StoredVideo":
        """The rate and size that were asked for, and the largest that came of it."""
        return cls(
            built.settings.fps,
            built.settings.short_side,
            max_frames=built.most("frames"),
            max_height=built.most("height"),
            max_width=built.most("width"),
        )

    def extent(self, value: Sequence[bytes]) -> tuple[str, float]:
        """The number of frames."""
        return "frames", len(value)

    def draw(self, panels: Sequence[Any], value: Sequence[bytes]) -> None:
        """Draws the first frame, the middle one and the last."""
        for panel, number in zip(panels, np.linspace(0, len(value) - 1, len(panels)), strict=True):
            panel.imshow(Image.open(io.BytesIO(value[round(number)])))
