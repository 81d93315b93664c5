"""Decodes one media file: a mono waveform and JPEG frames, both on the container's clock.

Decoders disagree by version about padding (AAC priming above all), and the web's files have gaps,
late starts and wrong frame rates. So everything is placed by timestamps: sample 0 and frame 0 are
time 0.
"""

import dataclasses
import io
import math
import pathlib

import av
import numpy as np
from PIL import Image

from tfrecords import flac
from tfrecords.building.container import MediaError, open_stream
from tfrecords.building.decoded import Pictures, Sound
from tfrecords.limits import MAX_PIXELS

_SHORTEST = 0.1  # seconds of sound below which a clip is useless
_GAP = 0.1  # seconds by which timestamps may jitter (Matroska and FLV round to milliseconds)
_EARLY = 1e-3  # seconds by which a frame counts as "at" a time, for the same reason


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


def sound(path: pathlib.Path, settings: Settings, window: Window) -> tuple[Sound, float]:
    """Decodes the waveform of a file's part.

    Args:
        path: Path of the file.
        settings: Rates and limits.
        window: The part of the file.

    Returns:
        The sound and its length in seconds.

    Raises:
        MediaError: There is no sound, or it cannot be decoded.
    """
    stop = min(window.end, window.start + settings.max_seconds)
    with open_stream(path, "audio", settings.max_pixels) as stream:
        stream.seek(window.start)
        end = stream.begin
        pieces: list[_Piece] = []
        for frame, time in stream.decode():
            if time is None:
                time = end
            if time >= stop:
                break
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if not pieces or form != pieces[-1].form or abs(time - end) > _GAP:
                pieces.append(_Piece(time - window.start, form, settings.audio_rate))
                end = time
            pieces[-1].add(frame)
            end += frame.samples / frame.sample_rate
        length = stream.end(end, stop) - window.start
    if length < _SHORTEST:
        raise MediaError("too short", f"{max(0, length):.3f} s of sound in {path.name}")
    waveform = np.zeros(round(length * settings.audio_rate), np.int16)
    for piece in pieces:
        piece.place(waveform)
    if settings.audio_codec == "flac":
        return Sound(waveform, flac.encode(waveform, settings.audio_rate)), length
    return Sound(waveform), length


class _Piece:
    """A stretch of sound without gaps, on its way to one rate and one channel."""

    def __init__(self, start: float, form: tuple[str, str, int], rate: int) -> None:
        self.form = form
        self._start = round(start * rate)
        self._rate = rate
        self._samples = 0
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        self._chunks: list[np.ndarray] = []

    def add(self, frame: av.AudioFrame | None) -> None:
        if frame is not None:
            frame.pts = None  # the piece has no gaps: the resampler need not look for any
            self._samples += frame.samples
        for resampled in self._resampler.resample(frame):
            self._chunks.append(resampled.to_ndarray().reshape(-1))

    def place(self, waveform: np.ndarray) -> None:
        """Copies the piece to its place in `waveform`, less what lies before or past it."""
        self.add(None)
        whole = np.concatenate(self._chunks)[: round(self._samples * self._rate / self.form[2])]
        whole = whole[max(0, -self._start) :]
        start = max(0, self._start)
        target = waveform[start : start + len(whole)]
        target[:] = whole[: len(target)]


def pictures(path: pathlib.Path, settings: Settings, window: Window) -> tuple[Pictures, float]:
    """Decodes the frames of a file's part at the times k / fps.

    Args:
        path: Path of the file.
        settings: Rates and sizes.
        window: The part of the file.

    Returns:
        The frames and the video's length in seconds.

    Raises:
        MediaError: There is no video, or it cannot be decoded.
    """
    stop = min(window.end, window.start + settings.max_seconds)
    with open_stream(path, "video", settings.max_pixels) as stream:
        stream.seek(window.start)
        step = 1 / (stream.frame_rate or settings.fps)
        encoder = Jpegs(settings)
        kept: list[bytes] = []
        last, end = None, stream.begin
        for frame, time in stream.decode():
            if time is None:
                time = end
            if time >= stop:
                break
            if last is not None:
                kept += encoder.until(time - window.start, last, len(kept))
                step = max(time - (end - step), _EARLY)
            last, end = frame, time + step
        length = stream.end(end, stop) - window.start
        if last is None:
            raise MediaError("undecodable", f"no frame of {path.name} could be decoded")
        if length <= 0:
            raise MediaError("too short", f"{path.name} ends before the clip starts")
        kept += encoder.until(max(length, 2 * _EARLY), last, len(kept))
    return Pictures.at_rate(kept, settings.fps, *encoder.size), length


class Jpegs:
    """Encodes the frames of one clip: upright, all of one size.

    Attributes:
        size: Height and width in pixels.
    """

    def __init__(self, settings: Settings) -> None:
        self.size = (0, 0)
        self._settings = settings
        # One for the clip: setting up the conversion costs ten times the conversion of a frame.
        self._reformatter = av.video.reformatter.VideoReformatter()

    def until(self, time: float, frame: av.VideoFrame, count: int) -> list[bytes]:
        """The JPEGs for the times before `time` that are not filled yet, if any, all of `frame`.

        Args:
            time: Seconds.
            frame: The last one before `time`.
            count: How many times k / fps are filled.
        """
        missing = math.ceil((time - _EARLY) * self._settings.fps) - count
        return [self._encode(frame)] * missing if missing > 0 else []

    def _encode(self, frame: av.VideoFrame) -> bytes:
        turns = round(getattr(frame, "rotation", 0) / 90)
        if self.size == (0, 0):
            scale = min(1.0, self._settings.short_side / min(frame.height, frame.width))
            upright = (max(1, round(frame.height * scale)), max(1, round(frame.width * scale)))
            self.size = upright[::-1] if turns % 2 else upright
        height, width = self.size[::-1] if turns % 2 else self.size
        scaled = self._reformatter.reformat(
            frame, width, height, "rgb24", interpolation="BICUBIC", threads=1
        )
        pixels = np.rot90(scaled.to_ndarray(), turns)
        return jpeg(np.ascontiguousarray(pixels), self._settings.jpeg_quality)


def jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """Encodes a frame `[H, W, 3]` uint8 as a JPEG file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()
