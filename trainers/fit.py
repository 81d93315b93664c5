"""Trains a model: `python -m trainers.fit --help`.

Everything that a run leaves lies in --model_dir: config.json, classes.txt, history.csv, train/ and
validation/ (TensorBoard), checkpoints/, model.keras, export/<version>/ (SavedModel), results.json.
The same command goes on where an interrupted run's last whole epoch ended.
"""

import contextlib
import csv
import dataclasses
import importlib.metadata
import json
import pathlib
import platform
import shutil
import sys
import time
from typing import Any

import keras
import tensorflow as tf
from absl import flags

import amr_tf
from amr_tf import serving
from amr_tf.evaluation import Evaluator
from amr_tf.methods import BlendingData, GradientBlending
from tfrecords.pipeline import Pipeline
from trainers import assemble, callbacks, command, report, teaching
from trainers import flags as trainer_flags
from trainers.config import Config
from trainers.evaluate import load_model
from trainers.tensorboard import TensorBoard

# Flags that may differ between an interrupted run and the command that goes on with it.
_FREE = ("overwrite", "log_every", "data_dir", "model_dir", "export")


def main() -> None:
    """The command."""
    with command.user_errors():
        config = trainer_flags.config(flags.FLAGS)
        assemble.setup(config)
        strategy = assemble.strategy(config)
    show(config, run(config, strategy))


