"""A manifest: a CSV or JSON-lines file that lists clips of the user's own.

    path,label,split,group,start,end,id
    talks/anna.mp4,greeting,train,anna,12.5,14.0,

`path` is one file that holds all modalities; instead there may be one column a modality, e.g.
`audio,video`, or `NAME:KIND` for other names, e.g. `flow:video`. A column of texts holds the text
itself, or the path of a `.txt` file. `label` may hold several classes,
separated by `|`; the first is the clip's class, unless `--task` says that it has all of them, or
that they are numbers. All other columns may be left out.
"""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence

from tfrecords import tasks
from tfrecords.datasets import lines, rows
from tfrecords.datasets.base import Dataset, option
from tfrecords.datasets.listing import Failure, Listing, SourceError, check_directory
from tfrecords.stored import STORED, StoredVideo

_DEFAULTS = ("manifest.csv", "clips.csv", "manifest.jsonl", "clips.jsonl")
_COLUMNS = ("path", "label", "split", "group", "start", "end", "id")


@dataclasses.dataclass(frozen=True)
class Manifest(Dataset):
    """Clips that a manifest lists."""

    help = "clips of your own; --labels names their list, a CSV or JSON-lines file"
    own = True

    labels: tuple[str, ...] = option(
        (), "The list of clips (default: SOURCE/manifest.csv or SOURCE/clips.csv)."
    )
    classes: str = option(
        "", "Text file of the class names, one a line, in the order of their ids."
    )
    modalities: tuple[str, ...] = option(
        (),
        "What `path` holds (default: audio,video; one of audio, image, text, features where all "
        "files are of that kind by their endings).",
    )

    task: str = option(tasks.MULTICLASS, tasks.HELP, tasks.TASKS)

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips of the manifests."""
        check_directory(source)
        entries, failures = [], []
        kinds: dict[str, str] = {}
        columns: dict[str, None] = {}
        for path in self._lists(source):
            names, found = lines.read(path)
            kinds |= _kinds(names, str(path))
            columns |= dict.fromkeys(names)
            for line in found:
                try:
                    entries.append(_entry(line))
                except ValueError as error:
                    name = line.cells.get("id") or line.cells.get("path") or line.where
                    split = rows.split_name(line.cells.get("split", ""))
                    failures.append(Failure(rows.printable(name), split, "bad line", f"{error}"))
        kinds = kinds or self._in_one_file(entries)
        entries = [_with_files(entry, kinds) for entry in entries]
        unused = [c for c in columns if c not in _COLUMNS and c.partition(":")[0] not in kinds]
        notes = [f"columns not used: {', '.join(unused)}"] if unused else []
        names = read_classes(self.classes)
        return rows.listing(
            entries, kinds, validation_fraction, seed, names, failures, notes, self.task
        )

    def _lists(self, source: pathlib.Path) -> list[pathlib.Path]:
        if self.labels:
            return [pathlib.Path(path) for path in self.labels]
        for name in _DEFAULTS:
            if (source / name).is_file():
                return [source / name]
        raise SourceError(
            f"--labels is missing, and {source} holds none of {', '.join(_DEFAULTS)}: give the "
            "list of clips, a CSV with the columns path and label"
        )

    def _in_one_file(self, entries: list[rows.Entry]) -> dict[str, str]:
        """The modalities that `path` holds, modality -> kind."""
        if self.modalities:
            return {name: check_modality(name, name, "--modalities") for name in self.modalities}
        endings = {pathlib.PurePath(p).suffix.lower() for e in entries for p in e.files.values()}
        for kind, stored in STORED.items():
            # films have sound, too; all other files hold what they are alone
            if kind != StoredVideo.kind and endings and endings <= stored.endings:
                return {kind: kind}
        return {"audio": "audio", "video": "video"}


def _kinds(columns: Sequence[str], where: str) -> dict[str, str]:
    """Modality -> kind, of a list's columns; the order of the columns is the modalities'."""
    found = {}
    for column in columns:
        name, colon, kind = column.partition(":")
        if colon or name in STORED:
            if name in found or name in _COLUMNS:
                raise SourceError(f"{where}: the column {column!r}: {name!r} is another column's")
            found[name] = check_modality(name, kind if colon else name, where)
    if found and "path" in columns:
        raise SourceError(
            f"{where}: there are the column `path` and columns of modalities "
            f"({', '.join(found)}): keep `path`, or one column for each modality"
        )
    if not found and "path" not in columns:
        raise SourceError(
            f"{where}: no column says where the clips are: name one `path` (a file that holds "
            f"all modalities) or `audio`, `video` (one file each); there are {', '.join(columns)}"
        )
    if "label" not in columns:
        raise SourceError(f"{where}: there is no column `label`; there are {', '.join(columns)}")
    return found


def check_modality(name: str, kind: str, where: str) -> str:
    """Refuses a modality that records cannot hold; returns its kind.

    Raises:
        SourceError: The name is not an identifier, or there is no such kind.
    """
    if not name.isidentifier():
        raise SourceError(f"{where}: the modality {name!r} is not a name of letters, digits and _")
    if kind not in STORED:
        raise SourceError(
            f"{where}: the modality {name} is of the kind {kind!r}: there are {', '.join(STORED)}"
        )
    return kind


def read_classes(path: str) -> tuple[str, ...]:
    """The class names of a text file, one a line; none for an empty path.

    Raises:
        SourceError: There is no such file, or it holds a name twice.
    """
    if not path:
        return ()
    try:
        text = pathlib.Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"--classes={path} cannot be read: {error}") from error
    names = tuple(filter(None, map(str.strip, text.splitlines())))
    if len(set(names)) != len(names) or not names:
        raise SourceError(f"--classes={path}: it names no class, or one of them twice")
    return names


def _entry(line: lines.Line) -> rows.Entry:
    """A line's clip; its files are those of all its columns for now.

    Raises:
        ValueError: The line cannot be read, or a time is not a number.
    """
    if line.problem:
        raise ValueError(line.problem)
    cells, where = line.cells, line.where
    files = {
        column.partition(":")[0]: path
        for column, path in cells.items()
        if path and (column == "path" or ":" in column or column in STORED)
    }
    inline = frozenset(
        name
        for column in cells
        for name, _, kind in [column.partition(":")]
        if column != "path" and name in files and STORED[kind or name].holds_value(files[name])
    )
    start, end = (_seconds(cells, name, where) for name in ("start", "end"))
    first = next((file for name, file in files.items() if name not in inline), "")
    name = first
    if first and (start or end is not None):
        name = f"{first}@{start or 0:g}-{'' if end is None else f'{end:g}'}"
    return rows.Entry(
        name=cells.get("id") or name or where,
        where=where,
        labels=tuple(filter(None, map(str.strip, cells.get("label", "").split(tasks.SEPARATOR)))),
        files=files,
        split=cells.get("split", ""),
        group=cells.get("group", ""),
        start=start or 0.0,
        end=end,
        inline=inline,
    )


def _seconds(cells: Mapping[str, str], name: str, where: str) -> float | None:
    text = cells.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: {name} is {text!r}, not a number of seconds")
    return value


def _with_files(entry: rows.Entry, kinds: Mapping[str, str]) -> rows.Entry:
    """The entry with the one file of `path` as the file of each modality."""
    if "path" not in entry.files:
        return entry
    return dataclasses.replace(entry, files=dict.fromkeys(kinds, entry.files["path"]))
