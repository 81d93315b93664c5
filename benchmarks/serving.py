"""Measures what explanations cost when served: `python -m benchmarks.serving --help`.

Exports a model, loads the SavedModel, and lets its signatures take turns on random clips:
`explain` and `serving_media` against `serving_default`, and clips a second by batch size.
"""

import pathlib
import tempfile
import time

from tfrecords import quiet  # noqa: F401  isort: skip

import numpy as np
import tensorflow as tf
from absl import app, flags

import amr_tf
from amr_tf.encoders import build_encoder
from amr_tf.modalities import AudioConfig, VideoConfig, wav
from amr_tf.serving import exporting
from benchmarks import paired

CLASSES = tuple(f"class {i}" for i in range(309))
flags.DEFINE_enum("encoder", "resnet18", ["resnet18", "small"], "Both modalities' encoder.")
flags.DEFINE_integer("pixels", 224, "Height and width of the frames.")
flags.DEFINE_integer("frames", 1, "Frames that the model sees.")
flags.DEFINE_integer("rounds", 30, "Rounds; in each, every signature answers once.")
flags.DEFINE_list("batches", ["1", "4", "16"], "Batch sizes of the throughput.")


def exported(directory: str) -> tuple[AudioConfig, VideoConfig]:
    """Exports an untrained model; what it has learnt costs nothing."""
    audio, video = AudioConfig(), VideoConfig(flags.FLAGS.frames, flags.FLAGS.pixels)
    encoders = {
        m: build_encoder(flags.FLAGS.encoder, m, config.shape)
        for m, config in (("audio", audio), ("video", video))
    }
    shapes = [tuple(e.output_shape[1:]) for e in encoders.values()]
    head = amr_tf.heads.concat(shapes, len(CLASSES))
    model = amr_tf.MultimodalClassifier(encoders, head)
    exporting.export(model, directory, CLASSES, {"audio": audio, "video": video})
    return audio, video


def inputs(audio: AudioConfig, video: VideoConfig, batch: int) -> dict[str, dict[str, tf.Tensor]]:
    """Signature -> its inputs."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 3_000, (batch, audio.samples)).astype(np.int16)
    pixels = rng.integers(0, 255, (batch, *video.shape), np.uint8)
    arrays = {"audio": tf.constant(samples), "video": tf.constant(pixels)}
    wavs = [wav.encode(x, audio.sample_rate) for x in samples]
    jpegs = [[tf.io.encode_jpeg(f).numpy() for f in clip] for clip in pixels]
    media = {"audio": tf.constant(wavs), "video": tf.constant(jpegs)}
    return {"serving_default": arrays, "explain": arrays, "serving_media": media}


def main(_: list[str]) -> None:
    """The command."""
    with tempfile.TemporaryDirectory() as directory:
        audio, video = exported(directory)
        served = tf.saved_model.load(str(pathlib.Path(directory) / "1")).signatures
        seconds = {}
        for batch in map(int, flags.FLAGS.batches):
            given = inputs(audio, video, batch)
            found = seconds[batch] = {name: [] for name in given}
            for turn in paired.rounds(flags.FLAGS.rounds + 2, f"batch {batch}"):
                for name in list(given)[turn % 3 :] + list(given)[: turn % 3]:
                    start = time.perf_counter()
                    served[name](**given[name])["probabilities"].numpy()
                    if turn > 1:  # warm
                        found[name].append(time.perf_counter() - start)
    print(f"{paired.machine()}; {flags.FLAGS.encoder}, {flags.FLAGS.rounds} rounds\n")
    rows = [
        [f"{name}, batch {batch}", f"{1000 * np.median(times):.1f}",
         f"{batch / np.median(times):.1f}", paired.ratio(times, found["serving_default"])]
        for batch, found in seconds.items()
        for name, times in found.items()
    ]  # fmt: skip
    head = ("", "latency, ms (median)", "clips a second", "against serving_default")
    print(paired.table(head, rows))


if __name__ == "__main__":
    app.run(main)
