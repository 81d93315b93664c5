"""Frames of a video as people see them: upright, of square pixels, in SDR, as JPEG files."""

import io
import math
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc
from PIL import Image

from tfrecords.building.motion import Motion
from tfrecords.building.settings import Settings

EARLY = 1e-3  # seconds by which a frame counts as "at" a time: some containers round to that
_NARROWEST = 1 / 8  # of the aspects of pixels that are believed; the widest is its inverse
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)  # PQ and HLG


class Jpegs:
    """Encodes the frames of one clip, all of one size.

    Args:
        settings: The size of the shorter side, the frames a second, and JPEG's quality.
        aspect: Number, the width of a pixel by its height, None if unknown.

    Attributes:
        size: Height and width in pixels.
        motion: What moves in the frames.
    """

    def __init__(self, settings: Settings, aspect: Fraction | None = None) -> None:
        self.size = (0, 0)
        self.motion = Motion()
        self._settings = settings
        believed = aspect and _NARROWEST <= aspect <= 1 / _NARROWEST
        self._aspect = float(aspect) if believed else 1.0
        # One for the clip: setting up the conversion costs ten times the conversion of a frame.
        self._reformatter = av.video.reformatter.VideoReformatter()
        self._field: _Field | None = None

    def until(self, time: float, frame: av.VideoFrame, count: int) -> list[bytes]:
        """The JPEGs for the times before `time` that are not filled yet, if any, all of `frame`.

        Args:
            time: Seconds.
            frame: The last one before `time`.
            count: How many times k / fps are filled.
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
        """RGB of a size; FFmpeg maps HDR so that its white of 203 nits becomes that of SDR."""
        sdr = {}
        if frame.color_trc in _HDR:
            sdr = {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
        if frame.interlaced_frame:
            self._field = self._field or _Field()
            frame = self._field.of(frame)
        return self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation="BICUBIC", threads=1, **sdr
        )


class _Field:
    """Takes the upper field of frames whose lines are of two moments in turn."""

    def __init__(self) -> None:
        self._form: tuple | None = None

    def of(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame's upper field, of half the height."""
        form = (frame.width, frame.height, frame.format.name)
        if form != self._form:
            self._form = form
            self._graph = av.filter.Graph()
            source = self._graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            )
            self._graph.link_nodes(
                source, self._graph.add("field", "top"), self._graph.add("buffersink")
            ).configure()
        self._graph.push(frame)
        return self._graph.pull()


def _orientation(frame: av.VideoFrame) -> tuple[int, int, bool]:
    """How a frame is to be shown, by its display matrix.

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
