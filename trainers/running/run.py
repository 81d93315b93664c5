"""One training run from its flags to its results, and the runs that it learns from."""

import contextlib
import json
import pathlib
import shutil
import signal
import sys
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from amr_tf import saving
from amr_tf.analysis.evaluation import Evaluator
from amr_tf.tasks import Task
from tfrecords import atomic
from tfrecords.reading.pipeline import Pipeline
from tfrecords.reading.records import RecordSet
from trainers.config.model_inputs import inputs_of_records
from trainers.config.run_config import Config
from trainers.reporting import model_card
from trainers.reporting.evaluation_results import write_json
from trainers.running import (
    assembly,
    borrowing,
    checkpoints,
    command,
    exporting,
    multi_worker,
    preflight,
    run_directory,
    teachers,
    training,
)
from trainers.running.introduction import introduce
from trainers.running.nonfinite import NonFiniteLoss


def run(config: Config, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Trains, tests and exports, as far as that is not done yet, and first the needed teachers.

    Args:
        config: Config of the run; its `model_dir` then holds everything.
        strategy: Strategy to train with.

    Returns:
        The results.
    """
    with _alone(config, strategy):
        if results := _prepare(config, strategy):
            print(f"{config.model_dir} holds this run, finished; --overwrite trains it anew.")
            return results
        for modality, teacher in teachers.of(config).items():
            if modality not in config.given_teachers:
                with _alone(teacher, strategy):
                    finished = _prepare(teacher, strategy)
                    told = ", finished" if finished else ""
                    print(f"teacher {modality}: {teacher.model_dir}{told}", flush=True)
                    if not finished:
                        _finish(teacher, strategy)
        return _finish(config, strategy)


@contextlib.contextmanager
def _alone(config: Config, strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Keeps other processes out of a run's directory; all workers leave it together."""
    with contextlib.ExitStack() as stack:
        if multi_worker.is_chief(strategy):
            with command.user_errors():
                stack.enter_context(command.alone(pathlib.Path(config.model_dir)))
        yield
        multi_worker.barrier(strategy)


def _prepare(config: Config, strategy: tf.distribute.Strategy) -> dict[str, Any] | None:
    """Claims the directory, and makes all checks that are possible before any time is spent.

    Returns:
        The results of a run that is finished already, else None.
    """
    with command.user_errors():
        if multi_worker.is_chief(strategy):
            run_directory.claim(config)
            assembly.make_records(config)
        multi_worker.barrier(strategy)
        finished = pathlib.Path(config.model_dir) / "results.json"
        if finished.exists():
            return json.loads(finished.read_text())
        preflight.check_records(config)
        teachers.check_given(config)
    return None


def _finish(config: Config, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Trains, tests and exports a prepared run, whose teachers are finished."""
    chief = multi_worker.is_chief(strategy)
    model_dir = pathlib.Path(config.model_dir)
    with command.user_errors():
        wanted = inputs_of_records(config, RecordSet(config.data_dir).info)
        data = assembly.pipeline(config, wanted, multi_worker.place(strategy))
        if chief:
            run_directory.keep(model_dir, data)
        taught = teachers.load(config, strategy)
        with strategy.scope():
            keras.utils.set_random_seed(config.seed)
            model = checkpoints.newest(model_dir / "checkpoints") or assembly.model(
                config, data, taught
            )
        if chief:
            preflight.check_outputs(config, model)
            preflight.check_ratio(config, data.inputs)
        if model.method.trains:
            borrowing.check(data)
    if chief:
        introduce(config, data, model, strategy)
    with command.data_errors(data):
        cost = _train(config, data, model)
        with strategy.scope():
            model = saving.load_model(model_dir / "model.keras")
        _tune(model, data, model_dir / "model.keras", chief)
        results = {**_test(config, data, model), **cost}
    if chief:
        model_card.write(config, data.inputs, results)
        if config.export:
            exporting.export(model_dir, model_dir / "export")
        write_json(model_dir / "results.json", results)
    return results


def _train(config: Config, data: Pipeline, model: Any) -> dict[str, Any]:
    """Trains to the end, if there is something to train; leaves `model.keras`."""
    path = pathlib.Path(config.model_dir) / "model.keras"
    strategy = model.distribute_strategy
    if not model.method.trains:
        model.save(path)
        return {"seconds": 0.0, "step_seconds": None}
    try:
        with borrowing.watched(data):
            cost = training.train(config, data, model)
    except NonFiniteLoss as error:
        sys.exit(f"error: {error}")
    except checkpoints.Preempted:
        print("ended by SIGTERM; the same command goes on from here", flush=True)
        sys.exit(128 + signal.SIGTERM)
    if config.nan == "skip":
        cost["nonfinite_steps"] = int(model.nonfinite_steps.numpy())
    if multi_worker.is_chief(strategy):
        shutil.copyfile(path.parent / "checkpoints" / "best.keras", path)
    multi_worker.barrier(strategy)
    return cost


def _tune(model: Any, data: Pipeline, path: pathlib.Path, chief: bool) -> None:
    """Has the task choose its settings, e.g. thresholds, on validation clips, and saves them."""
    if type(model.task).tuned is Task.tuned:
        return
    found = Evaluator(model)(data.evaluate("validation"))
    tuned = model.task.tuned(found.labels, found.logits)
    model.task = tuned
    if chief:
        part = path.with_name(f".part-{path.name}")  # Keras asks for the ending `.keras`
        with atomic.writing(path, part):
            model.save(part)


def _test(config: Config, data: Pipeline, model: Any) -> dict[str, Any]:
    """Tests the selected model on the test split, once."""
    summary = Evaluator(model)(data.evaluate("test")).summary()
    skipped = {"corrupt_skipped": data.records.num_skipped} if config.skip_corrupt else {}
    return {
        "split": "test",
        **summary,
        **skipped,
        "task": model.task.name,
        "dataset": config.dataset,
        "method": config.method,
        "amr_weight": config.effective_amr_weight,
        "seed": config.seed,
        "epochs": config.epochs if model.method.trains else 0,
        "selected_epoch": model.steps_done // data.steps_per_epoch,
        **_found(model),
    }


def _found(model: Any) -> dict[str, Any]:
    """The findings of training beside the weights: the ratio, and what holding it costs."""
    found = {}
    if model.moving_ratio is not None:
        shares = zip(model.modalities, model.regularizer.ratio, strict=True)
        found["amr_ratio"] = dict(shares)
    if model.multipliers is not None:
        found["amr_multipliers"] = dict(
            zip(model.modalities, model.multipliers.numbers, strict=True)
        )
        distance = model.multipliers.distance
        if distance > checkpoints.TOLERANCE:
            found["amr_ratio_missed"] = distance
    return found
