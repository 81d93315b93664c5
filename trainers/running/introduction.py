"""The output of a run before it begins and when it ends."""

import dataclasses
import pathlib
import shlex
import sys
from typing import Any

import tensorflow as tf

from amr_tf.tasks import Task
from tfrecords.description import DatasetInfo
from tfrecords.reading.pipeline import Pipeline
from trainers.config import effects
from trainers.config.flags import makes_itself
from trainers.config.recipes import PRESETS
from trainers.config.run_config import Config
from trainers.reporting import evaluation_results, model_card

# Flags that follow from others, or that say where this run is kept.
_DERIVED = ("dataset", "model_dir", "modalities", "overwrite", "amr_weight")


def introduce(config: Config, data: Pipeline, model: Any, strategy: tf.distribute.Strategy) -> None:
    """Prints which model is about to be trained on which data.

    Args:
        config: Config of the run.
        data: Pipeline, its data.
        model: MultimodalClassifier, compiled.
        strategy: Strategy that it is trained with.
    """
    splits = data.info.splits
    counts = ", ".join(f"{splits[s].clips:,} {s}" for s in splits)
    told = outputs_told(model.task, len(data.info.classes))
    print(f"data    {config.data_dir}: {counts} clips, {told}")
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
        print(f"AMR     weight {config.amr_text}, ratio {config.amr_ratio or 'equal'}")
    else:
        print("AMR     none (--amr_weight=0)")
    replicas = strategy.num_replicas_in_sync
    device = tf.config.list_logical_devices()[-1].device_type
    print(
        f"run     {config.epochs} epochs of {data.steps_per_epoch} steps, batch "
        f"{config.batch_size}, {replicas} {device} device{'s' * (replicas > 1)}; "
        f"tensorboard --logdir={config.model_dir}"
    )
    if config.data_service:
        print(f"        batches made at {config.data_service}, in the order of --cache=no")
    if model.steps_done:
        epochs, steps = divmod(model.steps_done, data.steps_per_epoch)
        print(f"        going on after epoch {epochs}" + (f" and {steps} steps" if steps else ""))
    sys.stdout.flush()


def outputs_told(task: Task, count: int) -> str:
    """A model's outputs in words: `10 classes`, or `3 numbers (regression)`.

    Args:
        task: Task, the model's.
        count: Integer, the outputs.
    """
    noun = ("class", "classes") if task.probabilistic else ("number", "numbers")
    kind = "" if task.one_class else f" ({task.name})"
    return f"{count} {noun[count != 1]}{kind}"


def show_results(config: Config, results: dict[str, Any]) -> None:
    """Prints the results, where the files are, and what to try next.

    Args:
        config: Config of the run.
        results: Mapping, the content of `results.json`.
    """
    weight = f"AMR {config.amr_text}" if config.effective_amr_weight else "without AMR"
    evaluation_results.results_table(
        f"{config.data_name}, {config.method}, {weight}", results, config.model_modalities
    )
    model_dir = pathlib.Path(config.model_dir)
    if results["epochs"]:
        selected = results["selected_epoch"]
        print(f"Selected on validation: epoch {selected} of {results['epochs']}.")
    if "amr_ratio_missed" in results:
        missed = model_card.missed_by(results)
        print(
            f"Training clips' shares miss the wanted ratio by {missed}: multipliers take steps to "
            "grow. More epochs or smaller batches bring the shares nearer."
        )
    print(f"results      {model_dir / 'results.json'}\nmodel        {model_dir / 'model.keras'}")
    print(f"model card   {model_dir / model_card.FILE}")
    if config.export:
        print(f"SavedModel   {model_dir / 'export'}")
    evaluate = ["python", "-m", "trainers.evaluate", f"--model_dir={model_dir}"]
    if config.plugins:
        evaluate.append(f"--plugins={config.plugins}")
    print(f"\nNext:\n  tensorboard --logdir={model_dir.parent}\n  {shlex.join(evaluate)}")
    if config.effective_amr_weight:
        print(f"  {without_amr(config)}   # the same model without AMR")


def without_amr(config: Config) -> str:
    """The command that trains the same model without AMR."""
    defaults = dataclasses.asdict(Config())
    given = {
        name: value
        for name, value in config.to_json().items()
        if value != defaults[name] and name not in _DERIVED
    }
    held = DatasetInfo.load(config.data_dir).modalities
    everything = (n if s.kind == n else f"{n}:{s.kind}" for n, s in held.items())
    if config.modalities != ",".join(everything):
        given["modalities"] = config.modalities
    if makes_itself(config) and given.get("data_dir") == config.default_data_dir:
        given.pop("data_dir")  # the default
    if config.batch_size == PRESETS.get(config.preset, {}).get("batch_size"):
        given.pop("batch_size", None)
    useless = effects.without_effect(dataclasses.replace(config, amr_weight=0.0))
    given = {name: value for name, value in given.items() if name not in useless}
    options = [f"--{name}={value}" for name, value in {**given, "amr_weight": 0}.items()]
    return shlex.join(["python", "-m", "trainers.fit", *options])
