"""Decodes one clip of a data set, whatever its modalities are read from.

A clip's sources are files, rows of the arrays of an `.npz` file, or cells of a list that hold a
text. The kind of a source decides how it is read, see `tfrecords.stored`.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

from tfrecords import stored
from tfrecords.building.decoded import Clip
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings, Window
from tfrecords.npz import NpzArray


@dataclasses.dataclass(frozen=True)
class Source:
    """The source from which one modality of a clip is read.

    Attributes:
        kind: String, the kind of the modality, e.g. `audio`.
        path: Path of the file.
        array: String, the array of an `.npz` file that holds it; empty for any other file.
        row: Integer, the clip's row in that array.
        cell: String, the value itself where a list holds it; None for what has a file.
        reader: Class of the kind. A process to which a source is sent imports it, and with it the
            module that registered it.
    """

    kind: str
    path: pathlib.Path
    array: str = ""
    row: int = 0
    cell: str | None = None
    reader: type[stored.Stored] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Finds the class of the kind."""
        object.__setattr__(self, "reader", stored.find(self.kind))


def decode(
    sources: Mapping[str, Source],
    settings: Settings | None = None,
    require: tuple[str, ...] = (),
    window: Window | None = None,
) -> Clip:
    """Decodes a clip.

    Args:
        sources: Mapping, modality -> the source that it is read from.
        settings: Settings, the rates and sizes.
        require: Strings, the modalities without which a clip is refused; with none, any one is
            enough.
        window: Window, the part of the files that is the clip; by default all of them.

    Returns:
        The clip; a modality that is not required and cannot be decoded is left out.

    Raises:
        MediaError: A required modality, or every one, cannot be decoded.
    """
    settings, window = settings or Settings(), window or Window()
    values, seconds, errors = {}, [0.0], []
    for name in require:
        if name not in sources:
            raise MediaError(f"no {name}", f"the list names no file for {name}")
    for name, source in sources.items():
        try:
            values[name], end = _read(source, settings, window)
        except MediaError as error:
            if name in require:
                raise
            errors.append(error)
            continue
        seconds.append(end)
    if not values:
        raise errors[0] if errors else MediaError("missing", "the list names no file")
    return Clip(values, max(seconds))


def outcome(
    sources: Mapping[str, Source], settings: Settings, require: tuple[str, ...], window: Window
) -> Clip | MediaError:
    """Decodes a clip in a worker process: it returns what `decode` would raise."""
    try:
        return decode(sources, settings, require, window)
    except MediaError as error:
        return error


def _read(source: Source, settings: Settings, window: Window) -> tuple[Any, float]:
    if source.cell is not None:
        return source.reader.of_cell(source.cell)
    if not source.array:
        return source.reader.read(source.path, settings, window)
    try:
        value = _array(source.path, source.array)[source.row]
    except (OSError, ValueError) as error:
        raise MediaError("undecodable", f"{source.path.name}: {error}") from error
    return source.reader.of_row(value, f"row {source.row} of {source.array}", settings)


_array = functools.lru_cache(maxsize=8)(NpzArray)  # a process looks for an array once
