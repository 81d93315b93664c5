"""Writes small media files whose content is known, and functions that worker processes can call."""

import dataclasses
import os
import pathlib
import signal
import sys
import time

import av
import numpy as np

from tfrecords.building import decoding, media
from tfrecords.building.decoding import Source
from tfrecords.datasets.listing import Listed


def tone(frequency, seconds, rate=16_000, level=0.5, start=0.0):
    """A sine, float32 [samples], silent before `start`."""
    t = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * frequency * t) * (t >= start)).astype(np.float32)


def gray_frames(count, height=48, width=64):
    """Frame k is uniformly gray with value 20 + 6 k, modulo 256."""
    grays = (20 + 6 * np.arange(count)) % 256
    return np.broadcast_to(grays[:, None, None, None], (count, height, width, 3)).astype(np.uint8)


def write(path, frames=None, fps=8, sound=None, rate=16_000, layout="mono", **options):
    """Writes a media file; codecs follow from the suffix.

    Args:
        path: The file.
        frames: uint8 [frames, height, width, 3], or None for no video stream.
        fps: Of the frames.
        sound: float32 [samples] in [-1, 1], or None for no audio stream.
        rate: Of the sound.
        layout: mono or stereo (both channels alike).
        **options: Of the container.
    """
    video_codec, audio_codec = {
        ".mp4": ("libx264", "aac"),
        ".mov": ("libx264", "aac"),
        ".m4a": (None, "aac"),
        ".flv": ("flv", "pcm_s16le"),
        ".mkv": ("libx264", "pcm_s16le"),
        ".avi": ("mpeg4", "pcm_s16le"),
        ".mpg": ("mpeg1video", "mp2"),
        ".webm": ("libvpx", "libopus"),
        ".ogg": (None, "libopus"),
        ".flac": (None, "flac"),
        ".wav": (None, "pcm_s16le"),
    }[path.suffix.lower()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options) as container:
        if frames is not None:
            quality = {"preset": "ultrafast", "qp": "4"} if video_codec == "libx264" else {}
            video = container.add_stream(video_codec, rate=fps, options=quality)
            video.height, video.width = frames.shape[1:3]
            video.pix_fmt = "yuv420p"
        if sound is not None:
            audio = container.add_stream(audio_codec, rate=rate, layout=layout)
        if frames is not None:
            for k, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = k
                container.mux(video.encode(frame))
            container.mux(video.encode())
        if sound is not None:
            channels = 2 if layout == "stereo" else 1
            samples = np.round(sound * 32767).astype(np.int16)
            packed = np.repeat(samples, channels)[None]
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate = rate
            frame.pts = 0
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def clip(path, frequency=440, seconds=1.0, **options):
    """A clip of gray frames and a tone."""
    rate = 44_100 if path.suffix == ".flv" else 16_000  # PCM in FLV knows no 16,000 Hz
    sound = tone(frequency, seconds, rate)
    return write(path, gray_frames(round(8 * seconds)), sound=sound, rate=rate, **options)


def pointer(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:c6f94b2592487c7556bd86df7df6e8f4420d1b9c11414aeec9d8e5e640b51495\nsize 72862\n"
    )
    return path


@dataclasses.dataclass
class Decoded:
    """A clip of sound and picture, its fields side by side; None or empty where it lacks one."""

    waveform: np.ndarray | None
    flac: bytes | None
    frames: tuple
    timestamps_us: tuple
    height: int
    width: int
    duration: float


def decode(video, audio=None, settings=None, require=("audio", "video"), window=None):
    """A media file's sound and picture; the sound may be in a second file."""
    settings = settings or media.Settings()
    clip = decoding.decode(sources(video, audio), settings, require, window)
    sound, pictures = clip.values.get("audio"), clip.values.get("video")
    return Decoded(
        waveform=None if sound is None else sound.waveform,
        flac=None if sound is None else sound.flac,
        frames=() if pictures is None else pictures.frames,
        timestamps_us=() if pictures is None else pictures.timestamps_us,
        height=0 if pictures is None else pictures.height,
        width=0 if pictures is None else pictures.width,
        duration=clip.duration,
    )


def sources(video, audio=None):
    """What the modalities of a media file are read from."""
    paths = {"audio": pathlib.Path(audio or video), "video": pathlib.Path(video)}
    return {name: Source(name, path) for name, path in paths.items()}


def outcome(video, audio=None, settings=None, require=()):
    """What a worker process answers."""
    settings = settings or media.Settings()
    return decoding.outcome(sources(video, audio), settings, require, media.Window())


def listed(name, labels=(0,), split="train", path=None, **more):
    """A clip whose file holds sound and picture."""
    path = path or f"{name}.mp4"
    return Listed(name, labels, split, {"audio": path, "video": path}, **more)


def hostile(sources, settings, require, window):
    """Decodes, but for clips whose names tell it to do something else."""
    name = next(iter(sources.values())).path.name
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        time.sleep(60)
    return decoding.outcome(sources, settings, require, window)


def double(x):
    """Doubles a number, unless it is one of those that stand for trouble."""
    if x == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if x == 5:
        time.sleep(60)
    if x == 7:
        raise ValueError("seven")
    if x == 9:
        os._exit(4)
    if x == 11:
        np.ones(2**36, np.uint8)
    return 2 * x


def answer(size, about_to):
    """Writes its process's id to a file and returns so many bytes."""
    about_to.write_text(str(os.getpid()))
    return bytes(size)


def count(number):
    """Counts in one call of C code, which no Python signal handler interrupts."""
    return sum(range(number))


def modules_there(*_):
    """The names of the modules that its process has imported."""
    return sorted(sys.modules)
