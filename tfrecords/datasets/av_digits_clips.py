"""The parts of audio-visual digits: drawn pictures, their projection, noise; and a clip."""

import io
import pathlib
import wave
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image

from tfrecords.building import media
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings, Window
from tfrecords.datasets import idx
from tfrecords.datasets.listing import SourceError, locate, read_rows, shuffled

RATE = 8_000  # Hz, of the recordings
TEST_FOLD = "5"
_PICTURES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def dealt(source: pathlib.Path, digits: Mapping[str, int], seed: int) -> dict[str, np.ndarray]:
    """Draws a different picture for each recording.

    Args:
        source: Path of the directory that MNIST's files are in or below.
        digits: Mapping, name of a recording -> its digit.
        seed: Integer, the seed of the draw.

    Returns:
        Name of a recording -> a picture of its digit, uint8 `[height, width]`.

    Raises:
        SourceError: MNIST's files are not there or damaged, or there are too few pictures.
    """
    found = locate(source, [name + ending for name in _PICTURES for ending in ("", ".gz")])
    arrays = []
    for name in _PICTURES:
        path = found.get(name) or found.get(f"{name}.gz")
        if not path:
            raise SourceError(f"{source} holds no {name} or {name}.gz: get MNIST's test files")
        arrays.append(idx.read(source / path))
    pictures, labels = arrays
    if pictures.ndim != 3 or labels.shape != pictures.shape[:1]:
        raise SourceError(
            f"{source}: {_PICTURES[0]} is {list(pictures.shape)} and {_PICTURES[1]} "
            f"{list(labels.shape)}: each picture needs a label"
        )
    given = {}
    for digit in sorted(set(digits.values())):
        names = [name for name, its in digits.items() if its == digit]
        numbers = shuffled(map(str, np.flatnonzero(labels == digit)), seed)
        if len(numbers) < len(names):
            raise SourceError(
                f"{source}: there are {len(numbers)} pictures of the digit {digit}, and "
                f"{len(names)} recordings of it"
            )
        given |= {name: pictures[int(n)] for name, n in zip(names, numbers, strict=False)}
    return given


def noises(source: pathlib.Path, kind: str) -> dict[str, list[str]]:
    """Finds the recordings of noise.

    Args:
        source: Path of the directory that ESC-50 is in or below.
        kind: String, `esc10` or `esc50`.

    Returns:
        Split, `train` or `test` -> paths of the noise of its clips, relative to the source.

    Raises:
        SourceError: The list or the recordings are not there.
    """
    hint = "clone ESC-50 below the source, or give --noise=none"
    lists = locate(source, ["esc50.csv"])
    if not lists:
        raise SourceError(f"{source} holds no meta/esc50.csv, the list of the noise: {hint}")
    path = source / lists["esc50.csv"]
    (_, header), *lines = read_rows(path, hint) or [(1, [])]
    if not {"filename", "fold", "esc10"} <= set(header):
        raise SourceError(f"{path} has no columns filename, fold and esc10: {hint}")
    listed = [dict(zip(header, cells, strict=False)) for _, cells in lines]
    folds = {
        noise["filename"]: noise.get("fold", "")
        for noise in listed
        if kind == "esc50" or noise.get("esc10") == "True"
    }
    paths = locate(source, folds)
    found = {
        split: sorted(p for n, p in paths.items() if (folds[n] == TEST_FOLD) == (split == "test"))
        for split in ("train", "test")
    }
    for split, some in found.items():
        if not some:
            which = f"fold {TEST_FOLD}" if split == "test" else f"folds but {TEST_FOLD}"
            raise SourceError(f"{source} holds no audio/*.wav of {kind}, {which}: {hint}")
    return found


def projected(train: np.ndarray, share: float) -> Callable[[np.ndarray], np.ndarray]:
    """Projects pictures to the principal components that hold a share of their variance.

    Args:
        train: Array `[N, height, width]` of uint8, the pictures whose components they are.
        share: Number in (0, 1], the share of the variance that is kept, or just more.

    Returns:
        Function, uint8 picture `[height, width]` -> the projected one.
    """
    flat = train.reshape(len(train), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(flat, rowvar=False, bias=True))
    kept = np.cumsum(values[::-1]) / max(values.sum(), np.finfo(np.float64).tiny)
    count = int(np.searchsorted(kept, share)) + 1
    basis = vectors[:, ::-1][:, :count]

    def of(picture: np.ndarray) -> np.ndarray:
        if share == 1:
            return picture
        around = (picture.ravel() - mean) @ basis @ basis.T + mean
        return np.rint(around).clip(0, 255).astype(np.uint8).reshape(picture.shape)

    return of


def clip(
    recording: pathlib.Path,
    picture: np.ndarray,
    noise: pathlib.Path | None,
    snr: float,
    place: float,
) -> tuple[bytes, bytes]:
    """Makes the files of a clip.

    Args:
        recording: Path of the recording.
        picture: Array `[height, width]` of uint8.
        noise: Path of the noise, or None for none.
        snr: Number, the signal-to-noise ratio in decibels.
        place: Number in [0, 1), the place in the noise where the clip begins.

    Returns:
        A WAV file and a PNG file. A file that is not a recording stays as it is: the build counts
        it, with the reason.
    """
    drawn = io.BytesIO()
    Image.fromarray(picture).save(drawn, "PNG")
    settings = Settings(audio_rate=RATE)
    try:
        speech = media.sound(recording, settings, Window())[0].waveform
    except MediaError:
        return recording.read_bytes(), drawn.getvalue()
    if noise is not None:
        speech = mixed(speech, media.sound(noise, settings, Window())[0].waveform, snr, place)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(speech.astype("<i2").tobytes())
    return file.getvalue(), drawn.getvalue()


def mixed(speech: np.ndarray, noise: np.ndarray, snr: float, place: float) -> np.ndarray:
    """Adds noise to a recording; what would be too loud is scaled down.

    Args:
        speech: Array `[samples]` of int16.
        noise: Array `[any]` of int16; it is repeated where it is too short, without the silence
            around it.
        snr: Number, the ratio of their mean squares over the clip, in decibels.
        place: Number in [0, 1), the place in the noise where the clip begins.

    Returns:
        int16 `[samples]`.
    """
    noise = np.trim_zeros(noise).astype(np.float64)
    if not noise.size:
        return speech
    window = np.resize(np.roll(noise, -int(place * noise.size)), speech.size)
    if not window.any():  # silence between two sounds
        window = np.resize(np.roll(noise, -int(np.abs(noise).argmax())), speech.size)
    power = np.mean(np.square(speech, dtype=np.float64)) / np.mean(window**2)
    mix = speech + np.sqrt(power) * 10 ** (-snr / 20) * window
    return np.rint(mix * min(1, 32_767 / max(1, np.abs(mix).max()))).astype(np.int16)
