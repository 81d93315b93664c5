"""How media files are decoded, and which part of them."""

import dataclasses
import math

from tfrecords.limits import MAX_PIXELS


@dataclasses.dataclass(frozen=True)
class Settings:
    """How clips are decoded.

    Attributes:
        audio_rate: Samples a second of the waveform (Hz).
        audio_codec: `pcm16`, or `flac`: compress the waveform too.
        fps: Frames a second that are kept.
        short_side: Frames with a longer shorter side are scaled down to this (pixels), never up.
        max_seconds: What lies beyond is cut off.
        max_pixels: Frames with more pixels are refused.
        jpeg_quality: Of the kept frames, on libjpeg's scale.
    """

    audio_rate: int = 16_000
    audio_codec: str = "pcm16"
    fps: float = 4.0
    short_side: int = 256
    max_seconds: float = 60.0
    max_pixels: int = MAX_PIXELS
    jpeg_quality: int = 95


@dataclasses.dataclass(frozen=True)
class Window:
    """The part of a file that is a clip.

    Attributes:
        start: Number, seconds from the file's start.
        end: Number, seconds from the file's start; infinity for the file's end.
    """

    start: float = 0.0
    end: float = math.inf
