"""Measures how long a training step waits for data: `python -m benchmarks.waiting --help`.

Trains as `trainers.fit` does, with its pipeline, model and loop, on the demo or on larger clips,
and profiles some steps with TensorFlow's profiler: the time in which a step waits for
the pipeline's next batch (`IteratorGetNext`), over the time of the steps.
"""

import dataclasses
import pathlib
import tempfile
import time

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from benchmarks import paired
from tfrecords.description import DatasetInfo
from trainers.config.flags import with_modalities
from trainers.config.model_inputs import inputs_of_records
from trainers.config.recipes import PRESETS, recipes
from trainers.config.run_config import Config
from trainers.running import assembly

flags.DEFINE_multi_enum(
    "case", ["demo", "demo, no cache", "clips224"], ["demo", "demo, no cache", "clips224"],
    "demo: synthetic clips, --preset=half; clips224: two ResNet-18 as in OGM's VGGSound recipe.",
)  # fmt: skip
flags.DEFINE_integer("steps", 30, "Steps to profile.")
flags.DEFINE_integer("rounds", 5, "Times to measure it.")
flags.DEFINE_string("clips224_dir", "", "Records for clips224: VGGSound's layout, 16 kHz.")


class Profile(keras.callbacks.Callback):
    """Profiles steps `start` to `start + count` and notes the time they took."""

    def __init__(self, directory: str, start: int, count: int) -> None:
        super().__init__()
        self.directory, self.start, self.count = directory, start, count

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if batch == self.start:
            tf.profiler.experimental.start(self.directory)
            self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if batch + 1 == self.start + self.count:
            float(np.asarray(logs["loss"]))  # wait for it
            self.seconds = time.perf_counter() - self._began
            tf.profiler.experimental.stop()


def waited(directory: str) -> float:
    """Seconds in which a step waited for a batch, by the profile in a directory.

    Raises:
        ValueError: The profile has no batches, so that 0 would not be a measurement.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    waits = []
    for path in pathlib.Path(directory).rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in space.planes:
            names = {k: v.name for k, v in plane.event_metadata.items()}
            for line in plane.lines:
                for event in line.events:
                    if names[event.metadata_id].startswith("IteratorGetNextOp::DoCompute"):
                        waits.append(event.duration_ps)
    if not waits:
        raise ValueError(f"no IteratorGetNext in the profile of {directory}")
    return sum(waits) / 1e12


def config(case: str) -> Config:
    """The run of a case."""
    if case == "clips224":
        made = Config(**{**recipes()["ogm_vggsound"], "recipe": "ogm_vggsound", "batch_size": 16})
        made = dataclasses.replace(made, data_dir=flags.FLAGS.clips224_dir, cache="no")
    else:
        made = Config(preset="half", **PRESETS["half"])
        made = dataclasses.replace(made, cache="no" if "no cache" in case else "auto")
    return with_modalities(made.located())


def shares(case: str) -> list[float]:
    """Waiting over step time, one number a round."""
    run = config(case)
    assembly.make_records(run)
    data = assembly.pipeline(run, inputs_of_records(run, DatasetInfo.load(run.data_dir)))
    model = assembly.model(run, data)
    found = []
    model.fit(data.train(), steps_per_epoch=3, verbose=0)  # graphs are made
    for _ in range(flags.FLAGS.rounds):
        with tempfile.TemporaryDirectory() as directory:
            profile = Profile(directory, start=5, count=flags.FLAGS.steps)
            model.fit(
                data.train(model.steps_done), steps_per_epoch=5 + flags.FLAGS.steps, verbose=0,
                callbacks=[profile], shuffle=False,
            )  # fmt: skip
            found.append(waited(directory) / profile.seconds)
            print(f"{case}: {100 * found[-1]:.2f} % of {profile.seconds:.2f} s", flush=True)
    return found


def main(_: list[str]) -> None:
    """The command."""
    rows = []
    for case in flags.FLAGS.case:
        if case == "clips224" and not flags.FLAGS.clips224_dir:
            raise SystemExit("--case=clips224 needs --clips224_dir: build it with tfrecords.build")
        found = 100 * np.array(shares(case))
        rows.append(
            [case, f"{np.median(found):.2f} %", f"{found.min():.2f} to {found.max():.2f} %"]
        )
    print(f"\n{paired.machine()}; {flags.FLAGS.rounds} rounds of {flags.FLAGS.steps} steps\n")
    print(paired.table(("", "waiting for data (median)", "range"), rows))


if __name__ == "__main__":
    app.run(main)
