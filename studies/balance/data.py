"""The clips of the study: rendered, built into records, read once, kept as arrays of features.

A level is a pair of strengths of the class's pattern in sound and in picture. Runs read the arrays
and decode nothing. Of the test clips there are corrupted versions too: at a severity, the clips
take turns through the corruptions of the modality.
"""

import dataclasses
import pathlib

from tfrecords import quiet  # noqa: F401  isort: skip

import numpy as np
import tensorflow as tf

from amr_tf.modalities import AudioConfig, VideoConfig
from amr_tf.modalities.corruption import in_turn
from studies.arrays import corrupted_name, write
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets.synthetic import Synthetic
from tfrecords.reading.pipeline import Pipeline

AUDIO = AudioConfig(fft_length=256, hop=512)
VIDEO = VideoConfig(frames=2, size=32)
INPUTS = {"audio": AUDIO, "video": VIDEO}
BINS = 64  # of the spectrogram, up to 4 kHz: the rest is noise, and half of the time
SHAPES = {"audio": (AUDIO.shape[0], BINS, 1), "video": VIDEO.shape}
TRAIN, TEST = 1_600, 800
CLASSES = 10
MEASURED_SEVERITIES = (1, 3, 5)


@dataclasses.dataclass(frozen=True)
class Level:
    """The strengths of the class in sound and picture, see `tfrecords.datasets.synthetic`.

    Attributes:
        audio: Float, the strength in the sound.
        video: Float, the strength in the picture.
    """

    audio: float
    video: float


LEVELS = {"even": Level(0.6, 3.0), "moderate": Level(1.0, 2.0), "large": Level(1.5, 1.0)}


def directory(work: pathlib.Path, level: str) -> pathlib.Path:
    """The directory of a level's records and arrays."""
    return work / "data" / level


def make(work: pathlib.Path, level: str, train: int = TRAIN, test: int = TEST) -> None:
    """Makes those of a level's arrays that are not there yet.

    Args:
        work: Path, the directory of the study's data.
        level: String, of `LEVELS`.
        train: Integer, the training clips, validation included.
        test: Integer, the test clips.
    """
    where = directory(work, level)
    strengths = LEVELS[level]
    clips = Synthetic(train, test, audio_strength=strengths.audio, video_strength=strengths.video)
    builder.build(BuildOptions(clips, source=str(where / "clips"), output=str(where)))
    last = corrupted_name("video", MEASURED_SEVERITIES[-1])
    if (where / f"{last}.npy").exists():
        return
    data = Pipeline(where, INPUTS, batch_size=128)
    for split in ("train", "validation", "test"):
        names = {m: f"{split}-{m}" for m in SHAPES} | {"label": f"{split}-label"}
        write(where, names, lambda split=split: data.evaluate(split), _features)
    for modality, corruptions in data.corruptions().items():
        for severity in MEASURED_SEVERITIES:
            change = in_turn(corruptions, severity)
            names = {modality: corrupted_name(modality, severity)}
            write(where, names, lambda change=change: data.evaluate("test", change), _features)


def load(work: pathlib.Path, level: str, name: str) -> np.ndarray:
    """One of a level's arrays, mapped from its file.

    Args:
        work: Path, the directory of the study's data.
        level: String, of `LEVELS`.
        name: String, e.g. `train-audio` or `test-label`.

    Returns:
        The array.
    """
    return np.load(directory(work, level) / f"{name}.npy", mmap_mode="r")


def split(work: pathlib.Path, level: str, name: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The arrays of a split.

    Args:
        work: Path, the directory of the study's data.
        level: String, of `LEVELS`.
        name: String, the name of the split.

    Returns:
        A dictionary, modality -> array `[N, ...]` of float16, and the class ids `[N]`.
    """
    inputs = {m: load(work, level, f"{name}-{m}") for m in SHAPES}
    return inputs, np.asarray(load(work, level, f"{name}-label"))


def _features(modality: str, raw: np.ndarray) -> np.ndarray:
    """Features of raw clips, as float16; for sound only the lower frequencies."""
    made = INPUTS[modality].features(tf.constant(raw)).numpy().astype(np.float16)
    return made[:, :, :BINS] if modality == "audio" else made
