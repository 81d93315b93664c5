"""Builds sharded TFRecords from raw clips: `python -m tfrecords.build --help`.

A build can be killed at any moment and started again with the same command: shards that are there
stay as they are, and the finished set has the same bytes, whatever the number of workers.
"""

import csv
import io
import pathlib
from collections.abc import Sequence
from typing import Any

from tfrecords import atomic, schema
from tfrecords.building import beam, lock, process_pool, shards
from tfrecords.building.options import BuildError, BuildOptions
from tfrecords.building.writer import Writer
from tfrecords.datasets import synthetic
from tfrecords.datasets.listing import Failure, Listing, SourceError


def build(options: BuildOptions, progress: bool = True) -> schema.DatasetInfo | None:
    """Builds what is missing of a record set.

    Args:
        options: What to build.
        progress: Whether to show it.

    Returns:
        The description of the set; None if other ranges of shards are still missing.

    Raises:
        BuildError: The source cannot be used, the output cannot be written or holds another set, or
            too many clips fail. Nothing is half-written under a final name, and the same command
            goes on from there.
    """
    output = pathlib.Path(options.output)
    try:
        if options.dataset == "synthetic":
            synthetic.render(options.source, options.recipe, options.num_workers, progress)
        listing = options.list_clips()
        output.mkdir(parents=True, exist_ok=True)
        with lock.lock(output, options.shard_range):
            if options.overwrite:
                lock.delete(output)
            identity = options.identity(listing)
            lock.claim(output, identity)
            planned = shards.plan(listing.clips, options.seed, options.clips_per_shard)
            reports = {shard.file: shards.read_report(output, shard) for shard in planned}
            k, n = options.shard_range
            missing = [shard for shard in planned[k::n] if reports[shard.file] is None]
            if missing:
                lock.check_versions(output)
                shards.clean(output, missing)
                if options.runner:
                    beam.write(options, listing.classes, missing)
                else:
                    finished = filter(None, reports.values())
                    Writer(options, listing.classes, finished).write(missing, progress)
            # Read again: other ranges may have come to their ends meanwhile.
            reports = {shard.file: shards.read_report(output, shard) for shard in planned}
            if any(report is None for report in reports.values()):
                return None
            if missing or not (output / schema.DESCRIPTION).exists():
                _finish(output, options, identity, listing, planned, reports)
            return schema.DatasetInfo.load(output)
    except (SourceError, process_pool.WorkerError) as error:
        raise BuildError(str(error)) from error
    except OSError as error:
        raise BuildError(f"{error}; the same command goes on from here") from error


def _finish(
    output: pathlib.Path,
    options: BuildOptions,
    identity: dict[str, Any],
    listing: Listing,
    planned: Sequence[shards.Shard],
    reports: dict[str, shards.Report],
) -> None:
    """Writes failures.csv and the description of the finished set."""
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
    info = schema.DatasetInfo(
        dataset=options.dataset,
        classes=listing.classes,
        audio=schema.Audio(
            options.audio_rate,
            options.audio_codec,
            max_samples=max(r.max_samples for r in reports.values()),
        ),
        video=schema.Video(
            options.fps,
            options.short_side,
            max_frames=max(r.max_frames for r in reports.values()),
            max_height=max(r.max_height for r in reports.values()),
            max_width=max(r.max_width for r in reports.values()),
        ),
        splits={
            name: _split(name, planned, reports, failures, len(listing.classes))
            for name in schema.SPLITS
        },
        options=identity,
        notes=listing.notes,
    )
    atomic.write_text(output / schema.DESCRIPTION, info.to_json())


def _split(
    name: str,
    planned: Sequence[shards.Shard],
    reports: dict[str, shards.Report],
    failures: Sequence[Failure],
    classes: int,
) -> schema.Split:
    files = tuple(shard.file for shard in planned if shard.split == name)
    parts = [reports[file] for file in files]
    return schema.Split(
        clips=sum(part.clips for part in parts),
        failed=sum(failure.split == name for failure in failures),
        shards=files,
        class_counts=tuple(sum(part.class_counts[i] for part in parts) for i in range(classes)),
        without_audio=sum(part.without_audio for part in parts),
        without_video=sum(part.without_video for part in parts),
    )


if __name__ == "__main__":
    from absl import app, flags

    from tfrecords import command

    flags.adopt_module_key_flags(command)  # so that --help lists them
    app.run(command.run)
