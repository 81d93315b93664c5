"""The clips of the study: read once from records, kept as arrays that runs map into memory.

Of a set there are its clips (spectrograms, and frames as bytes) and their principal components,
fitted to the training clips. Of the test clips there are corrupted versions too, and components of
these: at a severity, the clips take turns through the corruptions of the modality.

    WORK/data/SET/records/                  where the set is not given as records
    WORK/data/SET/{clips,components}/train-audio.npy, test-audio-corrupted3.npy, ...
    WORK/data/SET/train-label.npy, modalities.json
"""

import json
import pathlib
from collections.abc import Mapping, Sequence

from tfrecords import quiet  # noqa: F401  isort: skip

import numpy as np
import tensorflow as tf

from amr_tf.modalities import AudioConfig, Corruption, FeaturesConfig, VideoConfig
from amr_tf.modalities.corruption import SEVERITIES, GraphDistortion, in_turn
from studies import arrays
from studies.arrays import LABEL
from studies.balance import data as synthetic
from studies.frontier.components import Components, numbers_of
from tfrecords import atomic
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets.arrays import Arrays
from tfrecords.datasets.synthetic import Synthetic
from tfrecords.progress import Progress
from tfrecords.reading.clips import CutClip
from tfrecords.reading.pipeline import Pipeline
from tfrecords.reading.records import RecordSet

# As in the recipe `short_clips`, but for smaller frames: a run is to take a minute on one core.
AUDIO = AudioConfig(seconds=0.64, fft_length=512, hop=160)
VIDEO = VideoConfig(frames=16, size=48)
SPLITS = ("train", "validation", "test")
NOISY, CLEAN = "words_noisy", "words"  # the first is the second, with noise in training
SYNTHETIC = "large"  # of `studies.balance`
RENDERED = "rendered"
_DONE = "modalities.json"  # the last file of a set


def directory(work: pathlib.Path, name: str) -> pathlib.Path:
    """The directory of a set's arrays."""
    return work / "data" / name


def make(work: pathlib.Path, sources: Mapping[str, str]) -> list[str]:
    """Makes the sets' missing arrays, and those of the noisy set where its clean one is.

    Args:
        work: Path, the directory of the study.
        sources: Mapping, name of a set -> a directory of records, or an .npz file as
            `tfrecords.build --dataset=arrays` takes it; `rendered` for the synthetic set; empty
            where the set is left out.

    Returns:
        The names of the sets that there are.
    """
    given = {name: source for name, source in sources.items() if source}
    names = [*given, *[NOISY] * (CLEAN in given)]
    todo = [name for name in names if not (directory(work, name) / _DONE).exists()]
    with Progress("sets", len(names), done=len(names) - len(todo)) as progress:
        for name in todo:
            where = directory(work, name)
            for inputs in ("clips", "components"):
                (where / inputs).mkdir(parents=True, exist_ok=True)
            owner = CLEAN if name == NOISY else name
            source = _records(directory(work, owner) / "records", given[owner])
            pipeline = _pipeline(name, source)
            _make_clips(work, name, pipeline)
            _make_components(work, name, pipeline.modalities)
            atomic.write_text(where / _DONE, json.dumps(pipeline.modalities))
            progress.advance(name)
    return names


def modalities(work: pathlib.Path, name: str) -> tuple[str, ...]:
    """The names of a set's modalities, in order."""
    return tuple(json.loads((directory(work, name) / _DONE).read_text()))


def load(work: pathlib.Path, name: str, inputs: str, array: str) -> np.ndarray:
    """One of a set's arrays, mapped from its file.

    Args:
        work: Path, the directory of the study.
        name: String, the set.
        inputs: String, `components` or `clips`.
        array: String, e.g. `train-audio`.

    Returns:
        The array.
    """
    if name == NOISY and inputs == "clips" and array != "train-audio":
        name = CLEAN
    return np.load(directory(work, name) / inputs / f"{array}.npy", mmap_mode="r")


def labels(work: pathlib.Path, name: str, split: str) -> np.ndarray:
    """The class ids `[N]` of a split."""
    return np.load(directory(work, name) / f"{split}-{LABEL}.npy")


