"""What a training step costs: `python -m benchmarks.step --help`.

Our step without and with AMR against a plain Keras model of the same encoders and head, every
method against naive fusion, or XLA against none, on random batches in memory: the models take
turns, a step each, so that what else the machine does hits all alike. Our step computes the shares
in any case, for its metrics; a plain Keras step computes none.
"""

import time
from collections.abc import Callable

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import amr_tf
from amr_tf import heads, methods
from amr_tf.encoders import build_encoder
from benchmarks import baseline, paired

CLASSES = 10
flags.DEFINE_enum("encoder", "resnet18", ["resnet18", "small"], "Both modalities' encoder.")
flags.DEFINE_integer("width", 0, "Channels of its first stage; 0 for its default.")
flags.DEFINE_integer("pixels", 112, "Height and width of the frames.")
flags.DEFINE_integer("frames", 1, "Frames of a clip.")
flags.DEFINE_list("spectrogram", ["188", "257"], "Time steps and frequency bins.")
flags.DEFINE_integer("batch", 16, "Clips a step.")
flags.DEFINE_integer("rounds", 20, "Rounds; in each, every model makes one step.")
flags.DEFINE_enum("compare", "amr", ["amr", "methods", "xla"], "What takes turns.")


def model(
    method: methods.Method | None = None, weight: float = 0.0, xla: bool = False
) -> keras.Model:
    """A compiled classifier of audio and video."""
    made = amr_tf.MultimodalClassifier(*parts(), method)
    made.compile(optimizer(), amr_weight=weight, jit_compile=xla)
    return made


def plain() -> keras.Model:
    """A plain Keras model of the same parts."""
    return baseline.plain_keras(*parts(), optimizer())


def parts() -> tuple[dict[str, keras.Model], keras.Model]:
    """New encoders by modality, and a head for them."""
    encoders = {m: encoder(m) for m in shapes()}
    sizes = [tuple(e.output_shape[1:]) for e in encoders.values()]
    return encoders, heads.concat(sizes, CLASSES)


def optimizer() -> keras.optimizers.Optimizer:
    """The task's optimizer, the same for all."""
    return keras.optimizers.SGD(0.001, momentum=0.9)


def shapes() -> dict[str, tuple[int, ...]]:
    """Modality -> shape of one sample."""
    values = flags.FLAGS
    size = values.pixels
    return {
        "audio": (*map(int, values.spectrogram), 1),
        "video": (values.frames, size, size, 3),
    }


def encoder(modality: str) -> keras.Model:
    """One modality's encoder."""
    values = flags.FLAGS
    options = {"width": values.width} if values.width else {}
    return build_encoder(values.encoder, modality, shapes()[modality], **options)


def teachers() -> dict[str, keras.Model]:
    """Untrained unimodal models: what they know costs nothing."""
    found = {}
    for m in shapes():
        part = encoder(m)
        head = heads.concat([tuple(part.output_shape[1:])], CLASSES)
        found[m] = amr_tf.MultimodalClassifier({m: part}, head)
    return found


def candidates() -> dict[str, Callable[[], keras.Model]]:
    """What takes turns; the first is what the others are compared with."""
    if flags.FLAGS.compare == "amr":
        return {
            "plain Keras": plain,
            "ours without AMR": model,
            "ours with AMR": lambda: model(weight=1.0),
        }
    if flags.FLAGS.compare == "xla":
        return {"without XLA": model, "with XLA": lambda: model(xla=True)}
    made = {
        "dropout": methods.Dropout,
        "modality_dropout": methods.ModalityDropout,
        "umt": lambda: methods.UMT(teachers()),
        "ogm": methods.OGM,
        "ogm_ge": methods.OGMGE,
        "ogm (ablation)": lambda: methods.OGM(score="ablation"),
        "gradient_blending, between estimates": methods.GradientBlending,
        "gge": methods.GGE,
        "mmpareto": methods.MMPareto,
        "agm": methods.AGM,
        "dgl": methods.DGL,
    }
    return {"naive": model} | {name: lambda make=make: model(make()) for name, make in made.items()}


def stepper(made: keras.Model) -> Callable[[], dict[str, tf.Tensor]]:
    """A function that makes one step on the same random batch."""
    rng = np.random.default_rng(0)
    batch = flags.FLAGS.batch
    inputs = {m: tf.constant(rng.normal(size=(batch, *s)), tf.float32) for m, s in shapes().items()}
    labels = tf.constant(rng.integers(0, CLASSES, batch))
    step = tf.function(made.train_step, jit_compile=made.jit_compile)
    return lambda: step((inputs, labels))


def main(_: list[str]) -> None:
    """The command."""
    tf.get_logger().setLevel("ERROR")  # it warns of the first steps, each traced twice
    steps = {name: stepper(make()) for name, make in candidates().items()}
    for step in steps.values():  # graphs are made
        step()
        step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for turn in paired.rounds(flags.FLAGS.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            logs = steps[name]()
            float(logs["loss"])  # wait for it
            seconds[name].append(time.perf_counter() - start)
    first = names[0]
    rows = [
        [name, f"{1000 * np.median(values):.1f}", paired.ratio(values, seconds[first])]
        for name, values in seconds.items()
    ]
    print(f"{paired.machine()}; {flags.FLAGS.rounds} rounds\n")
    print(paired.table(("", "ms a step (median)", f"against {first}"), rows))


if __name__ == "__main__":
    app.run(main)
