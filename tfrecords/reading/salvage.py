"""Saves the sound records of damaged shards, so that a training can go on without the rest."""

import atexit
import dataclasses
import pathlib
import shutil
import tempfile

from tfrecords import schema
from tfrecords.building import shards
from tfrecords.description import DatasetInfo, Split
from tfrecords.progress import Progress
from tfrecords.reading.verification import REBUILD, Verifier, built

_NAMED = 10  # records that a message names


@dataclasses.dataclass(frozen=True)
class Salvaged:
    """The remains of a damaged shard.

    Attributes:
        path: Path of the sound records: a copy with only them, or the shard itself if it has no
            others.
        skipped: Integers, the places, in the shard as it was built, of the records that are lost.
        labels: Integers, the first label of each record that is left.
        report: Report, what the shard held when it was built.
    """

    path: pathlib.Path
    skipped: tuple[int, ...]
    labels: tuple[tuple[int, ...], ...]
    report: shards.Report

    def shrink(self, split: Split) -> Split:
        """The description of the shard's split, with the clips and class counts that are left."""
        counts = list(split.class_counts)
        for index, there in enumerate(self.report.class_counts):
            counts[index] += sum(index in labels for labels in self.labels) - there
        clips = split.clips + len(self.labels) - self.report.clips
        return dataclasses.replace(split, clips=clips, class_counts=tuple(counts))


def salvage(
    directory: pathlib.Path, info: DatasetInfo, progress: bool = True
) -> dict[str, Salvaged]:
    """Compares every shard's checksum, and saves the sound records of those that differ.

    Copies go to a temporary directory, which is deleted when the process ends.

    Args:
        directory: Path of the record set.
        info: DatasetInfo, its description.
        progress: Boolean, whether to show progress, if it takes long.

    Returns:
        What is left of each damaged shard, by name.

    Raises:
        ValueError: No record of a shard can be read, or a shard holds other records than it should.
        OSError: A file cannot be read or the copy cannot be written.
    """
    names = [name for split in info.splits.values() for name in split.shards]
    salvaged = {}
    with Progress("comparing checksums", len(names), progress, transient=True) as bar:
        for name in names:
            report = built(directory / name)
            if shards.checksum(directory / name) != report.sha256:
                if not salvaged:
                    # not deleted with an object: datasets read it for as long as they live
                    copies = pathlib.Path(tempfile.mkdtemp(prefix="salvaged-records-"))
                    atexit.register(shutil.rmtree, copies, ignore_errors=True)
                    verifier = Verifier(info)
                salvaged[name] = _salvage_shard(directory / name, copies / name, report, verifier)
            bar.advance(f"{len(salvaged):,} damaged" if salvaged else "")
    return salvaged


def summary(skipped: dict[str, tuple[int, ...]], total: int) -> str:
    """Says how many records are skipped, and which are the first.

    Args:
        skipped: Mapping, shard -> the places of its skipped records.
        total: Integer, the records that the set should have.
    """
    count, named, parts = sum(map(len, skipped.values())), 0, []
    for name, indices in skipped.items():
        if part := indices[: _NAMED - named]:
            parts.append(f"{name} {', '.join(map(str, part))}")
            named += len(part)
    more = f" and {count - named:,} more" if count > named else ""
    noun = "record" if count == 1 else "records"
    return f"{count:,} corrupt {noun} of {total:,} skipped: {'; '.join(parts)}{more}"


def _salvage_shard(
    path: pathlib.Path, copy: pathlib.Path, report: shards.Report, verifier: Verifier
) -> Salvaged:
    """Copies the sound records of a shard; deletes the copy if there are no others."""
    labels, skipped = [], []
    with schema.writer(copy) as write:
        for checked in verifier.check(path, report.clips):
            if checked.problem:
                skipped.append(checked.index)
            else:
                labels.append(checked.labels)
                write(checked.record)
    if not labels:
        what = "is empty" if not path.stat().st_size else "holds no record that can be read"
        raise ValueError(f"{path} {what}: delete it and {REBUILD}")
    if not skipped:
        copy.unlink()
    return Salvaged(copy if skipped else path, tuple(skipped), tuple(labels), report)
