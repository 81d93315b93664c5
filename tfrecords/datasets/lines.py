"""Reads a list of clips, CSV with a header or JSON lines, into lines of columns and texts."""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping

from tfrecords.datasets.listing import SourceError, check_pointer

_JSON = (".jsonl", ".ndjson")
_CELL = 1 << 27  # characters: a text that is too large costs its line, and not the list


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of a list.

    Attributes:
        where: String, the place where it stands, for messages, e.g. `clips.csv, line 3`.
        cells: Mapping, column -> text without spaces around it.
        problem: String, the problem of the line; empty if there is none.
    """

    where: str
    cells: Mapping[str, str]
    problem: str = ""


def read(path: pathlib.Path) -> tuple[tuple[str, ...], list[Line]]:
    """Reads a list: any line ends, with or without a byte-order mark.

    Args:
        path: Path of the file; one that ends in `.jsonl` holds a JSON object a line.

    Returns:
        The names of the columns in their order, and the lines that are not empty.

    Raises:
        SourceError: The file cannot be read, or its columns are unknown.
    """
    limit = csv.field_size_limit(_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _json(path, file) if path.suffix.lower() in _JSON else _csv(path, file)
    except FileNotFoundError:
        raise SourceError(f"--labels={path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as a list of clips: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _csv(path: pathlib.Path, file: Iterable[str]) -> tuple[tuple[str, ...], list[Line]]:
    reader = csv.reader(file, strict=True)
    try:
        columns = tuple(cell.strip() for cell in next(reader, []))
        check_pointer(path, columns[0] if columns else "")
        named = tuple(filter(None, columns))  # spreadsheets leave empty columns at the end
        if not named:
            raise SourceError(f"{path} is empty: the first line must name the columns")
        if len(set(named)) != len(named):
            raise SourceError(f"{path}: two columns have one name: {', '.join(named)}")
        return named, list(_csv_lines(path, columns, reader))
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: {error}") from error


def _csv_lines(path: pathlib.Path, columns: tuple[str, ...], reader: Iterator) -> Iterator[Line]:
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path.name}, line {reader.line_num}"
        pairs = zip(columns, (cell.strip() for cell in cells), strict=False)
        texts = {column: text for column, text in pairs if column}
        problem = ""
        if len(cells) != len(columns):
            problem = f"{where}: {len(cells)} cells, and the first line names {len(columns)}"
        yield Line(where, texts, problem)


def _json(path: pathlib.Path, file: Iterable[str]) -> tuple[tuple[str, ...], list[Line]]:
    columns: dict[str, None] = {}
    lines = []
    for number, text in enumerate(file, 1):
        if not text.strip():
            continue
        if number == 1:
            check_pointer(path, text)
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            lines.append(Line(where, {}, f"{where}: not JSON: {error}"))
            continue
        if not isinstance(row, dict):
            lines.append(Line(where, {}, f"{where}: not a JSON object"))
            continue
        lines.append(Line(where, {name: _text(value) for name, value in row.items()}))
        columns |= dict.fromkeys(row)
    if not columns:
        raise SourceError(f"{path} is empty: each line must be a JSON object")
    return tuple(columns), lines


def _text(value: object) -> str:
    """A JSON value as the cell of a CSV file would hold it."""
    if isinstance(value, list):
        return "|".join(map(_text, value))
    return "" if value is None else str(value).strip()
