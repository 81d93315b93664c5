"""The files of a run's directory beside its models: its owner, and how the epochs went."""

import contextlib
import dataclasses
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import amr_tf
from amr_tf.tasks import Task
from amr_tf.tasks.multiclass import MULTICLASS
from tfrecords import atomic
from tfrecords.differences import differences
from tfrecords.reading.pipeline import Pipeline
from trainers.config.run_config import Config, read_flags
from trainers.reporting import evaluation_results
from trainers.running import inputs
from trainers.running.callbacks import DISTANCE
from trainers.running.checkpoints import score

# Flags that may differ between an interrupted run and the command that goes on with it.
_FREE = (
    "overwrite", "log_every", "data_dir", "model_dir", "export",
    "checkpoint_minutes", "checkpoint_steps", "keep_checkpoints", "data_service",
)  # fmt: skip
# What a run and the commands that read it leave.
_FILES = (
    "config.json", "history.csv", "model.keras", "results.json", "classes.txt", "MODEL_CARD.md",
)  # fmt: skip
_DIRECTORIES = ("train", "validation", "checkpoints", "export", "evaluation", "explanations")


def claim(config: Config) -> pathlib.Path:
    """Makes the model directory this run's own.

    Raises:
        ValueError: It holds another run.
    """
    model_dir = pathlib.Path(config.model_dir)
    path = model_dir / "config.json"
    if config.overwrite and path.exists():  # nothing but a run is deleted
        for name in _FILES:
            (model_dir / name).unlink(missing_ok=True)
        for name in _DIRECTORIES:
            shutil.rmtree(model_dir / name, ignore_errors=True)
    if path.exists() and not _begun(model_dir):
        path.unlink()  # of a command that was refused, or stopped before its first checkpoint
    if path.exists():
        # a flag that this run was begun without had its default
        defaults = {field.name: field.default for field in dataclasses.fields(Config)}
        there = {**defaults, **read_flags(path)}
        there, now = _fixed(there), _fixed(config.to_json())
        if differing := differences(there, now):
            raise ValueError(
                f"{model_dir} holds a run with other flags: {differing}. "
                "Choose another --model_dir, or --overwrite it"
            )
        return model_dir
    model_dir.mkdir(parents=True, exist_ok=True)
    packages = ("tensorflow", "keras", "numpy", "av")
    versions = {name: importlib.metadata.version(name) for name in packages}
    versions.update(python=platform.python_version(), amr_tf=amr_tf.__version__)
    # commands that read the run may be called from another directory
    flags = {**config.to_json(), "data_dir": os.path.abspath(config.data_dir)}
    content = {"flags": flags, "versions": versions, "command": sys.argv}
    evaluation_results.write_json(path, content)
    return model_dir


def _begun(model_dir: pathlib.Path) -> bool:
    """Whether a run has left something that is worth keeping."""
    checkpoints = model_dir / "checkpoints"
    return (model_dir / "model.keras").exists() or any(checkpoints.glob("*.keras"))


def _fixed(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that a command that goes on with a run has in common with the first."""
    return {name: value for name, value in flags.items() if name not in _FREE}


def keep(model_dir: pathlib.Path, data: Pipeline) -> None:
    """Keeps in the run what follows from its data: class names, inputs, how files were decoded.

    It also keeps whether clips are held in memory, on which the order depends with --cache=auto: a
    run that goes on does as it began, whatever memory is free by then.

    Args:
        model_dir: Path of the run.
        data: Pipeline, the run's data.

    Raises:
        ValueError: The run began with clips in memory, and its data cannot go on so.
    """
    path = model_dir / "config.json"
    content = json.loads(path.read_text())
    if "cached" in content:
        data.cache = "yes" if content["cached"] else "no"
        if content["cached"] and not data.cached:
            raise ValueError(
                f"{model_dir} holds a run that keeps its clips in memory, in an order that "
                "--data_service does not give: go on without it, or choose another --model_dir"
            )
    else:
        kept = {"cached": data.cached, **inputs.of_records(data.inputs, data.info).to_json()}
        evaluation_results.write_json(path, {**content, **kept})
        atomic.write_text(model_dir / "classes.txt", "\n".join(data.info.classes) + "\n")


def trim(history: pathlib.Path, epochs: int, task: Task = MULTICLASS) -> None:
    """Keeps the rows of the first `epochs` epochs, after which a run goes on.

    Rows that a failure of the machine has damaged are left out, and counted.
    """
    if not history.exists():
        return
    head, rows, damaged = _rows(history, task)
    if damaged:
        print(f"{history}: {damaged} rows cannot be read and are left out", file=sys.stderr)
    kept = [line for line, epoch, _ in rows if epoch < epochs]
    if kept:
        history.write_text("".join([head, *kept]))
    else:
        history.unlink()


def best_score(history: pathlib.Path, task: Task = MULTICLASS) -> tuple[float, float] | None:
    """The score of the best epoch before, see `checkpoints.score`; None where there is none."""
    if not history.exists():
        return None
    scores = [found for *_, found in _rows(history, task)[1]]
    return max((s for s in scores if not math.isnan(sum(s))), default=None)


def _rows(
    history: pathlib.Path, task: Task
) -> tuple[str, list[tuple[str, int, tuple[float, float]]], int]:
    """The header, each whole row with its epoch and its score, and the number of damaged rows."""
    head, *lines = history.read_text(errors="replace").splitlines(keepends=True) or [""]
    rows = []
    for line in lines:
        with contextlib.suppress(KeyError, ValueError):
            row = dict(zip(head.rstrip().split(","), line.split(","), strict=True))
            if line.endswith("\n"):
                scored = (f"val_{task.selects}", DISTANCE)
                numbers = {name: float(row[name]) for name in scored if name in row}
                rows.append((line, int(row["epoch"]), score(numbers, task)))
    return head, rows, len(lines) - len(rows)
