"""Measures how AMR's cost grows: `python -m benchmarks.scaling --help`.

Time that a training step with AMR takes beyond a plain Keras step of the same head, on precomputed
encodings (no encoder, so that head and attribution are all there is), over the number of modalities
M, their features D_m, the classes C and the replicas. Plain steps, ours without AMR and ours with
it take turns; the exponent is the slope of the fit in log-log over the upper half of the range,
where constant overhead is least. Draws --output.
"""

import time
from collections.abc import Callable

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import matplotlib
import numpy as np
import tensorflow as tf
from absl import app, flags

import amr_tf
from benchmarks import baseline, paired

matplotlib.use("Agg")
from matplotlib import pyplot as plt

RANGES = {
    "M": (2, 3, 4, 6, 8),
    "D": (128, 512, 2048, 8192),
    "C": (10, 100, 1000, 4000),
    "replicas": (1, 2, 4),
}
BASE = {"M": 2, "D": 512, "C": 309, "replicas": 1}
TITLES = {
    "M": "modalities M",
    "D": "features a modality D_m",
    "C": "classes C",
    "replicas": "replicas (logical CPUs)",
}
WEIGHTS = (None, 0.0, 1.0)  # plain Keras, ours without AMR, ours with AMR
flags.DEFINE_integer("batch", 64, "Global batch.")
flags.DEFINE_integer("rounds", 20, "Rounds a point; in each, every model makes one step.")
flags.DEFINE_string("output", "docs/scaling.png", "The plot.")


def stepper(sizes: dict[str, int], weight: float | None) -> Callable[[], None]:
    """A function that makes one step on random encodings.

    Args:
        sizes: Mapping, the point of `RANGES`, by name.
        weight: Number, the weight of AMR, None for a plain Keras model.
    """
    devices = [f"CPU:{i}" for i in range(sizes["replicas"])]
    one = len(devices) == 1
    strategy = tf.distribute.get_strategy() if one else tf.distribute.MirroredStrategy(
        devices, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )  # fmt: skip
    names = [f"m{i}" for i in range(sizes["M"])]
    rng = np.random.default_rng(0)
    batch = flags.FLAGS.batch
    x = {n: rng.normal(size=(batch, sizes["D"])).astype(np.float32) for n in names}
    y = rng.integers(0, sizes["C"], batch)
    with strategy.scope():
        head = amr_tf.heads.concat([(sizes["D"],)] * sizes["M"], sizes["C"])
        sgd = keras.optimizers.SGD(0.001)
        if weight is None:
            model = baseline.plain_keras(dict.fromkeys(names), head, sgd)
        else:
            model = amr_tf.MultimodalClassifier(dict.fromkeys(names), head)
            model.compile(sgd, amr_weight=weight)
    dataset = tf.data.Dataset.from_tensors((x, y)).repeat()
    batches = iter(strategy.experimental_distribute_dataset(dataset))
    data = next(batches)
    run = tf.function(lambda d: strategy.run(model.train_step, args=(d,)))

    def step() -> None:
        logs = run(data)
        float(strategy.experimental_local_results(logs["loss"])[0])

    return step


def times(sizes: dict[str, int]) -> tuple[list[float], ...]:
    """Seconds of steps of each of `WEIGHTS`, taking turns."""
    steps = [stepper(sizes, weight) for weight in WEIGHTS]
    seconds: tuple[list[float], ...] = tuple([] for _ in steps)
    for step in steps * 2:  # graphs are made
        step()
    turns = list(zip(steps, seconds, strict=True))
    for turn in paired.rounds(flags.FLAGS.rounds, str(sizes)):
        first = turn % len(turns)
        for step, found in turns[first:] + turns[:first]:
            start = time.perf_counter()
            step()
            found.append(time.perf_counter() - start)
    return seconds


def exponent(sizes: tuple[int, ...], added: list[float]) -> float:
    """Slope in log-log over the upper half of the points; NaN where noise ate the cost."""
    upper = len(sizes) // 2
    x, y = np.log(sizes[upper - 1 :]), np.array(added[upper - 1 :])
    return float(np.polyfit(x, np.log(y), 1)[0]) if (y > 0).all() else float("nan")


def main(_: list[str]) -> None:
    """The command."""
    tf.get_logger().setLevel("ERROR")  # it names the devices of every point
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    options = {"figsize": (14, 3.4), "layout": "constrained", "sharey": True}
    figure, panels = plt.subplots(1, len(RANGES), **options)
    rows = []
    for panel, (name, values) in zip(panels, RANGES.items(), strict=True):
        added = []
        for value in values:
            plain, off, on = times({**BASE, name: value})
            added.append(float(np.median(np.array(on) - np.array(plain))))
            rows.append([f"{name} = {value}", f"{1e3 * np.median(plain):.2f}",
                         f"{1e3 * added[-1]:.2f}", paired.ratio(off, plain),
                         paired.ratio(on, plain)])  # fmt: skip
        slope = exponent(values, added)
        panel.plot(values, 1e3 * np.array(added), "o-", color="black")
        panel.set(xscale="log", yscale="log", xlabel=TITLES[name], title=f"exponent {slope:.2f}")
        panel.set_xticks(values, map(str, values))
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("ms beyond a plain Keras step")
    base = ", ".join(f"{k} = {v}" for k, v in BASE.items())
    figure.suptitle(f"Cost of AMR on encodings; batch {flags.FLAGS.batch}, else {base}")
    figure.savefig(flags.FLAGS.output, dpi=110)
    print(f"{paired.machine()}; {flags.FLAGS.rounds} rounds a point, else {base}\n")
    head = ("", "plain Keras, ms", "with AMR adds, ms", "without AMR / plain", "with AMR / plain")
    print(paired.table(head, rows))
    print(f"\nplot {flags.FLAGS.output}")


if __name__ == "__main__":
    app.run(main)
