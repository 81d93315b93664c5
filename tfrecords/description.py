"""The JSON that lies beside the shards as `dataset.json` and describes a record set.

It is read without TensorFlow, and checked field by field: a description may come from anywhere.
"""

import dataclasses
import json
import math
import pathlib
from typing import Any

from tfrecords.stored import Stored, find
from tfrecords.stored.base import is_count, require
from tfrecords.tasks import MULTICLASS, REGRESSION, TASKS

SCHEMA_VERSION = 2
DESCRIPTION = "dataset.json"
SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a set.

    Attributes:
        clips: Integer, the number of records.
        failed: Integer, the clips that were listed and could not be read; `failures.csv` names
            them.
        shards: Strings, the file names in order.
        class_counts: Integers, the clips of each class: by their first label, or by all of them
            where clips have several; 0 of numbers.
        without: Mapping, modality -> the number of records that lack it.
        blank: Mapping, modality -> the number of records in which it tells nothing: sound that is
            silent, a picture that is still.
    """

    clips: int
    failed: int
    shards: tuple[str, ...]
    class_counts: tuple[int, ...]
    without: dict[str, int] = dataclasses.field(default_factory=dict)
    blank: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """The description of a record set.

    Attributes:
        dataset: String, the name of the data set that it was built from.
        classes: Strings, the class names; a label id is an index into them. Of a regression the
            names of the numbers.
        modalities: Mapping, modality -> how it is stored, in the set's order.
        splits: Mapping, `train`, `validation`, `test` -> the split.
        options: Mapping, the build's options as given.
        notes: String, what a reader of results must know, e.g. that actors are in two splits.
        schema_version: Integer, the version of the record format.
        task: String, what labels are, one of `tfrecords.tasks`.
        mean: Numbers, the mean of each number over the training clips; empty of classes.
        scale: Numbers, their standard deviation.
    """

    dataset: str
    classes: tuple[str, ...]
    modalities: dict[str, Stored]
    splits: dict[str, Split]
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: str = ""
    schema_version: int = SCHEMA_VERSION
    task: str = MULTICLASS
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """The modalities that every record has."""
        return tuple(filter(None, self.options.get("require", "").split(",")))

    def to_json(self) -> str:
        """The description as text."""
        fields = dataclasses.asdict(self)
        for name, stored in self.modalities.items():
            fields["modalities"][name]["kind"] = stored.kind
        # a list, since the order counts and sorted keys would lose it
        fields["modalities"] = [
            {"name": name, **stored} for name, stored in fields["modalities"].items()
        ]
        return json.dumps(fields, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "DatasetInfo":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: The text is not such a description, or its schema is of another version.
        """
        try:
            fields = json.loads(text)
            version = fields.get("schema_version")
            if version != SCHEMA_VERSION:
                raise ValueError(
                    f"schema version {version}, this program reads {SCHEMA_VERSION}: "
                    "build the records again with `python -m tfrecords.build`"
                )
            splits = {
                name: Split(
                    **split
                    | {
                        "shards": tuple(split["shards"]),
                        "class_counts": tuple(split["class_counts"]),
                    }
                )
                for name, split in fields["splits"].items()
            }
            modalities = {}
            for stored in fields["modalities"]:
                numbers = {k: v for k, v in stored.items() if k not in ("name", "kind")}
                modalities[stored["name"]] = find(stored["kind"])(**numbers)
            info = cls(
                **fields
                | {
                    "classes": tuple(fields["classes"]),
                    "mean": tuple(fields.get("mean", ())),
                    "scale": tuple(fields.get("scale", ())),
                    "modalities": modalities,
                    "splits": splits,
                }
            )
            _check(info)
        except (
            AttributeError, KeyError, TypeError, RecursionError, json.JSONDecodeError
        ) as error:  # fmt: skip
            raise ValueError(f"not a description of a record set: {error!r}") from error
        return info

    @classmethod
    def load(cls, directory: str | pathlib.Path) -> "DatasetInfo":
        """Reads `dataset.json` of a directory of records.

        Raises:
            FileNotFoundError: There is none: the directory holds no finished record set.
            ValueError: It cannot be read.
        """
        path = pathlib.Path(directory) / DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist: {directory} holds no finished record set. "
                "Build one with `python -m tfrecords.build --output=" + str(directory) + " ...`"
            )
        try:
            return cls.from_json(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def is_file_name(name: Any) -> bool:
    """Whether a text names a file in a directory, and nothing above or beside it."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and name not in ("", ".", "..")
        and not set(name) & {"/", "\\"}
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _check(info: DatasetInfo) -> None:
    """Refuses a description that no build writes.

    Shards are files beside it; a class's name is a line of `classes.txt` and of the terminal.
    """
    require(isinstance(info.dataset, str), "dataset", info.dataset)
    require(isinstance(info.notes, str), "notes", info.notes)
    require(info.task in TASKS, "task", info.task)
    for field in ("mean", "scale"):
        numbers = getattr(info, field)
        known = len(numbers) in (0, len(info.classes)) and all(map(_is_number, numbers))
        require(known and (info.task == REGRESSION or not numbers), field, numbers)
    require(all(number > 0 for number in info.scale), "scale", info.scale)
    require(bool(info.classes), "classes", info.classes)
    for name in info.classes:
        require(isinstance(name, str) and bool(name) and name.isprintable(), "class", name)
    require(bool(info.modalities), "modalities", info.modalities)
    for name, stored in info.modalities.items():
        require(isinstance(name, str) and name.isidentifier(), "modality", name)
        stored.check()
    for name, split in info.splits.items():
        require(name in SPLITS, "split", name)
        for field in ("clips", "failed"):
            require(is_count(getattr(split, field)), field, getattr(split, field))
        counts = split.class_counts
        require(all(map(is_count, counts)), "class_counts", counts)
        require(len(counts) in (0, len(info.classes)), "class_counts", len(counts))
        require(all(map(is_file_name, split.shards)), "shards", split.shards)
        for field in ("without", "blank"):
            counts = getattr(split, field)
            known = counts.keys() <= info.modalities.keys()
            require(known and all(map(is_count, counts.values())), field, counts)
    require(isinstance(info.options, dict), "options", info.options)
    required = info.options.get("require", "")
    require(isinstance(required, str), "options.require", required)
