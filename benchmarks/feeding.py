"""Measures whether the data keep up with a GPU: `python -m benchmarks.feeding --help`.

Renders clips and builds records of them with PyAV, on the spot. Then it measures the pipeline on
all cores, with nothing that waits for it, and the loop of `model.fit` against its bare step, in
turn: the same model makes the same step of one batch that lies on the device. The records are
those of `benchmarks.pipeline` with frames of side 256, decoded anew in each epoch; the model makes
its features of raw tensors, two ResNet-18 follow, with AMR.
"""

import pathlib
import tempfile
import time

from absl import app, flags

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import tensorflow as tf

import amr_tf
from amr_tf import heads
from amr_tf.encoders import build_encoder
from amr_tf.modalities import AudioConfig, FeaturesLayer, VideoConfig
from benchmarks import keras_steps, media_files, paired
from benchmarks.gpu_page import feeding_table
from benchmarks.sizes import FULL, Sizes, define_flags, of_flags
from benchmarks.steps import PRECISIONS
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.reading.pipeline import Pipeline

RATE, SECONDS, FFT, HOP = 22_050, 3, 512, 353
AUDIO = AudioConfig(RATE, seconds=SECONDS, tile_seconds=SECONDS, fft_length=FFT, hop=HOP)
SIDE = 256  # the builder's default
RENDERED = 32  # clips that differ; the others are links to them


class Feeding:
    """Records, the pipeline over them and models that learn from it.

    Args:
        sizes: Sizes, of the task; the spectrogram's are those of `AUDIO`.
        directory: Path, the directory for records.
        clips: Integer, the clips in them.
    """

    def __init__(self, sizes: Sizes, directory: str, clips: int) -> None:
        tf.get_logger().setLevel("ERROR")  # it warns of the first steps, each traced twice
        self.gpu = keras_steps.use_gpu()
        self.sizes, self.clips = sizes, clips
        self.directory = pathlib.Path(directory)

    def build(self) -> None:
        """Renders clips and builds the records, unless they are there, and opens them."""
        source = self.directory / "source"
        if not source.exists():
            media_files.source(source, self.clips, min(self.clips, RENDERED), SECONDS, 480, 360)
        if not (self.directory / str(SIDE)).exists():
            records(source, self.directory / str(SIDE), SIDE)
        inputs = {"audio": AUDIO, "video": VideoConfig(frames=3, size=self.sizes.pixels)}
        self.data = Pipeline(self.directory / str(SIDE), inputs, self.sizes.batch, cache="no")

    def pipeline(self, batches: int, rounds: int) -> list[float]:
        """Clips a second of the clock, of the pipeline on all cores, one a round."""
        stream = iter(self.data.train())
        found = []
        for turn in range(rounds + 1):
            start = time.perf_counter()
            for _ in range(batches):
                next(stream)
            if turn:  # in the first tf.data finds how much to do in parallel
                found.append(batches * self.sizes.batch / (time.perf_counter() - start))
        return found

    def fit(self, precision: str, xla: bool, steps: int, rounds: int) -> list[tuple[float, float]]:
        """Seconds of a bare step and seconds of a step of `model.fit`, one pair a round.

        Args:
            precision: String, Keras' policy.
            xla: Boolean, whether XLA compiles the step.
            steps: Integer, the steps of an epoch; bare steps are half as many.
            rounds: Integer, the pairs.
        """
        model = self._model(precision, xla)
        bare = tf.function(model.train_step, jit_compile=xla)
        batch = next(iter(self.data.train()))
        with tf.device("GPU:0" if self.gpu else "CPU:0"):
            batch = tf.nest.map_structure(tf.identity, batch)
        for _ in range(2):
            float(bare(batch)["loss"])
        found = []
        for turn in range(rounds + 1):
            start = time.perf_counter()
            for _ in range(half := -(-steps // 2)):
                logs = bare(batch)
            float(logs["loss"])
            seconds = (time.perf_counter() - start) / half
            epochs = Epochs()  # the second is timed: the pipeline has begun, buffers are full
            model.fit(self.data.train(model.steps_done), epochs=2, steps_per_epoch=steps,
                      shuffle=False, verbose=0, callbacks=[epochs])  # fmt: skip
            if turn:  # in the first the graph of `fit` is made
                found.append((seconds, epochs.seconds[-1] / steps))
        return found

    def _model(self, precision: str, xla: bool) -> amr_tf.MultimodalClassifier:
        keras.mixed_precision.set_global_policy(precision)
        options = {"width": self.sizes.width} if self.sizes.width else {}
        inputs, augment = self.data.inputs, self.data.augment
        encoders = {
            name: build_encoder(self.sizes.encoder, name, modality.shape, **options)
            for name, modality in inputs.items()
        }
        shapes = [tuple(e.output_shape[1:]) for e in encoders.values()]
        features = {
            name: FeaturesLayer(modality, augment, name=f"{name}_features")
            for name, modality in inputs.items()
        }
        head = heads.concat(shapes, len(self.data.info.classes))
        model = amr_tf.MultimodalClassifier(encoders, head, features=features)
        model.compile(keras_steps.optimizer(), jit_compile=xla)
        return model


class Epochs(keras.callbacks.Callback):
    """Notes the seconds of each epoch; it looks at no step, so that none is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Takes the time."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Notes the time: the logs are numbers by now, so that the last step is done."""
        self.seconds.append(time.perf_counter() - self._start)


def records(source: pathlib.Path, directory: pathlib.Path, side: int) -> None:
    """Builds the records of a directory of clips, frames of the short side `side`."""
    options = BuildOptions(
        "vggsound", str(source), str(directory), audio_rate=RATE, short_side=side,
        validation_fraction=1e-9,
    )  # fmt: skip
    builder.build(options)


def main(_: list[str]) -> None:
    """The command."""
    values, sizes = flags.FLAGS, of_flags()
    with tempfile.TemporaryDirectory() as directory:
        feeding = Feeding(sizes, directory, values.clips)
        feeding.build()
        rates = feeding.pipeline(values.steps, values.rounds)
        pairs = feeding.fit(values.precision, values.jit_compile, values.steps, values.rounds)
    title = (
        f"{values.precision.removeprefix('mixed_')}, {'XLA' if values.jit_compile else 'no XLA'}"
    )
    print(f"{feeding.gpu or 'no GPU'}; {paired.machine()}; {values.rounds} rounds\n")
    print(feeding_table(rates, {title: pairs}, sizes.batch))


if __name__ == "__main__":
    define_flags(FULL)
    flags.DEFINE_integer("clips", 512, "Clips in the records.")
    flags.DEFINE_integer("steps", 40, "Batches of a round.")
    flags.DEFINE_integer("rounds", 5, "Rounds.")
    flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras' policy.")
    flags.DEFINE_bool("jit_compile", False, "Whether XLA compiles the step.")
    app.run(main)
