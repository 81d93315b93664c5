"""A shard: the unit of work of a build, and a file of records with its report beside it.

The content of a shard follows only from the list of clips, the seed and the shards' size. A shard
is written to a temporary name and renamed, then its report is: without a report there is no shard.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfrecords import atomic, stored
from tfrecords.building.decoded import Clip
from tfrecords.building.errors import MediaError
from tfrecords.building.process_pool import Lost
from tfrecords.datasets.listing import Failure, Listed, shuffled
from tfrecords.description import SPLITS
from tfrecords.tasks import MULTICLASS, counted


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of a split.

    Attributes:
        file: String, the name of its file.
        split: String, `train`, `validation` or `test`.
        clips: Tuple of clips, in the order of the records.
    """

    file: str
    split: str
    clips: tuple[Listed, ...]


@dataclasses.dataclass
class Report:
    """The report on a shard's clips.

    Attributes:
        class_counts: Integers, the records of each class: by their first label, or by all of them
            where clips have several; none of numbers.
        sha256: String, the checksum of the file.
        bytes: Integer, its size.
        clips: Integer, the number of records.
        without: Mapping, modality -> the number of records that lack it.
        counted: Mapping, modality -> the numbers that its kind counts, see `Stored.count`.
        blank: Mapping, modality -> names of the clips in which it tells nothing.
        failures: List of failures, the clips that are not in the records.
    """

    class_counts: list[int]
    sha256: str = ""
    bytes: int = 0
    clips: int = 0
    without: dict[str, int] = dataclasses.field(default_factory=dict)
    counted: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    blank: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    failures: list[Failure] = dataclasses.field(default_factory=list)

    def add(
        self, listed: Listed, clip: Clip, modalities: Mapping[str, str], task: str = MULTICLASS
    ) -> None:
        """Counts a record.

        Args:
            listed: Listed, what the data set says of the clip.
            clip: Clip, what was decoded.
            modalities: Mapping, modality of the set -> its kind.
            task: String, what labels are.
        """
        self.clips += 1
        for label in counted(task, listed.labels):
            self.class_counts[label] += 1
        for name, kind in modalities.items():
            if name in clip.values:
                reader, value = stored.find(kind), clip.values[name]
                reader.count(self.counted.setdefault(name, {}), value)
                if reader.worth(value) < reader.least:
                    self.blank.setdefault(name, []).append(listed.media_id)
            else:
                self.without[name] = self.without.get(name, 0) + 1

    def to_json(self) -> str:
        """The report as text."""
        fields = dataclasses.asdict(self)
        return json.dumps(fields, indent=1, default=np.ndarray.tolist) + "\n"


def plan(clips: Iterable[Listed], seed: int, clips_per_shard: int) -> list[Shard]:
    """Deals the clips of each split to shards.

    Args:
        clips: Iterable of all clips, in any order.
        seed: Integer, the seed of the order that they get.
        clips_per_shard: Integer, the most clips in a shard; a split's shards are of equal size,
            give or take one.

    Returns:
        The shards of train, then validation, then test.
    """
    by_name = {clip.media_id: clip for clip in clips}
    shards = []
    for split in SPLITS:
        members = (name for name, clip in by_name.items() if clip.split == split)
        order = [by_name[name] for name in shuffled(members, seed)]
        count = -(-len(order) // clips_per_shard)
        for k in range(count):
            part = order[k * len(order) // count : (k + 1) * len(order) // count]
            file = f"{split}-{k:05d}-of-{count:05d}.tfrecord"
            shards.append(Shard(file, split, tuple(part)))
    return shards


def write(
    directory: pathlib.Path,
    shard: Shard,
    outcomes: Iterable[Clip | MediaError | Lost],
    classes: tuple[str, ...],
    modalities: Mapping[str, str],
    task: str = MULTICLASS,
) -> Report:
    """Writes a shard and its report.

    Args:
        directory: Path of the directory.
        shard: Shard, the shard to write.
        outcomes: Iterable of what decoding each of its clips gave, in their order.
        classes: Strings, the class names.
        modalities: Mapping, modality of the set -> its kind.
        task: String, what labels are.

    Returns:
        The report.

    Raises:
        OSError: The directory cannot be written to.
    """
    # Brings TensorFlow, which takes seconds: not before something is to be written.
    from tfrecords import schema

    path = directory / shard.file
    report = Report([0] * len(classes))
    with atomic.writing(path) as temporary:
        with schema.writer(temporary) as write_record:
            for listed, outcome in zip(shard.clips, outcomes, strict=True):
                if isinstance(outcome, Clip):
                    write_record(schema.serialise(listed, outcome, classes, modalities))
                    report.add(listed, outcome, modalities, task)
                else:
                    failure = (listed.media_id, listed.split, outcome.reason, outcome.detail)
                    report.failures.append(Failure(*failure))
        report.bytes = temporary.stat().st_size
        report.sha256 = checksum(temporary)
    atomic.write_text(report_path(path), report.to_json())
    return report


def clean(directory: pathlib.Path, missing: Iterable[Shard]) -> None:
    """Deletes the remains that a killed build left of shards that are to be written."""
    for shard in missing:
        for path in directory.glob(f".{shard.file}.*part"):
            path.unlink(missing_ok=True)


def read_report(directory: pathlib.Path, shard: Shard) -> Report | None:
    """The report of a finished shard; None if the shard is not there or not whole."""
    path = directory / shard.file
    try:
        report = load_report(path)
        return report if path.stat().st_size == report.bytes else None
    except (FileNotFoundError, ValueError):
        return None


def load_report(path: pathlib.Path) -> Report:
    """The report that lies beside a shard.

    Args:
        path: Path of the shard.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It cannot be read.
    """
    try:
        fields = json.loads(report_path(path).read_text(encoding="utf-8"))
        failures = [Failure(**failure) for failure in fields.pop("failures")]
        return Report(**fields, failures=failures)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no report of a shard: {error!r}") from error


def report_path(path: pathlib.Path) -> pathlib.Path:
    """The path of a shard's report."""
    return path.with_name(f"{path.name}.json")


def checksum(path: pathlib.Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
