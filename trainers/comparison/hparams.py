"""TensorBoard's HParams page: one session a run."""

import pathlib
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api

from amr_tf.tasks import find_task

# The flags that say nothing about a result.
_LEFT_OUT = ("model_dir", "data_dir", "teachers", "overwrite", "export", "log_every", "cache")


def write(directory: pathlib.Path, flags: dict[str, Any], results: dict[str, Any]) -> None:
    """Writes a finished run's flags and results, unless that is done.

    Args:
        directory: Path of the directory of the session's event file.
        flags: Mapping, the run's `Config`.
        results: Mapping, the content of its `results.json`.
    """
    if directory.exists():
        return
    metrics = {m.name: results[m.name] for m in find_task(results["task"]).metrics}
    metrics = {name: value for name, value in metrics.items() if value is not None}
    for target, shares in (results["dominance_by_target"] or {}).items():
        metrics.update({f"{m} share ({target})": share for m, share in shares.items()})
    with tf.summary.create_file_writer(str(directory)).as_default():
        told = {name: flags[name] for name in flags if name not in _LEFT_OUT}
        api.hparams(told, trial_id=directory.name)
        for name, value in metrics.items():
            tf.summary.scalar(name, value, step=0)
