"""Frames of a video as people see them: upright, of square pixels, in SDR, as JPEG files."""

import functools
import io
import math
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorTrc
from PIL import Image

from tfrecords.building.motion import Motion
from tfrecords.building.settings import Settings

EARLY = 1e-3  # seconds by which a frame counts as "at" a time: some containers round to that
_NARROWEST = 1 / 8  # of the aspects of pixels that are believed; the widest is its inverse
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)  # PQ and HLG
_TO_SDR = "flags=bicubic:out_primaries=bt709:out_transfer=bt709"


class Jpegs:
    """Encodes the frames of one clip, all of one size.

    Args:
        settings: Settings, the size of the shorter side, the frames a second, and JPEG's quality.
        aspect: Number, the width of a pixel by its height, None if unknown.

    Attributes:
        size: Two integers, the height and width in pixels.
        motion: Motion, the comparison of the frames.
    """

    def __init__(self, settings: Settings, aspect: Fraction | None = None) -> None:
        self.size = (0, 0)
        self.motion = Motion()
        self._settings = settings
        believed = aspect and _NARROWEST <= aspect <= 1 / _NARROWEST
        self._aspect = float(aspect) if believed else 1.0
        # One for the clip: setting up the conversion costs ten times the conversion of a frame.
        self._reformatter = av.video.reformatter.VideoReformatter()

    def until(self, time: float, frame: av.VideoFrame, count: int) -> list[bytes]:
        """The JPEGs for the times before `time` that are not filled yet, if any, all of `frame`.

        Args:
            time: Number, the time in seconds.
            frame: Frame, the last one before `time`.
            count: Integer, the number of times k / fps that are filled.
        """
        missing = math.ceil((time - EARLY) * self._settings.fps) - count
        return [self._encode(frame)] * missing if missing > 0 else []

    def _encode(self, frame: av.VideoFrame) -> bytes:
        across, down, turned = _orientation(frame)
        if self.size == (0, 0):
            height, width = frame.height, frame.width * self._aspect
            scale = min(1.0, self._settings.short_side / min(height, width))
            shown = (max(1, round(height * scale)), max(1, round(width * scale)))
            self.size = shown[::-1] if turned else shown
        height, width = self.size[::-1] if turned else self.size
        pixels = self._scaled(frame, width, height).to_ndarray()
        pixels = np.swapaxes(pixels, 0, 1) if turned else pixels
        pixels = np.ascontiguousarray(pixels[::down, ::across])
        self.motion.add(pixels)
        return jpeg(pixels, self._settings.jpeg_quality)

    def _scaled(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """A frame as RGB of a given size."""
        filters = []
        if frame.interlaced_frame:  # its lines are of two moments in turn
            filters.append(("field", "top"))
        if frame.color_trc in _HDR:  # its white of 203 nits becomes that of SDR
            filters.append(("scale", f"{width}:{height}:{_TO_SDR}"))
            filters.append(("format", "rgb24"))
        if filters:
            frame = _filtered(frame, filters)
        return self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation="BICUBIC", threads=1
        )


def _filtered(frame: av.VideoFrame, filters: Sequence[tuple[str, str]]) -> av.VideoFrame:
    """A frame after FFmpeg's filters, each a name and arguments, which keep no frame back."""
    form = (frame.width, frame.height, frame.format.name, frame.time_base or Fraction(1, 1000))
    graph = _graph(*form, tuple(filters))
    try:
        graph.push(frame)
        return graph.pull()
    except av.error.FFmpegError:
        _graph.cache_clear()  # it may be left in the middle of the frame
        raise


@functools.lru_cache(maxsize=8)  # a table for HDR takes a second, and clips are of few sizes
def _graph(
    width: int, height: int, pixels: str, time_base: Fraction, filters: tuple[tuple[str, str], ...]
) -> av.filter.Graph:
    graph = av.filter.Graph()
    graph.threads = 1  # the builder has one process a core
    source = graph.add_buffer(width=width, height=height, format=pixels, time_base=time_base)
    rest = [graph.add(*each) for each in (*filters, ("buffersink",))]
    graph.link_nodes(source, *rest).configure()
    return graph


def _orientation(frame: av.VideoFrame) -> tuple[int, int, bool]:
    """The orientation in which a frame is to be shown, by its display matrix.

    Returns:
        The steps, 1 or -1, across and down, by which a picture is mirrored after it was transposed,
        and whether it is.
    """
    found = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return 1, 1, False
    # (x, y) is shown at (a x + c y, b x + d y)
    a, b, _, c, d = np.frombuffer(bytes(found), np.int32)[:5].tolist()
    turned = abs(b) + abs(c) > abs(a) + abs(d)
    across, down = (c, b) if turned else (a, d)
    return -1 if across < 0 else 1, -1 if down < 0 else 1, turned


def jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """Encodes a frame `[H, W, 3]` uint8 as a JPEG file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()
