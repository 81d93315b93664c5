"""The directory of a clip's explanation, so that none overwrites another's, and its numbers."""

import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from trainers.reporting.evaluation_results import write_json
from trainers.running.predictor import Labelled

_NUMBERS = "explanation.json"


def own_directory(output: pathlib.Path, named: Mapping[str, str]) -> pathlib.Path:
    """A clip's directory: named after its file, with a number where another clip has that name.

    Args:
        output: Path of all explanations.
        named: Mapping, modality -> path of its file.
    """
    name = pathlib.PurePath(next(iter(named.values()))).stem[:80] or "clip"
    number = 1
    while True:
        directory = output / (name if number == 1 else f"{name}-{number}")
        if not directory.exists() or _files(directory) == _absolute(named):
            return directory
        number += 1


def write_numbers(
    directory: pathlib.Path,
    named: Mapping[str, str],
    labelled: Labelled,
    classes: Sequence[str],
    modalities: Sequence[str],
) -> None:
    """Writes what the model says of each window of a clip.

    Args:
        directory: Path of the clip's explanation.
        named: Mapping, modality -> path of its file.
        labelled: Labelled, what the model says.
        classes: Strings, the class names by id.
        modalities: Strings, the model's modalities.
    """
    windows = [
        {
            "start": window.start,
            "end": None if math.isinf(window.end) else window.end,
            "probabilities": probabilities.tolist(),
            "shares": shares.tolist(),
            "missing": list(missing),
        }
        for window, probabilities, shares, missing in zip(
            labelled.windows, labelled.probabilities, labelled.shares, labelled.missing, strict=True
        )
    ]
    content = {
        "files": _absolute(named),
        "classes": list(classes),
        "modalities": list(modalities),
        "windows": windows,
    }
    write_json(directory / _NUMBERS, content)


def _files(directory: pathlib.Path) -> Any:
    """The clip whose explanation a directory holds; None where that can't be told."""
    try:
        return json.loads((directory / _NUMBERS).read_text())["files"]
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _absolute(named: Mapping[str, str]) -> dict[str, str]:
    return {
        name: os.path.abspath(value) if os.path.exists(value) else value
        for name, value in named.items()
    }
