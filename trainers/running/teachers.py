"""The unimodal runs that some methods learn from: which they are, and their trained models."""

import pathlib
from typing import Any

import tensorflow as tf

import amr_tf
from tfrecords.description import DatasetInfo
from trainers.config.encoder_flags import encoder_of
from trainers.config.methods import method_of
from trainers.config.model_inputs import inputs_of_records
from trainers.config.run_config import Config
from trainers.running import inputs
from trainers.running.finished_run import load_classes, load_model


def of(config: Config) -> dict[str, Config]:
    """The runs that a run learns from: modality -> run; none for most methods."""
    if not config.wants_teachers:
        return {}
    return {modality: config.teacher(modality) for modality in config.model_modalities}


def load(
    config: Config, strategy: tf.distribute.Strategy
) -> dict[str, amr_tf.MultimodalClassifier]:
    """The trained unimodal models that a run's method wants, each of a finished run.

    Args:
        config: Config of the run.
        strategy: Strategy in whose scope the models are loaded.

    Returns:
        Modality -> model; empty for most methods.

    Raises:
        ValueError: A run cannot be a teacher for this one.
        FileNotFoundError: There is no run.
    """
    models = {}
    for modality, teacher in of(config).items():
        _check(teacher, modality)
        with strategy.scope():
            models[modality] = load_model(pathlib.Path(teacher.model_dir), compile=False)
    return models


def check_given(config: Config) -> None:
    """Checks the given teachers before anything is trained.

    Raises:
        ValueError: A run cannot be a teacher for this one.
        FileNotFoundError: There is no run.
    """
    for modality, teacher in of(config).items():
        if modality not in config.given_teachers:
            continue
        _check(teacher, modality)
        there, here = (encoder_of(c, modality) for c in (Config.load(teacher.model_dir), config))
        if method_of(config.method, config.names).same_encoders and there != here:
            raise ValueError(
                f"--teachers: {teacher.model_dir} has another encoder of {modality}: "
                f"{_told(*there)} there, {_told(*here)} here"
            )


def _told(encoder: str, options: dict[str, Any]) -> str:
    return f"{encoder}({', '.join(f'{name}={value}' for name, value in options.items())})"


def _check(teacher: Config, modality: str) -> None:
    """Refuses a run that cannot be a teacher for this one.

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
    if found.dataset != teacher.dataset:
        raise ValueError(
            f"--teachers: {teacher.model_dir} was trained on {found.dataset}, not {teacher.dataset}"
        )
    info = DatasetInfo.load(teacher.data_dir)
    if load_classes(pathlib.Path(teacher.model_dir)) != info.classes:
        raise ValueError(
            f"--teachers: {teacher.model_dir} was trained on other classes than those of "
            f"{teacher.data_dir}"
        )
    mine = inputs_of_records(teacher, info)[modality].describe()
    theirs = inputs.load(pathlib.Path(teacher.model_dir)).modalities[modality].describe()
    for name in mine.keys() | theirs.keys():
        here, there = mine.get(name), theirs.get(name)
        if here != there:
            raise ValueError(
                f"--teachers: {teacher.model_dir} was trained on other input: {name} of {modality} "
                f"is {there} there, {here} here"
            )
