"""Decodes one media file: a mono waveform and JPEG frames, both on the container's clock.

Decoders disagree by version about padding (AAC priming above all), and the web's files have gaps,
late starts and wrong frame rates. So everything is placed by timestamps: sample 0 and frame 0 are
time 0.
"""

import pathlib

import av
import numpy as np

from tfrecords import flac
from tfrecords.building.container import open_stream
from tfrecords.building.decoded import Pictures, Sound
from tfrecords.building.errors import MediaError
from tfrecords.building.mixing import Channels, Levels
from tfrecords.building.pictures import EARLY, Jpegs
from tfrecords.building.settings import Settings, Window

_SHORTEST = 0.1  # seconds of sound below which a clip is useless
_GAP = 0.1  # seconds by which timestamps may jitter (Matroska and FLV round to milliseconds)


def sound(path: pathlib.Path, settings: Settings, window: Window) -> tuple[Sound, float]:
    """Decodes the waveform of a file's part.

    Args:
        path: Path of the file.
        settings: Settings, the rates and limits.
        window: Window, the part of the file.

    Returns:
        The sound and its length in seconds.

    Raises:
        MediaError: There is no sound, or it cannot be decoded.
    """
    pieces, length, alone = _pieces(path, settings, window)
    if alone is not None:
        pieces, length, _ = _pieces(path, settings, window, alone)
    if length < _SHORTEST:
        raise MediaError("too short", f"{max(0, length):.3f} s of sound in {path.name}")
    waveform = np.zeros(round(length * settings.audio_rate), np.int16)
    for piece in pieces:
        piece.place(waveform)
    if settings.audio_codec == "flac":
        return Sound(waveform, flac.encode(waveform, settings.audio_rate)), length
    return Sound(waveform), length


def _pieces(
    path: pathlib.Path, settings: Settings, window: Window, alone: int | None = None
) -> tuple[list["_Piece"], float, int | None]:
    """Decodes the sound of a file's part.

    Args:
        path: Path of the file.
        settings: Settings, the rates and limits.
        window: Window, the part of the file.
        alone: Integer, the number of the one channel that is taken, None for a mix of all.

    Returns:
        The stretches of sound, where they end in seconds from the part's start, and the number of
        the only channel to take, None where a mix does.
    """
    stop = min(window.end, window.start + settings.max_seconds)
    pieces: list[_Piece] = []
    levels = Levels()
    with open_stream(path, "audio", settings.max_pixels) as stream:
        stream.seek(window.start)
        end = stream.begin
        for frame, time in stream.decode():
            if time is None:
                time = end
            if time >= stop:
                break
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if not pieces or form != pieces[-1].form or abs(time - end) > _GAP:
                pieces.append(_Piece(time - window.start, form, settings.audio_rate, alone))
                end = time
            pieces[-1].add(frame)
            if time >= window.start and frame.layout.nb_channels > 1:
                levels.add(pieces[-1].channels.samples(frame), frame.layout)
            end += frame.samples / frame.sample_rate
        return pieces, stream.end(end, stop) - window.start, levels.alone


class _Piece:
    """A stretch of sound without gaps, on its way to one rate and one channel."""

    def __init__(
        self, start: float, form: tuple[str, str, int], rate: int, alone: int | None
    ) -> None:
        self.form = form
        self.channels = Channels(*form[1:])
        self._alone = alone
        self._start = round(start * rate)
        self._rate = rate
        self._samples = 0
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        self._chunks: list[np.ndarray] = []

    def add(self, frame: av.AudioFrame | None) -> None:
        if frame is not None:
            frame.pts = None  # the piece has no gaps: the resampler need not look for any
            self._samples += frame.samples
            if self._alone is not None:
                frame = self.channels.alone(frame, self._alone)
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
        settings: Settings, the rates and sizes.
        window: Window, the part of the file.

    Returns:
        The frames and the video's length in seconds.

    Raises:
        MediaError: There is no video, or it cannot be decoded.
    """
    stop = min(window.end, window.start + settings.max_seconds)
    with open_stream(path, "video", settings.max_pixels) as stream:
        stream.seek(window.start)
        step = 1 / (stream.frame_rate or settings.fps)
        encoder = Jpegs(settings, stream.aspect)
        kept: list[bytes] = []
        last, end = None, stream.begin
        for frame, time in stream.decode():
            if time is None:
                time = end
            if time >= stop:
                break
            if last is not None:
                kept += encoder.until(time - window.start, last, len(kept))
                step = max(time - (end - step), EARLY)
            last, end = frame, time + step
        length = stream.end(end, stop) - window.start
        if last is None:
            raise MediaError("undecodable", f"no frame of {path.name} could be decoded")
        if length <= 0:
            raise MediaError("too short", f"{path.name} ends before the clip starts")
        kept += encoder.until(max(length, 2 * EARLY), last, len(kept))
    found = Pictures.at_rate(kept, settings.fps, *encoder.size, encoder.motion.value)
    return found, length