def split(
    work: pathlib.Path, name: str, inputs: str, wanted: str
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The arrays of a split.

    Args:
        work: Path, the directory of the study.
        name: String, the set.
        inputs: String, `components` or `clips`.
        wanted: String, the split.

    Returns:
        A dictionary, modality -> array `[N, ...]`, and the class ids `[N]`.
    """
    found = {m: load(work, name, inputs, f"{wanted}-{m}") for m in modalities(work, name)}
    return found, labels(work, name, wanted)


def as_input(x: tf.Tensor) -> tf.Tensor:
    """Converts rows of an array to an encoder's input, float32: frames are kept as bytes."""
    return VIDEO.features(x) if x.dtype == tf.uint8 else tf.cast(x, tf.float32)


def every_second(corruptions: Sequence[Corruption]) -> GraphDistortion:
    """A change for `Pipeline.evaluate` that corrupts every second clip.

    Corruptions take turns, and behind them severities.

    Args:
        corruptions: Sequence of corruptions of a modality.

    Returns:
        A function, (number of the clip, cut clip) -> cut clip.
    """
    by_severity = [in_turn(corruptions, severity) for severity in SEVERITIES]

    def change(index: tf.Tensor, clip: CutClip) -> CutClip:
        turn = index // 2
        severity = tf.cast(turn // len(corruptions) % len(SEVERITIES), tf.int32)
        branches = [lambda c=c: c(turn, clip) for c in by_severity]
        return tf.cond(
            index % 2 == 0, lambda: dict(clip), lambda: tf.switch_case(severity, branches)
        )

    return change


def _records(where: pathlib.Path, source: str) -> pathlib.Path:
    """The directory of a set's records, which are built where there are none."""
    if source == RENDERED:
        level = synthetic.LEVELS[SYNTHETIC]
        clips = Synthetic(
            synthetic.TRAIN,
            synthetic.TEST,
            audio_strength=level.audio,
            video_strength=level.video,
        )
        builder.build(BuildOptions(clips, source=str(where / "clips"), output=str(where)))
    elif source.endswith(".npz"):
        builder.build(BuildOptions(Arrays(), source=source, output=str(where)))
    else:
        return pathlib.Path(source)
    return where


def _pipeline(name: str, source: pathlib.Path) -> Pipeline:
    if name == SYNTHETIC:
        return Pipeline(source, synthetic.INPUTS, batch_size=128)
    known = {"audio": AUDIO, "video": VIDEO}
    stored = RecordSet(source).info.modalities
    inputs = {m: known.get(s.kind) or FeaturesConfig.of_records(s, {}) for m, s in stored.items()}
    return Pipeline(source, inputs, batch_size=128)


def _make_clips(work: pathlib.Path, name: str, pipeline: Pipeline) -> None:
    where = directory(work, name) / "clips"

    def made(modality: str, raw: np.ndarray) -> np.ndarray:
        if raw.dtype == np.uint8 and name != SYNTHETIC:
            return raw
        features = pipeline.inputs[modality].features(tf.constant(raw)).numpy()
        return features.astype(np.float16)

    corruptions = pipeline.corruptions()
    if name == NOISY:
        change = every_second(corruptions["audio"])
        names = {"audio": "train-audio"}
        arrays.write(where, names, lambda: pipeline.evaluate("train", change), made)
        for wanted in SPLITS:
            arrays.save(where.parent / f"{wanted}-{LABEL}.npy", labels(work, CLEAN, wanted))
        return
    for wanted in SPLITS:
        names = {m: f"{wanted}-{m}" for m in pipeline.modalities}
        names[LABEL] = f"../{wanted}-{LABEL}"
        arrays.write(where, names, lambda wanted=wanted: pipeline.evaluate(wanted), made)
    for modality, known in corruptions.items():
        for severity in SEVERITIES:
            change = in_turn(known, severity)
            names = {modality: arrays.corrupted_name(modality, severity)}
            changed = lambda change=change: pipeline.evaluate("test", change)  # noqa: E731
            arrays.write(where, names, changed, made)


def _make_components(work: pathlib.Path, name: str, names: Sequence[str]) -> None:
    where = directory(work, name) / "components"
    for modality in names:
        train = numbers_of(load(work, name, "clips", f"train-{modality}"))
        components = Components(train)
        wanted = [f"{split}-{modality}" for split in SPLITS]
        wanted += [arrays.corrupted_name(modality, severity) for severity in SEVERITIES]
        for array in wanted:
            numbers = numbers_of(load(work, name, "clips", array))
            arrays.save(where / f"{array}.npy", components(numbers))
