"""Clips a second on one core: `reading.pipeline` against the loader that the field publishes.

    pip install '.[bench]' && python -m benchmarks.pipeline

The published loader reads files, per clip: a WAV by librosa, its STFT (512, hop 353) and logarithm;
three JPEG frames of 480x360 by Pillow, each a random resized crop to 224, mirrored, normalised. One
process does one clip after another, as one of a PyTorch DataLoader's workers; it is an equivalent
written for this benchmark. Its WAVs have the rate asked for, so it need not resample, which the
published one does for CREMA-D.

The pipeline gives raw batches (int16 samples, uint8 frames, cropped and scaled) from records of the
same clips; spectrograms, normalised and mirrored frames are made on the device and not counted.
Frames are of short side 256, the builder's default, and of 360, byte by byte the loader's JPEGs.
The limit is what libjpeg-turbo and one FFT pass take for the same stored frames and sound, in
memory, and nothing else. All are measured in turn, in rounds, on one core, in seconds of its time:
what else runs on the machine then matters little.
"""

import os
import pathlib
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

from amr_tf.modalities import AudioConfig, VideoConfig
from amr_tf.modalities.video import IMAGENET_MEAN, IMAGENET_STD
from benchmarks import media_files, paired
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.reading.pipeline import Pipeline

RATE, SECONDS, FFT, HOP = 22_050, 3, 512, 353
BATCH = 32
WARM = 2  # batches that are not timed
AUDIO = AudioConfig(RATE, seconds=SECONDS, tile_seconds=SECONDS, fft_length=FFT, hop=HOP)
VIDEO = VideoConfig(frames=3, size=224)
INPUTS = {"audio": AUDIO, "video": VIDEO}
SIDES = (256, 360)

flags.DEFINE_integer("clips", 128, "Clips in the records.")
flags.DEFINE_integer("batches", 20, f"Timed batches of {BATCH} clips, a round.")
flags.DEFINE_integer("rounds", 10, "Rounds.")


def records(directory: pathlib.Path, count: int) -> None:
    """Builds records of both sizes from clips of 480x360."""
    source = media_files.source(directory / "source", count, min(count, 64), SECONDS, 480, 360)
    for side in SIDES:
        options = BuildOptions(
            "vggsound",
            str(source),
            str(directory / str(side)),
            audio_rate=RATE,
            short_side=side,
            validation_fraction=1e-9,
        )
        builder.build(options)


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
    """Endless batches: JPEGs decoded and sound transformed, both from memory."""

    def clip(pcm: tf.Tensor, jpegs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        waveform = tf.cast(tf.io.decode_raw(pcm, tf.int16), tf.float32)
        windows = tf.signal.frame(waveform, FFT, HOP)
        pixels = [tf.io.decode_jpeg(jpeg, channels=3) for jpeg in tf.unstack(jpegs, VIDEO.frames)]
        # The last value of each, so that batches cost nothing.
        return tf.signal.rfft(windows)[-1, -1], tf.stack([frame[-1, -1] for frame in pixels])

    pcm, jpegs = zip(*found, strict=True)
    dataset = tf.data.Dataset.from_tensor_slices((list(pcm), list(jpegs))).repeat()
    return dataset.map(clip, num_parallel_calls=1).batch(BATCH)


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
        makers[f"limit {side}"] = lambda bound=bound: iter(bound)
    speeds = {name: [] for name in makers}
    for _ in paired.rounds(flags.FLAGS.rounds):
        for name, make in makers.items():
            speeds[name].append(speed(make(), flags.FLAGS.batches))
    return speeds


def main(_: list[str]) -> None:
    """Measures and prints a table."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before TensorFlow counts the cores
    with tempfile.TemporaryDirectory() as directory:
        records(pathlib.Path(directory), flags.FLAGS.clips)
        speeds = measure(pathlib.Path(directory))
    rows = []
    for name, values in speeds.items():
        kind, *side = name.split()
        faster = paired.ratio(values, speeds["published"])
        share = paired.ratio(values, speeds[f"limit {side[0]}"]) if kind == "pipeline" else ""
        rows.append((name, f"{np.mean(values):.0f}", faster, share))
    print(f"{paired.machine()}; one core, {flags.FLAGS.rounds} rounds\n")
    print(paired.table(("", "clips/s", "against published", "against the limit"), rows))


if __name__ == "__main__":
    app.run(main)
