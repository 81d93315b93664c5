"""Decodes one clip of a data set, whatever its modalities are read from.

A clip's sources are media files (or `.npy` files of features), or rows of the arrays of an `.npz`
file. Only this module knows which function reads a kind of modality.
"""

import dataclasses
import functools
import math
import pathlib
import zipfile
from collections.abc import Mapping

import numpy as np

from tfrecords import flac
from tfrecords.building import media
from tfrecords.building.container import MediaError
from tfrecords.building.decoded import Clip, Pictures, Sound, Vector
from tfrecords.building.media import Settings, Window
from tfrecords.description import MAX_FEATURES


@dataclasses.dataclass(frozen=True)
class Source:
    """What one modality of a clip is read from.

    Attributes:
        kind: String, `audio`, `video` or `features`.
        path: Path of the file.
        array: String, the array of an `.npz` file that holds it; empty for any other file.
        row: Integer, the clip's row in that array.
    """

    kind: str
    path: pathlib.Path
    array: str = ""
    row: int = 0


def decode(
    sources: Mapping[str, Source],
    settings: Settings | None = None,
    require: tuple[str, ...] = (),
    window: Window | None = None,
) -> Clip:
    """Decodes a clip.

    Args:
        sources: Mapping, modality -> what it is read from.
        settings: Rates and sizes.
        require: Modalities without which a clip is refused; with none, any one is enough.
        window: The part of the files that is the clip; by default all of them.

    Returns:
        The clip; a modality that is not required and cannot be decoded is left out.

    Raises:
        MediaError: A required modality, or every one, cannot be decoded.
    """
    settings, window = settings or Settings(), window or Window()
    values, seconds, errors = {}, [0.0], []
    for name in require:
        if name not in sources:
            raise MediaError(f"no {name}", f"the list names no file for {name}")
    for name, source in sources.items():
        try:
            values[name], end = _read(source, settings, window)
        except MediaError as error:
            if name in require:
                raise
            errors.append(error)
            continue
        seconds.append(end)
    if not values:
        raise errors[0] if errors else MediaError("missing", "the list names no file")
    return Clip(values, max(seconds))


def outcome(
    sources: Mapping[str, Source], settings: Settings, require: tuple[str, ...], window: Window
) -> Clip | MediaError:
    """`decode` for worker processes: it returns what `decode` would raise."""
    try:
        return decode(sources, settings, require, window)
    except MediaError as error:
        return error


def _read(
    source: Source, settings: Settings, window: Window
) -> tuple[Sound | Pictures | Vector, float]:
    if source.array:
        return _row(source, settings)
    if source.kind == "audio":
        return media.sound(source.path, settings, window)
    if source.kind == "video":
        return media.pictures(source.path, settings, window)
    return _vector(_load(source.path), source.path.name), 0.0


def _load(path: pathlib.Path) -> np.ndarray:
    """The array of an `.npy` file."""
    try:
        return np.load(path)
    except FileNotFoundError:
        raise MediaError("missing", f"no file {path.name}") from None
    except (OSError, ValueError, EOFError) as error:
        raise MediaError("undecodable", f"{path.name}: no .npy file of numbers: {error}") from error


@functools.lru_cache(maxsize=8)
def _array(path: pathlib.Path, name: str) -> np.ndarray:
    """An array of an `.npz` file, which a process reads once."""
    with np.load(path) as arrays:
        return arrays[name]


def _row(source: Source, settings: Settings) -> tuple[Sound | Pictures | Vector, float]:
    try:
        value = _array(source.path, source.array)[source.row]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise MediaError("undecodable", f"{source.path.name}: {error}") from error
    where = f"row {source.row} of {source.array}"
    if source.kind == "audio":
        return _sound_of(value, settings)
    if source.kind == "video":
        return _pictures_of(value, settings)
    return _vector(value, where), 0.0


def _sound_of(samples: np.ndarray, settings: Settings) -> tuple[Sound, float]:
    """Samples `[n]`, int16 or real numbers in [-1, 1], at the set's rate."""
    if samples.dtype != np.int16:
        if not np.isfinite(samples).all():
            raise MediaError("not finite", "the samples hold NaN or infinity")
        samples = np.rint(np.clip(samples, -1, 1) * 32_767).astype(np.int16)
    samples = samples[: math.ceil(settings.max_seconds * settings.audio_rate)]
    stream = flac.encode(samples, settings.audio_rate) if settings.audio_codec == "flac" else None
    return Sound(samples, stream), len(samples) / settings.audio_rate


def _pictures_of(frames: np.ndarray, settings: Settings) -> tuple[Pictures, float]:
    """Frames `[T, H, W, 3]` or one picture `[H, W, 3]`, uint8."""
    frames = frames if frames.ndim == 4 else frames[None]
    jpegs = tuple(media.jpeg(frame, settings.jpeg_quality) for frame in frames)
    found = Pictures.at_rate(jpegs, settings.fps, *frames.shape[1:3])
    return found, len(jpegs) / settings.fps


def _vector(values: np.ndarray, where: str) -> Vector:
    if values.dtype.kind not in "fiub" or values.size > MAX_FEATURES:
        raise MediaError("undecodable", f"{where}: {values.dtype} {values.shape} are no features")
    values = np.atleast_1d(values).astype(np.float32)
    if not np.isfinite(values).all():
        raise MediaError("not finite", f"{where} holds NaN or infinity")
    return Vector(values)
