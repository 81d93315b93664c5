"""The epochs of a run."""

import contextlib
import dataclasses
import functools
import pathlib
import tempfile
import time
from typing import Any

import keras

import amr_tf
from amr_tf.methods import HeldOut
from amr_tf.methods.base import HELD_OUT
from amr_tf.modalities.corruption import in_turn
from amr_tf.ratios import EvidenceRatio, RatioCallback, WorstCaseRatio
from tfrecords.reading.pipeline import Pipeline
from trainers.config.run_config import Config
from trainers.running import callbacks, multi_worker, run_directory
from trainers.running.checkpoints import Checkpoints
from trainers.running.nonfinite import NonFinite
from trainers.running.tensorboard import TensorBoard

_SEVERITY = 3  # of the corruptions that worst_case is about


def train(config: Config, data: Pipeline, model: amr_tf.MultimodalClassifier) -> dict[str, Any]:
    """Makes the remaining steps; returns the seconds that they and one step took."""
    model_dir = pathlib.Path(config.model_dir)
    epoch, within = divmod(model.steps_done, data.steps_per_epoch)
    strategy = model.distribute_strategy
    chief = multi_worker.is_chief(strategy)
    if chief:
        run_directory.trim(model_dir / "history.csv", epoch, model.task)
    multi_worker.barrier(strategy)
    best = run_directory.best_score(model_dir / "history.csv", model.task)
    if HELD_OUT in model.method.requires:
        model.method.held_out = held_out(data)
    with contextlib.ExitStack() as stack:
        if not chief:
            # reading metrics and some weights takes all workers: they write as the chief does, and
            # what they write is thrown away
            nowhere = stack.enter_context(tempfile.TemporaryDirectory())
            config = dataclasses.replace(config, model_dir=nowhere)
        step_time = callbacks.StepTime()
        watched = _callbacks(config, data, model, best, chief)
        stack.enter_context(watched[-1].ending_on_sigterm())
        start = time.monotonic()
        while epoch < config.epochs:
            # the rest of the epoch that was interrupted, then the others
            last = epoch + 1 if within else config.epochs
            model.fit(
                data.train(model.steps_done),
                initial_epoch=epoch,
                epochs=last,
                steps_per_epoch=data.steps_per_epoch - within,
                shuffle=False,  # it is, by seed and epoch
                verbose=0,
                callbacks=[step_time, *watched],
                class_weight=class_weights(config, data),
            )
            epoch, within = last, 0
    return {"seconds": round(time.monotonic() - start, 1), "step_seconds": step_time.median}


def class_weights(config: Config, data: Pipeline) -> dict[int, float] | None:
    """The weight of a training clip of each class in the task's loss.

    Balanced weights are N / (C n_c), of N clips of which n_c are of the class c, one of the C
    classes that have any: each class counts alike, and the mean weight of a clip is 1.

    Args:
        config: Config of the run.
        data: Pipeline, its data.

    Returns:
        Class id -> weight; None where all clips count alike.
    """
    if config.class_weights == "equal":
        return None
    counts = data.info.splits["train"].class_counts
    each = sum(counts) / sum(count > 0 for count in counts)
    return {label: each / count if count else 1.0 for label, count in enumerate(counts)}


def _callbacks(
    config: Config, data: Pipeline, model: Any, best: Any, chief: bool
) -> list[keras.callbacks.Callback]:
    """The callbacks in their order; the last is the `Checkpoints`."""
    model_dir = pathlib.Path(config.model_dir)
    directory = model_dir / "checkpoints"
    directory.mkdir(exist_ok=True)
    watch = NonFinite(data.clips_of_step, model_dir, config.log_every, config.nan == "skip")
    validation = callbacks.Validation(data.evaluate("validation"))
    examples = next(iter(data.evaluate("validation")))[0]
    examples = {name: value[:4].numpy() for name, value in examples.items()}
    return [
        watch,
        validation,
        *ratio_callbacks(config, data),
        *([callbacks.EpochLines(config.epochs, model.modalities)] if chief else []),
        keras.callbacks.CSVLogger(str(model_dir / "history.csv"), append=True),
        TensorBoard(config, data.inputs, validation, examples),
        Checkpoints(
            directory,
            best,
            config.checkpoint_minutes,
            config.checkpoint_steps,
            config.keep_checkpoints,
            sound=watch.look,
            agree=functools.partial(multi_worker.anyone, model.distribute_strategy),
            ask_every=1 if data.worker[1] == 1 else config.log_every,
        ),
    ]


def ratio_callbacks(config: Config, data: Pipeline) -> list[RatioCallback]:
    """The callbacks that move the wanted ratio, where training is to find it."""
    if not config.effective_amr_weight or not isinstance(config.ratio, str):
        return []
    if config.ratio == EvidenceRatio.kind:
        return [EvidenceRatio(data.evaluate("validation"))]
    corrupted = {
        name: data.evaluate("validation", in_turn(known, _SEVERITY))
        for name, known in data.corruptions().items()
    }
    return [WorstCaseRatio(corrupted)]


def held_out(data: Pipeline) -> HeldOut:
    """Validation clips, and as many training clips, for the methods that require them."""
    unseen = data.evaluate("validation")
    return HeldOut(
        train=data.train,
        steps_per_epoch=data.steps_per_epoch,
        seen=data.evaluate("train").take(unseen.cardinality()),
        unseen=unseen,
        callbacks=[callbacks.Bar("one head only")],
    )
