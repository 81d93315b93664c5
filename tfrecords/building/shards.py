"""A shard: the unit of work of a build, and a file of records with its report beside it.

What is in a shard follows from the list of clips, the seed and the shards' size alone. A shard is
written to a temporary name and renamed, then its report is: without a report there is no shard.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable

from tfrecords import atomic, schema
from tfrecords.building.media import Clip, MediaError
from tfrecords.building.process_pool import Lost
from tfrecords.datasets.listing import Failure, Listed, shuffled


@dataclasses.dataclass(frozen=True)
class Shard:
    """A part of a split.

    Attributes:
        file: Name of its file.
        split: `train`, `validation` or `test`.
        clips: In the order of the records.
    """

    file: str
    split: str
    clips: tuple[Listed, ...]


@dataclasses.dataclass
class Report:
    """What became of a shard's clips.

    Attributes:
        sha256: Of the file.
        bytes: Its size.
        clips: Number of records.
        class_counts: Records per class id, by their first label.
        without_audio: Records without a waveform.
        without_video: Records without frames.
        max_samples: Length of the longest waveform.
        max_frames: Most frames of a record.
        max_height: Of the frames, pixels.
        max_width: Likewise.
        failures: The clips that are not in the records.
    """

    class_counts: list[int]
    sha256: str = ""
    bytes: int = 0
    clips: int = 0
    without_audio: int = 0
    without_video: int = 0
    max_samples: int = 0
    max_frames: int = 0
    max_height: int = 0
    max_width: int = 0
    failures: list[Failure] = dataclasses.field(default_factory=list)

    def add(self, listed: Listed, clip: Clip) -> None:
        """Counts a record."""
        self.clips += 1
        self.class_counts[listed.labels[0]] += 1
        self.without_audio += clip.waveform is None
        self.without_video += not clip.frames
        self.max_samples = max(self.max_samples, 0 if clip.waveform is None else len(clip.waveform))
        self.max_frames = max(self.max_frames, len(clip.frames))
        self.max_height = max(self.max_height, clip.height)
        self.max_width = max(self.max_width, clip.width)


def plan(clips: Iterable[Listed], seed: int, clips_per_shard: int) -> list[Shard]:
    """Deals the clips of each split to shards.

    Args:
        clips: All clips, in any order.
        seed: Of the order they get.
        clips_per_shard: At most; a split's shards are of equal size, give or take one.

    Returns:
        The shards of train, then validation, then test.
    """
    by_name = {clip.media_id: clip for clip in clips}
    shards = []
    for split in schema.SPLITS:
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
) -> Report:
    """Writes a shard and its report.

    Args:
        directory: Where to.
        shard: The shard.
        outcomes: What decoding each of its clips gave, in their order.
        classes: Class names.

    Returns:
        The report.

    Raises:
        OSError: The directory cannot be written to.
    """
    # Brings TensorFlow, which takes seconds: not before something is to be written.
    from tfrecords.building import serialization

    path = directory / shard.file
    report = Report([0] * len(classes))
    # A name of its own: some of Beam's runners try a shard twice at a time.
    with atomic.writing(path) as temporary:
        with serialization.writer(temporary) as write_record:
            for listed, outcome in zip(shard.clips, outcomes, strict=True):
                if isinstance(outcome, Clip):
                    write_record(serialization.serialise(listed, outcome, classes))
                    report.add(listed, outcome)
                else:
                    failure = (listed.media_id, listed.split, outcome.reason, outcome.detail)
                    report.failures.append(Failure(*failure))
        report.bytes = temporary.stat().st_size
        report.sha256 = checksum(temporary)
    atomic.write_json(_report_path(path), dataclasses.asdict(report), indent=1)
    return report


def clean(directory: pathlib.Path, missing: Iterable[Shard]) -> None:
    """Deletes what a killed build left of shards that are to be written."""
    for shard in missing:
        for path in directory.glob(f".{shard.file}.*part"):
            path.unlink(missing_ok=True)


def read_report(directory: pathlib.Path, shard: Shard) -> Report | None:
    """The report of a finished shard; None if the shard is not there or not whole."""
    path = directory / shard.file
    try:
        fields = json.loads(_report_path(path).read_text(encoding="utf-8"))
        failures = [Failure(**failure) for failure in fields.pop("failures")]
        report = Report(**fields, failures=failures)
        return report if path.stat().st_size == report.bytes else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _report_path(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.json")


def checksum(path: pathlib.Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
