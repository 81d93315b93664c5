"""One run: builds the model, trains it, gives it to the measurement, keeps the result in a file."""

import dataclasses
import functools
import gc
import pathlib
import time
from collections.abc import Sequence
from typing import Any

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf

import amr_tf
from amr_tf import methods
from amr_tf.encoders import mlp, spectrogram_cnn, towers
from amr_tf.layers import StatelessDropout
from amr_tf.methods.base import CLASS_COUNTS, HELD_OUT, TEACHERS, HeldOut
from studies import runs, training
from studies.frontier import components, data, measurements
from studies.frontier.plan import ALONE, AUTO, LATER, FrontierRun
from tfrecords import atomic


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The recipe for runs on one kind of inputs, chosen on validation clips for naive fusion.

    Attributes:
        width: Integer, the width of the encoders.
        epochs: Integer, the number of epochs.
        batch: Integer, the clips of a step.
        rate: Float, the first learning rate of AdamW; it falls to 0 along a cosine.
        decay: Float, AdamW's weight decay.
    """

    width: int
    epochs: int
    batch: int
    rate: float
    decay: float = 0.1


RECIPES = {"components": Recipe(192, 15, 128, 0.004), "clips": Recipe(8, 8, 32, 0.002)}
INPUT_DROPOUT, DROPOUT = 0.2, 0.4  # of encoders of components
OGM_ALPHA = 0.8  # as published for CREMA-D
UMT_WEIGHT = 1.0  # the published 50 is for encodings of another scale
OPTIONS = {
    "ogm": {"alpha": OGM_ALPHA}, "ogm_ge": {"alpha": OGM_ALPHA}, "umt": {"weight": UMT_WEIGHT},
    "gradient_blending": {"estimate_epochs": 5},
}  # fmt: skip
# Published schedules are for 70 to 200 epochs.
LATER_OPTIONS = {
    "mses": {"patience": 3}, "relearning": {"every": 5, "times": 2}, "lfm": {"epochs": 15},
    "lfm_learned": {"rate": 5.0}, "reconboost": {"stage_epochs": 1, "joint_epochs": 1},
    "modality_valuation": {"warm_up": 1}, "g2d": {"phases": 6},
}  # fmt: skip


def settings(run: FrontierRun) -> dict[str, Any]:
    """The settings that a finished run depends on beside its own fields."""
    recipes = {name: dataclasses.asdict(recipe) for name, recipe in RECIPES.items()}
    return {
        "recipes": recipes,
        "options": OPTIONS | ({run.method: _options(run)} if run.method in LATER else {}),
        "components": components.COMPONENTS,
        "dropout": [INPUT_DROPOUT, DROPOUT],
    }


def result(work: pathlib.Path, run: FrontierRun) -> dict[str, Any] | None:
    """The measurements of a finished run, name -> number; None if there is no such run."""
    return runs.read(work, run, settings(run))


def make_run(work: pathlib.Path, run: FrontierRun) -> None:
    """Makes a run, unless it is finished; its file appears when it is whole.

    Args:
        work: Path, the directory of the study.
        run: FrontierRun, the run.
    """
    if result(work, run) is not None:
        return
    began = time.monotonic()
    model = trained(work, run)
    fitted = time.monotonic() - began
    measured = measurements.measure_model(work, run, model)
    measured |= {"training_seconds": fitted, "seconds": time.monotonic() - began}
    if run.method == ALONE:
        _keep(_teacher_path(work, run), model)
    runs.write(work, run, settings(run), measured)


def in_worker(work: pathlib.Path, group: list[FrontierRun]) -> list[str]:
    """Makes some runs in a process of its own, on one core; a line for each that failed."""
    runs.on_one_core()
    return runs.each(make_run, work, group)


def trained(work: pathlib.Path, run: FrontierRun) -> amr_tf.MultimodalClassifier:
    """The model of a run, trained to the end; the last epoch's, none is chosen."""
    model = fresh(work, run)
    if not model.method.trains:
        return model
    model = training.with_traced_step(model, _traced(run.graph))
    recipe = RECIPES[run.inputs]
    batches, steps = _batches(work, run, model.modalities)
    if HELD_OUT in model.method.requires:
        model.method.held_out = _held_out(work, run, model.modalities)
    model.fit(batches, epochs=recipe.epochs, steps_per_epoch=steps, verbose=0)
    return model


def fresh(work: pathlib.Path, run: FrontierRun) -> amr_tf.MultimodalClassifier:
    """The compiled, untrained model of a run."""
    method = _method(work, run)
    available = data.modalities(work, run.set)
    encoders, head = method.parts(available, lambda: _parts(work, run))
    model = amr_tf.MultimodalClassifier(encoders, head, method)
    recipe = RECIPES[run.inputs]
    steps = len(data.labels(work, run.set, "train")) // recipe.batch
    rate = keras.optimizers.schedules.CosineDecay(recipe.rate, recipe.epochs * steps)
    weight = AUTO if run.weight == AUTO else float(run.weight)
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=recipe.decay),
        amr_weight=weight,
        amr_ratio=_ratio(run, available) if weight else None,
        amr_measure=run.measure,
        steps_per_execution=steps,
        amr_scope=run.scope,
    )
    return model