def run(config: Config, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Trains, tests and exports, as far as that is not done yet, alone in its directory.

    Args:
        config: The run; its `model_dir` then holds everything.
        strategy: To train on.

    Returns:
        The results.
    """
    with contextlib.ExitStack() as stack:
        with command.user_errors():
            stack.enter_context(command.alone(pathlib.Path(config.model_dir)))
        return _run(config, strategy)


def _run(config: Config, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    with command.user_errors():
        model_dir = claim(config)
        finished = model_dir / "results.json"
        if finished.exists():
            print(f"{model_dir} holds this run, finished; --overwrite trains it anew.")
            return json.loads(finished.read_text())
        assemble.make_synthetic(config)
        data = assemble.pipeline(config)
        keep_order(model_dir, data)
        (model_dir / "classes.txt").write_text("\n".join(data.info.classes) + "\n")
    teachers = teaching.trained(config, strategy, run)
    with command.user_errors(), strategy.scope():
        keras.utils.set_random_seed(config.seed)
        model = resume(model_dir) or assemble.model(
            config, data.info, data.steps_per_epoch, teachers
        )
    introduce(config, data, model, strategy)
    with command.data_errors(data):
        if model.method.trains:
            cost = train(config, data, model)
            with strategy.scope():
                model = keras.models.load_model(model_dir / "checkpoints" / "best.keras")
            shutil.copyfile(model_dir / "checkpoints" / "best.keras", model_dir / "model.keras")
        else:
            cost = {"seconds": 0.0, "step_seconds": None}
            model.save(model_dir / "model.keras")
        results = {**test(config, data, model), **cost}
    if config.export:
        export(config, model_dir / "export")
    report.write_json(finished, results)
    return results


def claim(config: Config) -> pathlib.Path:
    """Makes the model directory this run's own.

    Raises:
        ValueError: It holds another run.
    """
    model_dir = pathlib.Path(config.model_dir)
    path = model_dir / "config.json"
    if config.overwrite:
        for name in ("config.json", "history.csv", "model.keras", "results.json"):
            (model_dir / name).unlink(missing_ok=True)
        for name in ("train", "validation", "checkpoints"):
            shutil.rmtree(model_dir / name, ignore_errors=True)
    if path.exists():
        # a flag that this run was begun without had its default
        defaults = {field.name: field.default for field in dataclasses.fields(Config)}
        there = {**defaults, **json.loads(path.read_text())["flags"]}
        now = config.to_json()
        differing = [
            f"{name} ({there[name]} there, {now[name]} now)"
            for name in now
            if name not in _FREE and there[name] != now[name]
        ]
        if differing:
            raise ValueError(
                f"{model_dir} holds a run with other flags: {'; '.join(differing)}. "
                "Choose another --model_dir, or --overwrite it"
            )
        return model_dir
    model_dir.mkdir(parents=True, exist_ok=True)
    packages = ("tensorflow", "keras", "numpy", "av")
    versions = {name: importlib.metadata.version(name) for name in packages}
    versions.update(python=platform.python_version(), amr_tf=amr_tf.__version__)
    content = {"flags": config.to_json(), "versions": versions, "command": sys.argv}
    report.write_json(path, content)
    return model_dir


def keep_order(model_dir: pathlib.Path, data: Pipeline) -> None:
    """Notes whether clips are kept in memory: with --cache=auto the order depends on it.

    A run that goes on does as it began, whatever memory is free by then.
    """
    path = model_dir / "config.json"
    content = json.loads(path.read_text())
    if "cached" in content:
        data.cache = "yes" if content["cached"] else "no"
    else:
        report.write_json(path, {**content, "cached": data.cached})


def resume(model_dir: pathlib.Path) -> keras.Model | None:
    """The model at the end of the last whole epoch of an interrupted run, if there is one."""
    last = model_dir / "checkpoints" / "last.keras"
    return keras.models.load_model(last) if last.exists() else None


def introduce(config: Config, data: Pipeline, model: Any, strategy: tf.distribute.Strategy) -> None:
    """Says what is about to be trained on what."""
    splits = data.info.splits
    counts = ", ".join(f"{splits[s].clips:,} {s}" for s in splits)
    print(f"data    {config.data_dir}: {counts} clips, {len(data.info.classes)} classes")
    if data.info.notes:
        print(f"        {data.info.notes}")
    parameters = ", ".join(
        f"{name} {part.count_params():,}"
        for name, part in [
            *((f"{m} encoder", getattr(model, f"{m}_encoder")) for m in model.modalities),
            ("head", model.head),
        ]
    )
    print(f"model   {config.method}; parameters: {parameters}")
    if len(model.modalities) == 1:
        print("AMR     none: one modality has no dominance to regularise")
    elif not model.method.trains:
        print("AMR     none: nothing is trained")
        return
    elif config.amr_weight:
        print(f"AMR     weight {config.amr_weight:g}, ratio {config.amr_ratio}")
    else:
        print("AMR     none (--amr_weight=0)")
    replicas = strategy.num_replicas_in_sync
    device = tf.config.list_logical_devices()[-1].device_type
    print(
        f"run     {config.epochs} epochs of {data.steps_per_epoch} steps, batch "
        f"{config.batch_size}, {replicas} {device} device{'s' * (replicas > 1)}; "
        f"tensorboard --logdir={config.model_dir}"
    )
    if model.steps_done:
        print(f"        going on after epoch {model.steps_done // data.steps_per_epoch}")
    sys.stdout.flush()


def train(config: Config, data: Pipeline, model: amr_tf.MultimodalClassifier) -> dict[str, Any]:
    """Runs the epochs that are left; returns the seconds that they and one step took."""
    model_dir = pathlib.Path(config.model_dir)
    checkpoints = model_dir / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    history = model_dir / "history.csv"
    step = model.steps_done
    validation = callbacks.Validation(data.evaluate("validation"))
    examples = next(iter(data.evaluate("validation")))[0]
    examples = {name: value[:4].numpy() for name, value in examples.items()}
    if isinstance(model.method, GradientBlending):
        model.method.data = blending_data(data)
    step_time = callbacks.StepTime()
    start = time.monotonic()
    model.fit(
        data.train(start_step=step),
        initial_epoch=step // data.steps_per_epoch,
        epochs=config.epochs,
        steps_per_epoch=data.steps_per_epoch,
        shuffle=False,  # it is, by seed and epoch
        verbose=0,
        callbacks=[
            step_time,
            validation,
            callbacks.EpochLines(config.epochs, data.steps_per_epoch, model.modalities),
            callbacks.save_best(str(checkpoints / "best.keras"), best_accuracy(history)),
            callbacks.save_last(str(checkpoints / "last.keras")),
            keras.callbacks.CSVLogger(str(history), append=step > 0),
            TensorBoard(config, validation, examples),
        ],
    )
    return {"seconds": round(time.monotonic() - start, 1), "step_seconds": step_time.median}


def blending_data(data: Pipeline) -> BlendingData:
    """What Gradient-Blending weighs its heads on: as many training clips as validation has."""
    held_out = data.evaluate("validation")
    return BlendingData(
        train=data.train,
        steps_per_epoch=data.steps_per_epoch,
        seen=data.evaluate("train").take(held_out.cardinality()),
        held_out=held_out,
        callbacks=[callbacks.Bar("one head alone")],
    )


def best_accuracy(history: pathlib.Path) -> float | None:
    """The best validation accuracy of the epochs before, None where there is none."""
    if not history.exists():
        return None
    with history.open(newline="") as file:
        return max((float(row["val_accuracy"]) for row in csv.DictReader(file)), default=None)


def test(config: Config, data: Pipeline, model: Any) -> dict[str, Any]:
    """The selected model on the test split, once."""
    summary = Evaluator(model)(data.evaluate("test")).summary()
    skipped = {"corrupt_skipped": data.records.num_skipped} if config.skip_corrupt else {}
    return {
        "split": "test",
        **summary,
        **skipped,
        "dataset": config.dataset,
        "method": config.method,
        "amr_weight": config.effective_amr_weight,
        "seed": config.seed,
        "epochs": config.epochs if model.method.trains else 0,
        "selected_epoch": model.steps_done // data.steps_per_epoch,
    }


def export(config: Config, directory: pathlib.Path) -> pathlib.Path:
    """Writes a SavedModel of the run's `model.keras` as the next version in `directory`."""
    model_dir = pathlib.Path(config.model_dir)
    model = load_model(model_dir, compile=False)
    classes = tuple((model_dir / "classes.txt").read_text().splitlines())
    notes = {"method": config.method, "amr_weight": config.effective_amr_weight}
    return serving.export(model, directory, config.audio, config.video, classes, notes)


def show(config: Config, results: dict[str, Any]) -> None:
    """Prints the results, where things are, and what to try next."""
    weight = f"AMR {config.amr_weight:g}" if config.effective_amr_weight else "without AMR"
    report.results_table(f"{config.dataset}, {config.method}, {weight}", results, config.modalities)
    model_dir = pathlib.Path(config.model_dir)
    if results["epochs"]:
        selected = results["selected_epoch"]
        print(f"Selected on validation: epoch {selected} of {results['epochs']}.")
    print(f"results      {model_dir / 'results.json'}\nmodel        {model_dir / 'model.keras'}")
    if config.export:
        print(f"SavedModel   {model_dir / 'export'}")
    print(
        "\nNext:\n"
        f"  tensorboard --logdir={model_dir.parent}\n"
        f"  python -m trainers.evaluate --model_dir={model_dir}"
    )
    if config.effective_amr_weight:
        preset = f" --preset={config.preset}" if config.preset != "full" else ""
        method = f" --method={config.method}" if config.method != "naive" else ""
        command_line = f"python -m trainers.fit{preset}{method} --amr_weight=0"
        print(f"  {command_line}   # the same model without AMR")


if __name__ == "__main__":
    command.run(trainer_flags.define, main)
