"""A model's inputs, which are kept in the run and always read from there."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from amr_tf.modalities import Modality, restored
from tfrecords.building.settings import Settings
from tfrecords.description import DatasetInfo


@dataclasses.dataclass(frozen=True)
class ModelInputs:
    """The inputs of a model, and how they are made of media files.

    Attributes:
        modalities: Mapping, modality -> the model's input.
        settings: Settings, how files were decoded for the records.
        clip_seconds: Number, the length of the longest clip of the records; 0 for clips without
            time. Longer files are labelled in windows of this length.
    """

    modalities: Mapping[str, Modality]
    settings: Settings
    clip_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The entries of a run's `config.json`."""
        described = {name: modality.describe() for name, modality in self.modalities.items()}
        return {"inputs": described, **self.decoding()}

    def decoding(self) -> dict[str, Any]:
        """The settings by which media files are decoded, for JSON."""
        return {"media": dataclasses.asdict(self.settings), "clip_seconds": self.clip_seconds}

    @classmethod
    def of_json(cls, inputs: Mapping[str, Any], content: Mapping[str, Any]) -> "ModelInputs":
        """The inputs that `to_json` described.

        Args:
            inputs: Mapping, modality -> its description.
            content: Mapping, which holds what `decoding` gave.

        Raises:
            KeyError: An entry is missing; TypeError or ValueError: it is of another kind.
        """
        modalities = {name: restored(numbers) for name, numbers in inputs.items()}
        return cls(modalities, Settings(**content["media"]), float(content["clip_seconds"]))


def of_records(modalities: Mapping[str, Modality], info: DatasetInfo) -> ModelInputs:
    """The inputs of a model that is trained on records.

    Args:
        modalities: Mapping, modality -> the model's input.
        info: DatasetInfo, the description of the records.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
    settings = Settings(**{name: info.options[name] for name in names if name in info.options})
    seconds = max((info.modalities[name].longest_seconds for name in modalities), default=0.0)
    return ModelInputs(modalities, settings, seconds)


def load(model_dir: pathlib.Path) -> ModelInputs:
    """The inputs of a run's model.

    Args:
        model_dir: Path of the run.

    Raises:
        OSError: The run's description cannot be read; `Config.load` tells whether there is a run.
        ValueError: It is damaged, or the run's data were never read.
    """
    path = model_dir / "config.json"
    try:
        content = json.loads(path.read_text())
        if "inputs" not in content:
            raise ValueError("the run was refused, or stopped, before its data were read")
        return ModelInputs.of_json(content["inputs"], content)
    except (AttributeError, KeyError, TypeError, RecursionError, ValueError) as error:
        raise ValueError(f"{path} is not a description of a run: {str(error)[:200]}") from error
