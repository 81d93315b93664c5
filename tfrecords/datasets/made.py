"""Data sets that make their clips: a file beside the clips says how they are made."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tfrecords import atomic
from tfrecords.datasets.listing import SourceError
from tfrecords.differences import differences


def claim(path: pathlib.Path, recipe: Mapping[str, Any]) -> None:
    """Notes how the clips of a directory are made, or checks that they were made in this way.

    Args:
        path: Path of the JSON file that says it, in the clips' directory.
        recipe: Mapping, name -> value, all options that decide the clips.

    Raises:
        SourceError: The directory holds clips that were made in another way.
    """
    if not path.exists():
        atomic.write_json(path, recipe, indent=1)
        return
    try:
        there = json.loads(path.read_text())
        differing = differences({name: there[name] for name in recipe}, recipe)
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path} is not a description of clips that were made: {error!r}"
        ) from error
    if differing:
        raise SourceError(
            f"{path.parent} holds clips of another recipe: {differing}; "
            "give another --source or delete this directory"
        )