def _ratio(run: FrontierRun, available: Sequence[str]) -> tuple[float, ...]:
    parts = tuple(float(part) for part in run.ratio.split(":"))
    return parts if len(parts) == len(available) else (1.0,) * len(available)


@functools.lru_cache(maxsize=1)
def _traced(graph: tuple) -> list:
    """This process's model for runs of one graph, once it is there; the last one is let go."""
    del graph
    keras.backend.clear_session()
    gc.collect()
    return []


def _parts(work: pathlib.Path, run: FrontierRun) -> tuple[dict[str, keras.Model], keras.Model]:
    names = (run.modality,) if run.modality else data.modalities(work, run.set)
    encoders = {}
    for index, m in enumerate(names):
        shape = data.load(work, run.set, run.inputs, f"train-{m}").shape[1:]
        encoders[m] = _encoder(run, shape, index)
    shapes = [tuple(encoder.output_shape[1:]) for encoder in encoders.values()]
    classes = int(data.labels(work, run.set, "train").max()) + 1
    return encoders, amr_tf.heads.concat(shapes, classes, seed=run.seed)


def _encoder(run: FrontierRun, shape: tuple[int, ...], index: int) -> keras.Model:
    width = RECIPES[run.inputs].width
    if run.inputs == "clips":
        build = spectrogram_cnn if len(shape) == 3 else towers
        return build(shape, width=width, seed=run.seed)
    # a traced step holds the seeds of its masks: the same for all runs that may share it
    inputs = keras.Input(shape)
    x = StatelessDropout(INPUT_DROPOUT, seed=2 * index, name="dropout_in")(inputs)
    x = mlp(shape, width=width, depth=1, seed=run.seed, name="layer")(x)
    x = StatelessDropout(DROPOUT, seed=2 * index + 1, name="dropout_out")(x)
    return keras.Model(inputs, x)


def _options(run: FrontierRun) -> dict[str, Any]:
    return dict((OPTIONS | LATER_OPTIONS).get(run.method, {}))


def _method(work: pathlib.Path, run: FrontierRun) -> methods.Method:
    kind = methods.METHODS[run.method]
    options = _options(run)
    if run.method == ALONE:
        options["modality"] = run.modality
    if TEACHERS in kind.requires:
        names = data.modalities(work, run.set)
        options[TEACHERS] = {m: _teacher(work, run, m) for m in names}
    if CLASS_COUNTS in kind.requires:
        options[CLASS_COUNTS] = np.bincount(data.labels(work, run.set, "train")).tolist()
    return kind(**options)


def _teacher(work: pathlib.Path, run: FrontierRun, modality: str) -> amr_tf.MultimodalClassifier:
    alone = FrontierRun(run.set, ALONE, modality=modality, seed=run.seed, inputs=run.inputs)
    encoders, head = _parts(work, alone)
    model = amr_tf.MultimodalClassifier(encoders, head, methods.Unimodal(modality))
    with np.load(_teacher_path(work, alone)) as saved:
        values = [saved[name] for name in saved.files]
    encoder = model.encoders[modality]
    count = len(encoder.get_weights())
    encoder.set_weights(values[:count])
    model.head.set_weights(values[count:])
    return model


def _teacher_path(work: pathlib.Path, run: FrontierRun) -> pathlib.Path:
    return work / "teachers" / f"{run.name}.npz"


def _keep(path: pathlib.Path, model: amr_tf.MultimodalClassifier) -> None:
    (encoder,) = model.encoders.values()
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(path) as part, part.open("wb") as file:
        np.savez(file, *encoder.get_weights(), *model.head.get_weights())


def _batches(
    work: pathlib.Path, run: FrontierRun, names: Sequence[str]
) -> tuple[tf.data.Dataset, int]:
    """The batches of all epochs, and the steps of one."""
    inputs, labels = data.split(work, run.set, run.inputs, "train")
    recipe = RECIPES[run.inputs]
    rows = training.order(len(labels), recipe.batch, recipe.epochs, run.seed)
    inputs = {m: inputs[m] for m in names}
    return training.batches(inputs, labels, rows, data.as_input), len(labels) // recipe.batch


def _held_out(work: pathlib.Path, run: FrontierRun, names: Sequence[str]) -> HeldOut:
    """Validation clips, and as many training clips."""
    batches, steps = _batches(work, run, names)
    count = len(data.labels(work, run.set, "validation"))
    splits = {}
    for wanted in ("train", "validation"):
        inputs, labels = data.split(work, run.set, run.inputs, wanted)
        inputs = {m: data.as_input(tf.constant(inputs[m][:count])) for m in names}
        splits[wanted] = tf.data.Dataset.from_tensor_slices((inputs, labels[:count])).batch(256)
    return HeldOut(
        train=lambda step: batches.repeat().skip(step),
        steps_per_epoch=steps,
        seen=splits["train"],
        unseen=splits["validation"],
    )
