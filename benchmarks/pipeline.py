"""Clips a second on one core: `reading.pipeline` against the loader that the field publishes.

    pip install '.[bench]' && python -m benchmarks.pipeline

The published loader reads files, per clip: a WAV by librosa, its STFT (512, hop 353) and logarithm;
three JPEG frames of 480x360 by Pillow, each a random resized crop to 224, mirrored, normalised. One
process does one clip after another, as one of a PyTorch DataLoader's workers; it is an equivalent
written for this benchmark. Its WAVs have the rate asked for, so it need not resample, which the
published one does for CREMA-D.

The pipeline gives batches of the same clips from records: frames of short side 256, the builder's
default, and of 360, byte by byte the loader's JPEGs. It is measured as it feeds a GPU, where the
model makes features of its raw tensors, and with the features computed on the CPU besides, as the
published loader does. The limit is what libjpeg-turbo takes for the same stored frames, in memory,
and nothing else. All are measured in turn, in rounds, on one core, in seconds of its time: what
else runs on the machine then matters little.

With `--cores=1,2` it measures in their place how the pipeline gains from more cores, in clips a
second of the clock, each number of cores in a process of its own, in turn.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator

from absl import app, flags

from tfrecords import quiet  # noqa: F401  isort: skip

import librosa
import numpy as np
import tensorflow as tf
from PIL import Image

from amr_tf.modalities import VideoConfig
from amr_tf.modalities.pictures import IMAGENET_MEAN, IMAGENET_STD
from benchmarks import feeding, media_files, paired
from benchmarks.feeding import AUDIO, FFT, HOP, RATE, SECONDS
from tfrecords import schema
from tfrecords.reading.pipeline import Pipeline

BATCH = 32
WARM = 2  # batches that are not timed
VIDEO = VideoConfig(frames=3, size=224)
INPUTS = {"audio": AUDIO, "video": VIDEO}
SIDES = (256, 360)

flags.DEFINE_integer("clips", 128, "Clips in the records.")
flags.DEFINE_integer("batches", 20, f"Timed batches of {BATCH} clips, a round.")
flags.DEFINE_integer("rounds", 10, "Rounds.")
flags.DEFINE_list("cores", [], "Numbers of cores to compare, e.g. 1,2.")
flags.DEFINE_string("records", "", "Directory of finished records, for a process of --cores.")


def records(directory: pathlib.Path, count: int) -> None:
    """Builds records of both sizes from clips of 480x360."""
    source = media_files.source(directory / "source", count, min(count, 64), SECONDS, 480, 360)
    for side in SIDES:
        feeding.records(source, directory / str(side), side)


def stored(directory: pathlib.Path) -> list[tuple[bytes, list[bytes]]]:
    """PCM and JPEGs of each record."""
    found = []
    for path in sorted(directory.glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            example = tf.train.SequenceExample.FromString(record)
            pcm = example.context.feature[schema.AUDIO].bytes_list.value[0]
            frames = example.feature_lists.feature_list[schema.FRAMES].feature
            found.append((pcm, [frame.bytes_list.value[0] for frame in frames]))
    return found


def write_files(directory: pathlib.Path, found: list[tuple[bytes, list[bytes]]]) -> None:
    """The loader's files: what the records hold."""
    directory.mkdir()
    for i, (pcm, jpegs) in enumerate(found):
        with wave.open(str(directory / f"{i}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(pcm)
        for k, jpeg in enumerate(jpegs):
            (directory / f"{i}-{k}.jpg").write_bytes(jpeg)


def published_clip(
    directory: pathlib.Path, index: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One clip of the published loader.

    Returns:
        Spectrogram `[257, 188]` and frames `[3, 3, 224, 224]`, float32.
    """
    waveform, _ = librosa.load(directory / f"{index}.wav", sr=RATE, mono=True)
    waveform = np.tile(waveform, SECONDS)[: RATE * SECONDS].clip(-1, 1)
    spectrogram = np.log(np.abs(librosa.stft(waveform, n_fft=FFT, hop_length=HOP)) + 1e-7)
    frames = []
    for k in range(VIDEO.frames):
        image = Image.open(directory / f"{index}-{k}.jpg").convert("RGB")
        box = random_box(*image.size, rng)
        image = image.resize((VIDEO.size, VIDEO.size), Image.Resampling.BILINEAR, box)
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = np.asarray(image, np.float32).transpose(2, 0, 1) / 255
        mean, std = (np.array(x, np.float32)[:, None, None] for x in (IMAGENET_MEAN, IMAGENET_STD))
        frames.append((pixels - mean) / std)
    return spectrogram, np.stack(frames)


def random_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """A window of 8 to 100 % of the area, 3:4 to 4:3; the whole image after ten failures."""
    for _ in range(10):
        area = width * height * rng.uniform(0.08, 1.0)
        shape = np.exp(rng.uniform(*np.log((3 / 4, 4 / 3))))
        w, h = round(np.sqrt(area * shape)), round(np.sqrt(area / shape))
        if w <= width and h <= height:
            x, y = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
            return x, y, x + w, y + h
    return 0, 0, width, height


def published(directory: pathlib.Path, count: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Endless batches of the published loader, shuffled."""
    rng = np.random.default_rng(0)
    while True:
        chosen = (published_clip(directory, i, rng) for i in rng.integers(0, count, BATCH))
        yield tuple(np.stack(part) for part in zip(*chosen, strict=True))


def limit(found: list[tuple[bytes, list[bytes]]]) -> tf.data.Dataset:
    """Endless batches of JPEGs decoded from memory."""

    def clip(jpegs: tf.Tensor) -> tf.Tensor:
        pixels = [tf.io.decode_jpeg(jpeg, channels=3) for jpeg in tf.unstack(jpegs, VIDEO.frames)]
        # The last value of each, so that batches cost nothing.
        return tf.stack([frame[-1, -1] for frame in pixels])

    dataset = tf.data.Dataset.from_tensor_slices([jpegs for _, jpegs in found]).repeat()
    return dataset.map(clip, num_parallel_calls=1).batch(BATCH)


def with_features(pipeline: Pipeline) -> tf.data.Dataset:
    """The pipeline's batches, features made of them on the CPU."""

    def made(raw: dict[str, tf.Tensor], labels: tf.Tensor) -> tuple[dict, tf.Tensor]:
        return {name: INPUTS[name].features(x) for name, x in raw.items()}, labels

    return pipeline.train().map(made, num_parallel_calls=tf.data.AUTOTUNE)


def speed(batches: Iterator, count: int) -> float:
    """Clips a second of processor time over `count` batches, when it is warm."""
    for _ in range(WARM):
        next(batches)
    start = time.process_time()  # of all threads
    for _ in range(count):
        next(batches)
    return count * BATCH / (time.process_time() - start)


def measure(directory: pathlib.Path) -> dict[str, list[float]]:
    """Clips a second of each, a value a round."""
    found = {side: stored(directory / str(side)) for side in SIDES}
    write_files(directory / "files", found[360])
    makers = {"published": lambda: published(directory / "files", len(found[360]))}
    for side in SIDES:
        pipeline = Pipeline(directory / str(side), INPUTS, BATCH, cache="no")
        bound = limit(found[side])
        makers[f"pipeline {side}"] = lambda pipeline=pipeline: iter(pipeline.train())
        makers[f"features {side}"] = lambda pipeline=pipeline: iter(with_features(pipeline))
        makers[f"limit {side}"] = lambda bound=bound: iter(bound)
    speeds = {name: [] for name in makers}
    for _ in paired.rounds(flags.FLAGS.rounds):
        for name, make in makers.items():
            speeds[name].append(speed(make(), flags.FLAGS.batches))
    return speeds


def clips_a_second(directory: pathlib.Path) -> float:
    """Clips a second of the clock, of the pipeline on this process's cores."""
    batches = iter(Pipeline(directory, INPUTS, BATCH, cache="no").train())
    for _ in range(flags.FLAGS.batches):  # until tf.data has found how much to do in parallel
        next(batches)
    start = time.monotonic()
    for _ in range(flags.FLAGS.batches):
        next(batches)
    return flags.FLAGS.batches * BATCH / (time.monotonic() - start)


def compare_cores(numbers: list[int]) -> None:
    """Measures each number of cores in processes of its own, in turn, and prints a table."""
    speeds = {number: [] for number in numbers}
    with tempfile.TemporaryDirectory() as directory:
        records(pathlib.Path(directory), flags.FLAGS.clips)
        where = f"--records={directory}/{SIDES[0]}"
        command = [sys.executable, "-m", "benchmarks.pipeline", where]
        command.append(f"--batches={flags.FLAGS.batches}")
        for _ in paired.rounds(flags.FLAGS.rounds):
            for number, found in speeds.items():
                mine = [*command, f"--cores={number}"]
                done = subprocess.run(  # noqa: S603  (this module itself)
                    mine, check=True, capture_output=True, text=True
                )
                found.append(float(done.stdout.split()[-1]))
    rows = [
        (f"{number} cores", f"{np.mean(found):.0f}", paired.ratio(found, speeds[numbers[0]]))
        for number, found in speeds.items()
    ]
    print(f"{paired.machine()}; side {SIDES[0]}, {flags.FLAGS.rounds} rounds\n")
    print(paired.table(("", "clips/s", f"against {numbers[0]}"), rows))


def main(_: list[str]) -> None:
    """Measures and prints a table."""
    cores = [int(number) for number in flags.FLAGS.cores]
    if flags.FLAGS.records:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: cores[0]])
        print(clips_a_second(pathlib.Path(flags.FLAGS.records)))
        return
    if cores:
        compare_cores(cores)
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before TensorFlow counts the cores
    with tempfile.TemporaryDirectory() as directory:
        records(pathlib.Path(directory), flags.FLAGS.clips)
        speeds = measure(pathlib.Path(directory))
    rows = []
    for name, values in speeds.items():
        kind, *side = name.split()
        faster = paired.ratio(values, speeds["published"])
        below = kind in ("pipeline", "features")
        share = paired.ratio(values, speeds[f"limit {side[0]}"]) if below else ""
        rows.append((name, f"{np.mean(values):.0f}", faster, share))
    print(f"{paired.machine()}; one core, {flags.FLAGS.rounds} rounds\n")
    print(paired.table(("", "clips/s", "against published", "against the limit"), rows))


if __name__ == "__main__":
    app.run(main)
