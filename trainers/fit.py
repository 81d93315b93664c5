"""Trains a model: `python -m trainers.fit --help`.

Everything that a run leaves lies in --model_dir: config.json, classes.txt, history.csv, train/ and
validation/ (TensorBoard), checkpoints/, model.keras, export/<version>/ (SavedModel), MODEL_CARD.md,
results.json.
The same command goes on from the last checkpoint of a run that was interrupted.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import sys
from typing import Any

import keras
import tensorflow as tf
from absl import flags

from amr_tf import saving
from amr_tf.analysis.evaluation import Evaluator
from amr_tf.serving import exporting
from tfrecords.reading.pipeline import Pipeline
from trainers.config import flags as trainer_flags
from trainers.config.run_config import Config
from trainers.reporting import evaluation_results, model_card
from trainers.running import (
    assembly,
    checkpoints,
    command,
    media_files,
    multi_worker,
    run_directory,
    teachers,
    training,
)
from trainers.running.finished_run import load_model
from trainers.running.nonfinite import NonFiniteLoss


def main() -> None:
    """The command."""
    with command.user_errors():
        config = trainer_flags.config(flags.FLAGS)
        assembly.setup(config)
        strategy = assembly.strategy(config)
    try:
        results = run(config, strategy)
    except multi_worker.LOST as error:
        if config.strategy != "multi_worker":
            raise
        print(f"another worker is gone ({error.message.splitlines()[0][:120]})", file=sys.stderr)
        sys.stderr.flush()
        os._exit(multi_worker.AGAIN)  # threads that wait for the other one would keep us
    if multi_worker.is_chief(strategy):
        show(config, results)


def run(config: Config, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Trains, tests and exports, as far as that is not done yet, alone in its directory.

    Args:
        config: The run; its `model_dir` then holds everything.
        strategy: To train on.

    Returns:
        The results.
    """
    with contextlib.ExitStack() as stack:
        if multi_worker.is_chief(strategy):
            with command.user_errors():
                stack.enter_context(command.alone(pathlib.Path(config.model_dir)))
        results = _run(config, strategy)
        multi_worker.barrier(strategy)
        return results


def _run(config: Config, strategy: tf.distribute.Strategy) -> dict[str, Any]:
    chief = multi_worker.is_chief(strategy)
    model_dir = pathlib.Path(config.model_dir)
    with command.user_errors():
        if chief:
            run_directory.claim(config)
            assembly.make_synthetic(config)
        multi_worker.barrier(strategy)
        finished = model_dir / "results.json"
        if finished.exists():
            print(f"{model_dir} holds this run, finished; --overwrite trains it anew.")
            return json.loads(finished.read_text())
        data = assembly.pipeline(config, multi_worker.place(strategy))
        if chief:
            run_directory.keep_order(model_dir, data)
            (model_dir / "classes.txt").write_text("\n".join(data.info.classes) + "\n")
    taught = teachers.trained(config, strategy, run)
    with command.user_errors(), strategy.scope():
        keras.utils.set_random_seed(config.seed)
        model = checkpoints.newest(model_dir / "checkpoints") or assembly.model(
            config, data.info, data.steps_per_epoch, taught
        )
    if chief:
        introduce(config, data, model, strategy)
    with command.data_errors(data):
        cost = _train(config, data, model)
        with strategy.scope():
            model = saving.load_model(model_dir / "model.keras")
        results = {**test(config, data, model), **cost}
    if chief:
        model_card.write(config, results)
        if config.export:
            export(config, model_dir / "export")
        evaluation_results.write_json(finished, results)
    return results


def _train(config: Config, data: Pipeline, model: Any) -> dict[str, Any]:
    """Trains to the end, if there is something to train; leaves `model.keras`."""
    path = pathlib.Path(config.model_dir) / "model.keras"
    strategy = model.distribute_strategy
    if not model.method.trains:
        model.save(path)
        return {"seconds": 0.0, "step_seconds": None}
    try:
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
        epochs, steps = divmod(model.steps_done, data.steps_per_epoch)
        print(f"        going on after epoch {epochs}" + (f" and {steps} steps" if steps else ""))
    sys.stdout.flush()


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
    decoding = media_files.settings(config)
    notes = {
        "method": config.method,
        "amr_weight": config.effective_amr_weight,
        "media": {n: getattr(decoding, n) for n in ("audio_rate", "fps", "short_side")},
    }
    card = model_dir / model_card.FILE
    extra = {card.name: card.read_text("utf-8")} if card.exists() else {}
    return exporting.export(model, directory, config.audio, config.video, classes, notes, extra)


def show(config: Config, results: dict[str, Any]) -> None:
    """Prints the results, where things are, and what to try next."""
    weight = f"AMR {config.amr_weight:g}" if config.effective_amr_weight else "without AMR"
    evaluation_results.results_table(
        f"{config.dataset}, {config.method}, {weight}", results, config.modalities
    )
    model_dir = pathlib.Path(config.model_dir)
    if results["epochs"]:
        selected = results["selected_epoch"]
        print(f"Selected on validation: epoch {selected} of {results['epochs']}.")
    print(f"results      {model_dir / 'results.json'}\nmodel        {model_dir / 'model.keras'}")
    print(f"model card   {model_dir / model_card.FILE}")
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
