"""Arrays: an `.npz` file with one array `[N, ...]` a modality and `label` `[N]`.

Optional are `split` `[N]` and `group` `[N]`, and `classes` `[C]`, the names of integer labels. An
array called `audio` holds waveforms `[N, samples]` (int16, or real numbers in [-1, 1]) at
`--audio_rate`; `video` holds frames `[N, T, H, W, 3]` uint8 at `--fps`, or an optical flow
`[N, T, H, W, 2]`; `image` holds pictures `[N, H, W, 3]`, `[N, H, W, 1]` or `[N, H, W]` uint8;
`text` holds texts `[N]`; any other holds features. `NAME:KIND` says otherwise, e.g. `left:audio`.
With `--task=multilabel` `label` is `[N, C]` of 0 and 1, with `--task=regression` real numbers
`[N]` or `[N, K]`; `classes` then names the columns.
"""

import dataclasses
import pathlib
import zipfile

import numpy as np

from tfrecords import tasks
from tfrecords.datasets import rows
from tfrecords.datasets.base import Dataset, option
from tfrecords.datasets.listing import Listing, SourceError
from tfrecords.datasets.manifest import check_modality
from tfrecords.npz import NpzArray
from tfrecords.stored import STORED

_COLUMNS = ("label", "split", "group", "id", "classes")


@dataclasses.dataclass(frozen=True)
class Arrays(Dataset):
    """Arrays of an `.npz` file."""

    help = "an .npz file with one array a modality, label, and optionally split and group"
    own = True

    task: str = option(tasks.MULTICLASS, tasks.HELP, tasks.TASKS)

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the rows."""
        try:
            arrays = np.load(source)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array without a name")
            with arrays:
                return _listing(source, arrays, validation_fraction, seed, self.task)
        except FileNotFoundError:
            raise SourceError(f"--source={source} does not exist: give an .npz file") from None
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise SourceError(
                f"--source={source} is not an .npz file of arrays: {error}"
            ) from error


def _listing(
    source: pathlib.Path,
    arrays: np.lib.npyio.NpzFile,
    validation_fraction: float,
    seed: int,
    task: str,
) -> Listing:
    if "label" not in arrays.files:
        raise SourceError(f"{source} holds no array `label` (it holds {', '.join(arrays.files)})")
    of_task = {} if task == tasks.MULTICLASS else {"label": _rows_of_labels(source, arrays, task)}
    columns = of_task | {
        name: _column(source, arrays, name)
        for name in _COLUMNS
        if name in arrays.files and name not in of_task
    }
    count = len(columns["label"])
    for name, values in columns.items():
        if name != "classes" and len(values) != count:
            raise SourceError(
                f"{source}: `{name}` has {len(values)} values, and there are {count} labels"
            )
    kinds, files = {}, {}
    for key in arrays.files:
        if key in _COLUMNS:
            continue
        name, _, kind = key.partition(":")
        kind = kind or (name if name in STORED else "features")
        kinds[name] = check_modality(name, kind, f"{source}, array {key}")
        _check_array(source, key, kind, count)
        files[name] = key
    if not kinds:
        raise SourceError(f"{source} holds labels and no array of a modality")
    numbers = arrays["label"].dtype.kind in "iub"
    if task == tasks.MULTICLASS:
        labels, names = _labels(source, columns, numbers)
    else:
        labels, names = _names_of_columns(source, columns, arrays["label"], task)
    width = len(str(count))
    entries = [
        rows.Entry(
            name=columns["id"][i] if "id" in columns else f"row-{i:0{width}}",
            where=f"{source.name}, row {i}",
            labels=labels[i],
            files=files,
            split=columns["split"][i] if "split" in columns else "",
            group=columns["group"][i] if "group" in columns else f"row-{i}",
            row=i,
        )
        for i in range(count)
    ]
    return rows.listing(entries, kinds, validation_fraction, seed, names, task=task)


def _column(source: pathlib.Path, arrays: np.lib.npyio.NpzFile, name: str) -> list[str]:
    """Reads an array of one value a row, as texts.

    Raises:
        SourceError: It has another number of dimensions, or holds real numbers.
    """
    values = arrays[name]
    if values.ndim != 1 or values.dtype.kind not in "iubUS":
        raise SourceError(
            f"{source}: `{name}` must be [N] of whole numbers or texts, not "
            f"{values.dtype} {list(values.shape)}"
        )
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    return [str(value) for value in values]


def _labels(
    source: pathlib.Path, columns: dict[str, list[str]], numbers: bool
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Each row's class name, if any, and all names in the order of their ids where they are given.

    Args:
        source: Path of the file, for messages.
        columns: Mapping, array -> its values as texts.
        numbers: Boolean, whether the labels are numbers, which index `classes`.
    """
    labels, names = columns["label"], columns.get("classes", [])
    if len(set(names)) != len(names):
        raise SourceError(f"{source}: `classes` names a class twice")
    if names and numbers:
        most = max(map(int, labels), default=0)
        if most >= len(names):
            raise SourceError(
                f"{source}: there is a label {most}, and `classes` names {len(names)}"
            )
        # negative numbers stand for rows without a label
        labels = [names[int(label)] if int(label) >= 0 else "" for label in labels]
    return [(label,) if label else () for label in labels], names


def _rows_of_labels(
    source: pathlib.Path, arrays: np.lib.npyio.NpzFile, task: str
) -> list[np.ndarray]:
    """The rows of labels that are several a clip, or numbers.

    Raises:
        SourceError: They are of another type or shape, or neither 0 nor 1.
    """
    values = arrays["label"]
    if task == tasks.REGRESSION and values.ndim == 1:
        values = values[:, None]
    binary = values.dtype.kind in "iubf" and bool(np.isin(values, (0, 1)).all())
    fine = values.dtype.kind in "iuf" if task == tasks.REGRESSION else binary
    if values.ndim != 2 or not fine:
        wanted = "[N] or [N, K] of numbers" if task == tasks.REGRESSION else "[N, C] of 0 and 1"
        raise SourceError(
            f"{source}: `label` must be {wanted} with --task={task}, not {values.dtype} "
            f"{list(arrays['label'].shape)}"
        )
    return list(values)


def _names_of_columns(
    source: pathlib.Path, columns: dict[str, list], values: np.ndarray, task: str
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Each row's label names, or its numbers as texts; and the names of the columns."""
    count = values.shape[1] if values.ndim == 2 else 1
    names = columns.get("classes") or (
        [str(c) for c in range(count)] if task == tasks.MULTILABEL else []
    )
    if len(set(names)) != len(names) or len(names) not in (0, count):
        raise SourceError(
            f"{source}: `classes` must name the {count} columns of `label`, each once, and has "
            f"{len(names)} names"
        )
    if task == tasks.REGRESSION:
        return [tuple(repr(float(v)) for v in row) for row in columns["label"]], names
    return [tuple(names[c] for c in np.flatnonzero(row)) for row in columns["label"]], names


def _check_array(source: pathlib.Path, key: str, kind: str, count: int) -> None:
    """Refuses an array that its kind cannot be.

    Raises:
        SourceError: The array has another number of rows, of dimensions, or another type.
    """
    values = NpzArray(source, key)
    found = f"{source}: the array `{key}` is {values.dtype} {list(values.shape)}"
    if not values.shape or len(values) != count:
        raise SourceError(f"{found}, and there are {count} labels")
    if wanted := STORED[kind].array_problem(values.shape, values.dtype):
        raise SourceError(f"{found}: {wanted}")
