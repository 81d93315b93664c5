"""The unimodal runs that umt learns from and ume is made of: found, or trained first."""

import pathlib
from collections.abc import Callable

import tensorflow as tf

import amr_tf
from trainers.config.run_config import Config
from trainers.running import command
from trainers.running.finished_run import load_model

METHODS = ("umt", "ume")


def trained(
    config: Config, strategy: tf.distribute.Strategy, run: Callable
) -> dict[str, amr_tf.MultimodalClassifier]:
    """The trained unimodal models that a run's method wants.

    Args:
        config: The run.
        strategy: To train on, and in whose scope the models are loaded.
        run: `trainers.fit.run`.

    Returns:
        Modality -> model; empty for other methods.
    """
    if config.method not in METHODS:
        return {}
    models = {}
    for modality in config.modalities:
        teacher = config.teacher(modality)
        if modality not in config.given_teachers:
            print(f"teacher {modality}: {teacher.model_dir}", flush=True)
            run(teacher, strategy)
        with command.user_errors(), strategy.scope():
            _check(teacher, modality)
            models[modality] = load_model(pathlib.Path(teacher.model_dir), compile=False)
    return models


def _check(teacher: Config, modality: str) -> None:
    """Refuses a run that is no teacher for this one.

    Raises:
        ValueError: It is of another modality, or hears or sees something else.
        FileNotFoundError: There is no run.
    """
    found = Config.load(teacher.model_dir)
    if found.method != modality:
        raise ValueError(
            f"--teachers: {teacher.model_dir} holds a run of --method={found.method}, "
            f"not of {modality}"
        )
    for name in ("dataset", modality):
        here, there = getattr(teacher, name), getattr(found, name)
        if here != there:
            raise ValueError(
                f"--teachers: {teacher.model_dir} was trained on other input: {there} there, "
                f"{here} here"
            )
