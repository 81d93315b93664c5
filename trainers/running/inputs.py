"""A model's inputs: kept in the run, read from there ever after."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from amr_tf.modalities import Modality, restored
from tfrecords.building.media import Settings
from tfrecords.description import DatasetInfo


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
