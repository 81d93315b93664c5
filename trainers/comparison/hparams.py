"""TensorBoard's HParams page: one session a run."""

import pathlib
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api

from amr_tf.tasks import find_task
from trainers.config.run_config import Config

# The flags that say nothing about a result, and those that are told even where they are defaults.
_LEFT_OUT = ("model_dir", "data_dir", "teachers", "overwrite", "export", "log_every", "cache")
_ALWAYS = ("method", "amr_weight", "seed")


def write(directory: pathlib.Path, flags: dict[str, Any], results: dict[str, Any]) -> None:
    """Writes a finished run's results and the flags that are no defaults, unless that is done.

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
        defaults = Config().to_json()
        told = {
            name: value
            for name, value in flags.items()
            if name in _ALWAYS or (name not in _LEFT_OUT and value != defaults.get(name))
        }
        api.hparams(told, trial_id=directory.name)
        for name, value in metrics.items():
            tf.summary.scalar(name, value, step=0)
