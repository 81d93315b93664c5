"""Pictures that stand still: one JPEG file a clip."""

import dataclasses
import io
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from tfrecords.building import still_images
from tfrecords.building.decoded import Pictures
from tfrecords.building.settings import Settings, Window
from tfrecords.limits import MAX_PIXELS
from tfrecords.stored.base import Built, Stored, at_least, is_count, require

_ENDINGS = ".avif .bmp .jfif .jp2 .jpeg .jpg .pgm .png .ppm .tif .tiff .webp"


@dataclasses.dataclass(frozen=True)
class StoredImage(Stored):
    """The description of how the pictures of a modality are stored.

    Attributes:
        short_side: Integer, the pixels to which a longer shorter side was scaled down.
        max_height: Integer, the height of the tallest picture in pixels.
        max_width: Integer, the width of the widest picture in pixels.
    """

    kind: ClassVar[str] = "image"
    endings: ClassVar[frozenset[str]] = frozenset(_ENDINGS.split(" "))

    short_side: int
    max_height: int = 0
    max_width: int = 0

    def check(self) -> None:
        """Refuses a description that no build writes."""
        require(is_count(self.short_side), "short_side", self.short_side)
        for name in ("max_height", "max_width"):
            value = getattr(self, name)
            require(is_count(value, still_images.MAX_SIDE), name, value)

    @property
    def decoded_bytes(self) -> int:
        """The most that a decoded clip takes in memory."""
        return 3 * min(MAX_PIXELS, self.max_height * self.max_width)

    @classmethod
    def read(cls, path: pathlib.Path, settings: Settings, window: Window) -> tuple[Pictures, float]:
        """Decodes a picture's file."""
        return still_images.picture(path, settings), 0.0

    @classmethod
    def array_problem(cls, shape: Sequence[int], dtype: np.dtype) -> str:
        """The form that arrays of pictures in colour or grey must have, "" for one that has it."""
        colours = shape[3:] in ((), (1,), (3,))
        fits = len(shape) in (3, 4) and colours and dtype == np.uint8
        if not fits:
            return "image is [N, H, W, 3] or, grey, [N, H, W] or [N, H, W, 1], uint8"
        pixels = shape[1] * shape[2]
        return "" if 0 < pixels <= MAX_PIXELS else f"pictures have 1 to {MAX_PIXELS:,} pixels"

    @classmethod
    def of_row(cls, value: np.ndarray, where: str, settings: Settings) -> tuple[Pictures, float]:
        """Pixels `[H, W, 3]`, `[H, W]` or `[H, W, 1]`, uint8."""
        pixels = value[..., 0] if value.shape[2:] == (1,) else value
        image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
        return still_images.encoded(image, settings, where), 0.0

    @classmethod
    def count(cls, counted: dict[str, Any], value: Pictures) -> None:
        """Counts the size."""
        at_least(counted, height=value.height, width=value.width)

    @classmethod
    def of_build(cls, built: Built) -> "StoredImage":
        """The size that was asked for, and the largest that came of it."""
        return cls(built.settings.short_side, built.most("height"), built.most("width"))

    def extent(self, value: Sequence[bytes]) -> tuple[str, float]:
        """The shorter side."""
        return "shorter side, pixels", min(Image.open(io.BytesIO(value[0])).size)

    def draw(self, panels: Sequence[Any], value: Sequence[bytes]) -> None:
        """Draws the picture."""
        panels[0].imshow(Image.open(io.BytesIO(value[0])))
