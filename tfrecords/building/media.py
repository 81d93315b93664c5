"""Decodes one media file: a mono waveform and JPEG frames, both on the container's clock.

Decoders disagree by version about padding (AAC priming above all), and the web's files have gaps,
late starts and wrong frame rates. So everything is placed by timestamps: sample 0 and frame 0 are
time 0.
"""

import dataclasses
import io
import math
import pathlib
from typing import Any

import av
import numpy as np
from PIL import Image

from tfrecords import flac, schema
from tfrecords.building.container import MediaError, open_stream

MODALITIES = ("audio", "video")

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
    max_pixels: int = schema.MAX_PIXELS
    jpeg_quality: int = 95


@dataclasses.dataclass(frozen=True)
class Clip:
    """A decoded clip; a modality that it lacks is None or empty.

    Attributes:
        waveform: int16 `[samples]`, mono, or None.
        flac: The same as a FLAC stream, where the settings ask for it.
        frames: One JPEG a frame.
        timestamps_us: Time of each frame, microseconds.
        height: Of the frames, pixels; 0 without frames.
        width: Likewise.
        duration: Seconds.
    """

    waveform: np.ndarray | None = None
    flac: bytes | None = None
    frames: tuple[bytes, ...] = ()
    timestamps_us: tuple[int, ...] = ()
    height: int = 0
    width: int = 0
    duration: float = 0.0


def decode(
    video: str | pathlib.Path,
    audio: str | pathlib.Path | None = None,
    settings: Settings | None = None,
    require: tuple[str, ...] = MODALITIES,
) -> Clip:
    """Decodes a clip.

    Args:
        video: The media file.
        audio: A second file that holds the sound, if it is not in the first.
        settings: Rates and sizes.
        require: Modalities without which a clip is refused; with none, either is enough.

    Returns:
        The clip; a modality that is not required and cannot be decoded is left out.

    Raises:
        MediaError: A required modality, or every one, cannot be decoded.
    """
    settings = settings or Settings()
    found: dict[str, Any] = {}
    seconds: list[float] = []
    errors: list[MediaError] = []
    for modality, path, read in (("audio", audio or video, _sound), ("video", video, _pictures)):
        try:
            fields, end = read(pathlib.Path(path), settings)
        except MediaError as error:
            if modality in require:
                raise
            errors.append(error)
            continue
        found |= fields
        seconds.append(end)
    if not found:
        raise errors[0]
    return Clip(**found, duration=max(seconds))


def _sound(path: pathlib.Path, settings: Settings) -> tuple[dict[str, Any], float]:
    """The waveform and its end in seconds."""
    with open_stream(path, "audio", settings.max_pixels) as stream:
        end = 0.0
        pieces: list[_Piece] = []
        for frame, time in stream.decode():
            if time is None:
                time = end
            if time >= settings.max_seconds:
                break
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if not pieces or form != pieces[-1].form or abs(time - end) > _GAP:
                pieces.append(_Piece(time, form, settings.audio_rate))
                end = time
            pieces[-1].add(frame)
            end += frame.samples / frame.sample_rate
        end = stream.end(end, settings.max_seconds)
    if end < _SHORTEST:
        raise MediaError("too short", f"{end:.3f} s of sound in {path.name}")
    waveform = np.zeros(round(end * settings.audio_rate), np.int16)
    for piece in pieces:
        piece.place(waveform)
    found = {"waveform": waveform}
    if settings.audio_codec == "flac":
        found["flac"] = flac.encode(waveform, settings.audio_rate)
    return found, end


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


def _pictures(path: pathlib.Path, settings: Settings) -> tuple[dict[str, Any], float]:
    """The frames at times k / fps and the video's end in seconds."""
    with open_stream(path, "video", settings.max_pixels) as stream:
        step = 1 / (stream.frame_rate or settings.fps)
        encoder = _Jpegs(settings)
        kept: list[bytes] = []
        last, end = None, 0.0
        for frame, time in stream.decode():
            if time is None:
                time = end
            if time >= settings.max_seconds:
                break
            if last is not None:
                kept += encoder.until(time, last, len(kept))
                step = max(time - (end - step), _EARLY)
            last, end = frame, time + step
        end = stream.end(end, settings.max_seconds)
        if last is None:
            raise MediaError("undecodable", f"no frame of {path.name} could be decoded")
        kept += encoder.until(max(end, 2 * _EARLY), last, len(kept))
    times = tuple(round(1e6 * k / settings.fps) for k in range(len(kept)))
    height, width = encoder.size
    found = {"frames": tuple(kept), "timestamps_us": times, "height": height, "width": width}
    return found, end


class _Jpegs:
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
        out = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(pixels))
        image.save(out, "JPEG", quality=self._settings.jpeg_quality)
        return out.getvalue()


def outcome(
    video: str | pathlib.Path,
    audio: str | pathlib.Path | None,
    settings: Settings,
    require: tuple[str, ...],
) -> Clip | MediaError:
    """`decode` for worker processes: returns what it would raise."""
    try:
        return decode(video, audio, settings, require)
    except MediaError as error:
        return error
