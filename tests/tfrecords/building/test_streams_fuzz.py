"""Files of any streams in any order are read as what they hold, and cut ones up to the cut.

`check` can be called with other numbers, for long runs.
"""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from tests.tfrecords import files
from tests.tfrecords.building.muxing import Cover, Other, Picture, Sound, mux
from tests.tfrecords.building.test_clock import pitch
from tfrecords.building import decoding, media
from tfrecords.building.decoding import Source

FILES = 40
FPS, RATE = 10, 48_000
STEP = 5  # levels by which a frame is lighter than the one before


@dataclasses.dataclass
class Container:
    """What a container can hold; whether a cover, and whether it tells a default track."""

    pictures: tuple
    sounds: tuple
    others: tuple = ()
    cover: bool = False
    defaults: bool = False


CONTAINERS = {
    ".mp4": Container(
        ("libx264", "mpeg4", "mjpeg"), ("aac", "libmp3lame", "ac3"), ("mov_text",), True, True
    ),
    ".mov": Container(
        ("libx264", "mpeg4", "mjpeg"), ("aac", "pcm_s16le", "pcm_s24le"), ("mov_text",), False, True
    ),
    ".mkv": Container(
        ("libx264", "mpeg4", "libvpx", "ffv1", "mjpeg"),
        ("aac", "libmp3lame", "pcm_s16le", "flac", "libopus", "ac3"),
        ("subrip",),
        True,
        True,
    ),
    ".webm": Container(("libvpx",), ("libopus",), ("webvtt",), False, True),
    ".ts": Container(
        ("libx264", "mpeg2video", "mpeg4"), ("aac", "mp2", "ac3", "libmp3lame"), ("bin_data",)
    ),
    ".flv": Container(("flv", "libx264"), ("aac", "libmp3lame")),
    ".avi": Container(("mpeg4", "mjpeg", "ffv1"), ("pcm_s16le", "libmp3lame", "ac3")),
    ".ogg": Container(("libvpx",), ("libopus", "flac")),
}
REASONS = {"no audio stream", "no video stream", "truncated", "too short", "undecodable"}


@dataclasses.dataclass
class Truth:
    """What a file holds: the chosen picture's first colour, the chosen sound's pitch, or None."""

    colour: np.ndarray | None
    frequency: float | None
    seconds: float


def make(rng, path):
    """Writes a file of 1 to 6 streams; returns what is to be read of it."""
    holds = CONTAINERS[path.suffix]
    seconds = float(rng.integers(10, 21)) / 10
    most = 1 if path.suffix == ".flv" else 2
    pictures = [_picture(rng, holds.pictures, seconds) for _ in range(rng.integers(0, most + 1))]
    least = 0 if pictures else 1
    sounds = [_sound(rng, holds.sounds, seconds) for _ in range(rng.integers(least, most + 1))]
    others = [Other(codec, seconds) for codec in holds.others if rng.integers(2)]
    covers = [Cover()] * int(holds.cover and rng.integers(2))
    streams = [*pictures, *sounds, *others, *covers]
    rng.shuffle(streams)
    mux(path, *streams)
    picture, sound = (_chosen(streams, kind, holds.defaults) for kind in (Picture, Sound))
    colour = None if picture is None else picture.frames[0].mean((0, 1))
    return Truth(colour, None if sound is None else sound.frequency, seconds)


def _picture(rng, codecs, seconds):
    codec = str(rng.choice(codecs))
    first = rng.integers(20, 120, 3)
    frames = first + STEP * np.arange(round(seconds * FPS))[:, None]
    frames = np.broadcast_to(frames[:, None, None], (len(frames), 48, 64, 3)).astype(np.uint8)
    fps = 25 if codec == "mpeg2video" else FPS  # MPEG-2 knows some rates alone
    if fps != FPS:
        frames = frames[np.arange(round(seconds * fps)) * FPS // fps]
    options = {"bf": "2", "preset": "medium"} if codec == "libx264" and rng.integers(2) else {}
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    return Picture(frames, fps, codec, bool(rng.integers(2)), pix_fmt, options)


def _sound(rng, codecs, seconds):
    frequency = float(rng.integers(300, 2_000))
    channels = np.tile(files.tone(frequency, seconds, RATE), (int(rng.integers(1, 3)), 1))
    sound = Sound(channels, RATE, str(rng.choice(codecs)), bool(rng.integers(2)))
    if sound.codec == "libmp3lame":
        sound.rate, sound.samples = 44_100, np.tile(
            files.tone(frequency, seconds, 44_100), (len(channels), 1))  # fmt: skip
    sound.frequency = frequency
    return sound


def _chosen(streams, kind, defaults):
    """The stream of a kind that is to be read."""
    found = [stream for stream in streams if isinstance(stream, kind)]
    marked = [stream for stream in found if stream.default and defaults]
    return next(iter(marked or found), None)


def read(path, kind):
    """What is read of a kind, or the reason why nothing is."""
    found = decoding.outcome({kind: Source(kind, path)}, media.Settings(), (kind,), media.Window())
    if isinstance(found, media.MediaError):
        assert found.reason in REASONS, found
        return found.reason
    return found.values[kind]


def check(rng, path):
    """Makes a file, reads it whole and cut off, and compares with what it holds."""
    truth = make(rng, path)
    _check_picture(read(path, "video"), truth, whole=True)
    _check_sound(read(path, "audio"), truth, whole=True)
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(1, len(content))])
    _check_picture(read(path, "video"), truth, whole=False)
    _check_sound(read(path, "audio"), truth, whole=False)
    return truth


def _check_picture(found, truth, whole):
    if isinstance(found, str):
        expected = "no video stream" if truth.colour is None else None
        assert not whole or found == expected
        return
    assert truth.colour is not None
    count = truth.seconds * 4
    if whole:
        assert len(found.frames) >= count - 0.5
    # the last frame lasts as long as the one before it, which may be longer where some are lost
    assert len(found.frames) <= count + (1.5 if whole else 3)
    for k, jpeg in enumerate(found.frames[: len(found.frames) - (not whole)]):
        colour = np.asarray(Image.open(io.BytesIO(jpeg))).mean((0, 1))
        at = min(k / 4, truth.seconds - 1 / FPS) * FPS
        error = colour - truth.colour - STEP * at
        # within one frame, as much again for a cut one, and what the codec changes
        assert np.abs(error).max() <= (1 if whole else 2) * STEP + 8, (k, colour, truth)


def _check_sound(found, truth, whole):
    if isinstance(found, str):
        expected = "no audio stream" if truth.frequency is None else None
        assert not whole or found == expected
        return
    assert truth.frequency is not None
    count = truth.seconds * 16_000
    if whole:
        assert len(found.waveform) >= count - 1_600  # a frame of the picture
    assert len(found.waveform) <= count + 2_400
    middle = found.waveform[800 : round(count) - 1_600]
    if len(middle) > 4_000:
        middle = middle if whole else middle[: len(middle) // 2]
        assert pitch(middle) == pytest.approx(truth.frequency, abs=16_000 / len(middle) + 2)


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_files_of_any_streams(tmp_path, suffix):
    for number in range(FILES // len(CONTAINERS)):
        rng = np.random.default_rng([number, *suffix.encode()])
        check(rng, tmp_path / f"{number}{suffix}")
