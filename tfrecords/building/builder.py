"""Builds sharded TFRecords from the clips of a data set.

A build can be killed at any moment and started again with the same command: shards that are there
stay as they are, and the finished set has the same bytes, whatever the number of workers.
"""

import collections
import csv
import io
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tfrecords import atomic
from tfrecords.building import beam, lock, process_pool, shards
from tfrecords.building.options import BuildOptions
from tfrecords.building.writer import Writer
from tfrecords.datasets.listing import BuildError, Failure, Listing
from tfrecords.description import DESCRIPTION, SPLITS, DatasetInfo, Split
from tfrecords.stored import Built, Stored, find
from tfrecords.tasks import mean_and_scale


def build(options: BuildOptions, progress: bool = True) -> DatasetInfo | None:
    """Builds what is missing of a record set.

    Args:
        options: BuildOptions, what to build.
        progress: Boolean, whether to show progress.

    Returns:
        The description of the set; None if other ranges of shards are still missing.

    Raises:
        BuildError: The source cannot be used, the output cannot be written or holds another set, or
            too many clips fail. Nothing is half-written under a final name, and the same command
            goes on from there.
    """
    output = pathlib.Path(options.output)
    try:
        source = pathlib.Path(options.source)
        options.dataset.prepare(source, options.seed, options.num_workers, progress)
        listing = options.list_clips()
        identity = options.identity(listing)
        output.mkdir(parents=True, exist_ok=True)
        with lock.lock(output, options.shard_range):
            if options.overwrite:
                lock.delete(output)
            lock.claim(output, identity)
            planned = shards.plan(listing.clips, options.seed, options.clips_per_shard)
            changed = _write_missing(output, options, listing, planned, progress)
            # Read again: other ranges may have come to their ends meanwhile.
            reports = {shard.file: shards.read_report(output, shard) for shard in planned}
            if any(report is None for report in reports.values()):
                return None
            if changed or not (output / DESCRIPTION).exists():
                info = _finish(output, options, identity, listing, planned, reports)
                atomic.write_text(output / DESCRIPTION, info.to_json())
            return DatasetInfo.load(output)
    except process_pool.WorkerError as error:
        raise BuildError(str(error)) from error
    except OSError as error:
        raise BuildError(f"{error}; the same command goes on from here") from error


def _write_missing(
    output: pathlib.Path,
    options: BuildOptions,
    listing: Listing,
    planned: Sequence[shards.Shard],
    progress: bool,
) -> bool:
    """Writes those of the wanted shards that are not there; returns whether there were any."""
    reports = {shard.file: shards.read_report(output, shard) for shard in planned}
    k, n = options.shard_range
    missing = [shard for shard in planned[k::n] if reports[shard.file] is None]
    if not missing:
        return False
    lock.check_versions(output)
    shards.clean(output, missing)
    if options.runner:
        beam.write(options, listing, missing)
    else:
        finished = filter(None, reports.values())
        Writer(options, listing, finished).write(missing, progress)
    return True


def _finish(
    output: pathlib.Path,
    options: BuildOptions,
    identity: dict[str, Any],
    listing: Listing,
    planned: Sequence[shards.Shard],
    reports: dict[str, shards.Report],
) -> DatasetInfo:
    """Writes failures.csv, and returns the description of the finished set."""
    failures = [*listing.failures, *(f for s in planned for f in reports[s.file].failures)]
    written = sum(report.clips for report in reports.values())
    if written + len(failures) != len(listing.clips) + len(listing.failures):
        raise BuildError(f"{output}: the shards' reports do not add up: delete it and build again")
    if not written:
        first = f"; for example {failures[0].clip}: {failures[0].detail}" if failures else ""
        raise BuildError(f"none of {len(failures):,} clips could be used{first}")
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("clip", "reason", "detail"))
    rows.writerows((f.clip, f.reason, f.detail) for f in failures)
    atomic.write_text(output / lock.FAILURES, text.getvalue())
    lost = {failure.clip for failure in failures}
    training = [c for c in listing.clips if c.split == "train" and c.media_id not in lost]
    mean, scale = mean_and_scale(clip.values for clip in training if clip.values)
    return DatasetInfo(
        dataset=options.dataset.name,
        classes=listing.classes,
        modalities={
            name: _stored(name, kind, options, output, planned, reports)
            for name, kind in listing.modalities.items()
        },
        splits={
            name: _split(name, planned, reports, failures, len(listing.classes)) for name in SPLITS
        },
        options=identity,
        notes=listing.notes,
        task=listing.task,
        mean=mean,
        scale=scale,
    )


def _stored(
    name: str,
    kind: str,
    options: BuildOptions,
    output: pathlib.Path,
    planned: Sequence[shards.Shard],
    reports: Mapping[str, shards.Report],
) -> Stored:
    """The description of how a modality is stored."""
    parts = [(s.split, reports[s.file].counted[name]) for s in planned
             if name in reports[s.file].counted]  # fmt: skip
    counted = [part for _, part in parts]
    training = [part for split, part in parts if split == "train"]

    def values(stored: Stored, split: str | None) -> Iterator[Any]:
        # Brings TensorFlow, which takes seconds: for the kinds alone that cannot do without.
        from tfrecords import schema

        files = [output / shard.file for shard in planned if split in (None, shard.split)]
        for record in schema.records(files):
            found = schema.read(record, {name: stored})
            if name in found:
                yield found[name]

    try:
        return find(kind).of_build(Built(name, options.settings, counted, training, values))
    except ValueError as error:
        raise BuildError(str(error)) from error


def _split(
    name: str,
    planned: Sequence[shards.Shard],
    reports: dict[str, shards.Report],
    failures: Sequence[Failure],
    classes: int,
) -> Split:
    files = tuple(shard.file for shard in planned if shard.split == name)
    parts = [reports[file] for file in files]
    return Split(
        clips=sum(part.clips for part in parts),
        failed=sum(failure.split == name for failure in failures),
        shards=files,
        class_counts=tuple(sum(part.class_counts[i] for part in parts) for i in range(classes)),
        without=_summed(part.without for part in parts),
        blank=_summed({m: len(clips) for m, clips in part.blank.items()} for part in parts),
    )


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: collections.Counter[str] = collections.Counter()
    for some in counts:
        total.update(some)
    return dict(total)
