"""One run: builds the model, trains it, gives it to the measurement, keeps the result in a file."""

import functools
import json
import pathlib
import time
from typing import Any

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf

import amr_tf
from amr_tf import _compat, methods
from amr_tf._schedules import AMR_LEARNING_RATE
from amr_tf.encoders import build_encoder
from studies.balance import data, model_measurements
from studies.balance.study_plan import MODALITIES, StudyRun
from studies.balance.variants import EncodersToo, PerSampleRegularizer
from tfrecords import atomic

EPOCHS, BATCH, WIDTH = 8, 32, 8
RATE, MOMENTUM = 0.05, 0.9
OGM_ALPHA = 0.8  # as published for CREMA-D
SETTINGS = {
    "train": data.TRAIN, "test": data.TEST, "epochs": EPOCHS, "batch": BATCH, "width": WIDTH,
    "rate": RATE, "momentum": MOMENTUM, "ogm_alpha": OGM_ALPHA,
    "levels": {name: [level.audio, level.video] for name, level in data.LEVELS.items()},
}  # fmt: skip


def path(work: pathlib.Path, run: StudyRun) -> pathlib.Path:
    """The file of a finished run."""
    return work / "runs" / f"{run.name}.json"


def result(work: pathlib.Path, run: StudyRun) -> dict[str, Any] | None:
    """What a finished run measured.

    Args:
        work: Path, the directory of the runs.
        run: StudyRun, the run.

    Returns:
        A dictionary, name -> number; None if the run is not finished, or was made by other
        settings.
    """
    try:
        found = json.loads(path(work, run).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found["measured"] if found["settings"] == SETTINGS else None


def make_run(work: pathlib.Path, run: StudyRun, split: str = "test") -> None:
    """Makes a run, unless it is finished; its file appears when it is whole.

    Args:
        work: Path, the directory of the runs.
        run: StudyRun, the run.
        split: String, the split to measure on.
    """
    if result(work, run) is not None:
        return
    began = time.monotonic()
    model = trained(work, run)
    measured = model_measurements.measure_model(work, run.level, model, split)
    measured["seconds"] = time.monotonic() - began
    if run.method in MODALITIES:
        kept = _teacher_path(work, run)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic.writing(kept) as part, part.open("wb") as file:
            np.savez(file, *_weights(model))
    path(work, run).parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path(work, run), json.dumps({"settings": SETTINGS, "measured": measured}))


def in_worker(work: pathlib.Path, run: StudyRun) -> None:
    """Makes a run in a process that may have made others, on one core."""
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:  # its first run
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    make_run(work, run)


def trained(work: pathlib.Path, run: StudyRun) -> amr_tf.MultimodalClassifier:
    """The model of a run, trained to the end."""
    model = fresh(work, run)
    traced = _traced(run.graph)
    if traced:  # its train step is traced already: it takes the new model's variables
        _compat.restore(traced[0], _compat.snapshot(model))
        model = traced[0]
    else:
        traced.append(model)
    inputs, labels = data.split(work, run.level, "train")
    inputs = {m: inputs[m] for m in model.modalities}
    steps = len(labels) // BATCH
    batches = _batches(inputs, labels, order(len(labels), run.seed))
    model.fit(batches, epochs=EPOCHS, steps_per_epoch=steps, verbose=0)
    return model


def fresh(work: pathlib.Path, run: StudyRun) -> amr_tf.MultimodalClassifier:
    """The compiled, untrained model of a run."""
    model = amr_tf.MultimodalClassifier(
        encoders := _encoders(run), _head(run, encoders), _method(work, run)
    )
    steps = EPOCHS * (len(data.load(work, run.level, "train-label")) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    sgd = keras.optimizers.SGD(rate, MOMENTUM, weight_decay=run.weight_decay or None)
    target = "logit" if run.amr == "logit" else "probability"
    model.compile(sgd, amr_weight=float(bool(run.amr)), amr_target=target)
    if run.amr == "per_sample":
        model.regularizer = PerSampleRegularizer(model.regularizer.ratio)
    return model


def order(clips: int, seed: int) -> np.ndarray:
    """The clips that each step takes: a permutation an epoch.

    Args:
        clips: Integer, the training clips.
        seed: Integer, the seed of the permutations.

    Returns:
        Array `[steps, BATCH]` of indices.
    """
    rng = np.random.default_rng(seed)
    whole = clips // BATCH * BATCH
    return np.concatenate(
        [rng.permutation(clips)[:whole].reshape(-1, BATCH) for _ in range(EPOCHS)]
    )


@functools.cache
def _traced(graph: tuple) -> list:
    """This process's model for runs of one graph, once it is there."""
    del graph
    return []


def _encoders(run: StudyRun) -> dict[str, keras.Model]:
    names = (run.method,) if run.method in MODALITIES else MODALITIES
    return {m: build_encoder("small", m, data.SHAPES[m], width=WIDTH, seed=run.seed) for m in names}


def _head(run: StudyRun, encoders: dict[str, keras.Model]) -> keras.Model:
    shapes = [tuple(encoder.output_shape[1:]) for encoder in encoders.values()]
    return amr_tf.heads.concat(shapes, data.CLASSES, seed=run.seed)


def _method(work: pathlib.Path, run: StudyRun) -> methods.Method:
    if run.method in MODALITIES:
        return methods.Unimodal(run.method)
    if run.amr == "all_variables":
        return EncodersToo(AMR_LEARNING_RATE * (1 - MOMENTUM) / RATE)
    if run.method == "umt":
        return methods.UMT({m: _teacher(work, run.but(method=m, amr="")) for m in MODALITIES})
    options = {"dropout": {"rate": run.rate}, "ogm": {"alpha": OGM_ALPHA}}
    return methods.METHODS[run.method](**options.get(run.method, {}))


def _teacher(work: pathlib.Path, run: StudyRun) -> amr_tf.MultimodalClassifier:
    encoders = _encoders(run)
    model = amr_tf.MultimodalClassifier(
        encoders, _head(run, encoders), methods.Unimodal(run.method)
    )
    with np.load(_teacher_path(work, run)) as saved:
        values = [saved[name] for name in saved.files]
    parts = (model.encoders[run.method], model.head)
    count = len(parts[0].get_weights())
    parts[0].set_weights(values[:count])
    parts[1].set_weights(values[count:])
    return model


def _weights(model: amr_tf.MultimodalClassifier) -> list[np.ndarray]:
    (encoder,) = model.encoders.values()
    return [*encoder.get_weights(), *model.head.get_weights()]


def _teacher_path(work: pathlib.Path, run: StudyRun) -> pathlib.Path:
    return work / "teachers" / f"{run.name}.npz"


def _batches(inputs: dict, labels: np.ndarray, rows: np.ndarray) -> tf.data.Dataset:
    inputs = {m: tf.constant(np.asarray(x)) for m, x in inputs.items()}
    labels = tf.constant(labels)

    def batch(index: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        x = {m: tf.cast(tf.gather(values, index), tf.float32) for m, values in inputs.items()}
        return x, tf.gather(labels, index)

    return tf.data.Dataset.from_tensor_slices(rows).map(batch).prefetch(2)
