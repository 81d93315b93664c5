"""A model's inputs: made of flags and records, kept in the run, read from there ever after."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from amr_tf.modalities import MODALITIES, AudioConfig, FeaturesConfig, Modality, VideoConfig
from tfrecords.building.media import Settings
from tfrecords.description import DatasetInfo
from tfrecords.stored import Stored
from trainers.config.run_config import Config


def of_records(config: Config, info: DatasetInfo) -> dict[str, Modality]:
    """The inputs of a run's model.

    Args:
        config: The run.
        info: The description of its records.

    Returns:
        Modality -> input, in the model's order.
    """
    return {name: _input(config, info.modalities[name]) for name in config.model_modalities}


def _input(config: Config, stored: Stored) -> Modality:
    if stored.kind == "audio":
        return AudioConfig(
            config.audio_rate,
            config.audio_seconds,
            config.tile_seconds,
            config.fft_length,
            config.hop,
        )
    if stored.kind == "video":
        return VideoConfig(config.frames, config.frame_size)
    return FeaturesConfig(stored.dimensions, stored.mean, stored.std)


def describe(inputs: Mapping[str, Modality], info: DatasetInfo) -> dict[str, Any]:
    """What `config.json` keeps, so that the run needs its records no more.

    Args:
        inputs: Mapping, modality -> input.
        info: The description of the records.

    Returns:
        `inputs`, modality -> its numbers, and `media`, how files were decoded for the records.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
    media = {name: info.options[name] for name in names if name in info.options}
    return {"inputs": {name: m.describe() for name, m in inputs.items()}, "media": media}


def load(model_dir: pathlib.Path) -> tuple[dict[str, Modality], Settings]:
    """The inputs of a run's model, and how its media files are decoded.

    Args:
        model_dir: Path of the run.

    Raises:
        OSError: The run's description cannot be read; `Config.load` tells whether there is a run.
        ValueError: It is damaged, or the run's data were never read.
    """
    path = model_dir / "config.json"
    try:
        content = json.loads(path.read_text())
        inputs = {name: restored(numbers) for name, numbers in content["inputs"].items()}
        return inputs, Settings(**content["media"])
    except (AttributeError, KeyError, TypeError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} is no description of a run: {str(error)[:200]}") from error


def restored(numbers: Mapping[str, Any]) -> Modality:
    """The input that `Modality.describe` described; other entries are passed over.

    Raises:
        ValueError: There is no such kind of modality, or a number is impossible.
    """
    modality = MODALITIES.find(numbers["kind"])
    names = [field.name for field in dataclasses.fields(modality)]
    values = {name: numbers[name] for name in names if name in numbers}
    return modality(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
