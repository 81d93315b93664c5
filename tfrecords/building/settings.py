"""The settings by which media files are decoded, and the part of them that is."""

import dataclasses
import math

from tfrecords.limits import MAX_PIXELS


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings by which clips are decoded.

    Attributes:
        audio_rate: Integer, the samples a second of the waveform (Hz).
        audio_codec: String, `pcm16`, or `flac`, which also compresses the waveform.
        fps: Number, the frames a second that are kept.
        short_side: Integer, the pixels to which a longer shorter side of a frame is scaled down.
        max_seconds: Number, the seconds after which a clip is cut off.
        max_pixels: Integer, the most pixels of a frame; larger frames are refused.
        jpeg_quality: Integer, the quality of the kept frames, on libjpeg's scale.
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
