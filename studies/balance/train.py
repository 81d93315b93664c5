"""One run: builds the model, trains it, gives it to the measurement, keeps the result in a file."""

import functools
import pathlib
import time
from typing import Any

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf

import amr_tf
from amr_tf import methods
from amr_tf._schedules import AMR_LEARNING_RATE
from amr_tf.encoders import build_encoder
from studies import runs, training
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


def result(work: pathlib.Path, run: StudyRun) -> dict[str, Any] | None:
    """The measurements of a finished run.

    Args:
        work: Path, the directory of the runs.
        run: StudyRun, the run.

    Returns:
        A dictionary, name -> number; None if the run is not finished, or was made by other
        settings.
    """
    return runs.read(work, run, SETTINGS)


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
    runs.write(work, run, SETTINGS, measured)


def in_worker(work: pathlib.Path, group: list[StudyRun]) -> list[str]:
    """Makes some runs in a process of its own, on one core; a line for each that failed."""
    runs.on_one_core()
    return runs.each(make_run, work, group)


def trained(work: pathlib.Path, run: StudyRun) -> amr_tf.MultimodalClassifier:
    """The model of a run, trained to the end."""
    model = training.with_traced_step(fresh(work, run), _traced(run.graph))
    inputs, labels = data.split(work, run.level, "train")
    inputs = {m: inputs[m] for m in model.modalities}
    steps = len(labels) // BATCH
    rows = training.order(len(labels), BATCH, EPOCHS, run.seed)
    batches = training.batches(inputs, labels, rows, lambda x: tf.cast(x, tf.float32))
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
