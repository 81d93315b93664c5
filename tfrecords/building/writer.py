"""Writes shards: decodes their clips in worker processes and keeps count of failures."""

import collections
import contextlib
import itertools
import math
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any

from tfrecords.building import decoding, process_pool, shards
from tfrecords.building.decoded import Clip
from tfrecords.building.decoding import Source
from tfrecords.building.options import BuildOptions
from tfrecords.building.settings import Window
from tfrecords.building.worth import judged
from tfrecords.datasets.listing import BuildError, Listed, Listing
from tfrecords.progress import Progress

_JUDGED = 100  # clips that must have been tried before a fraction of failures says anything


class Writer:
    """Writes shards of one set.

    Args:
        options: BuildOptions of the build.
        listing: Listing, what the data set lists.
        finished: Iterable of the reports of the shards that are there.

    Raises:
        OSError: The source is not there.
    """

    def __init__(
        self,
        options: BuildOptions,
        listing: Listing,
        finished: Iterable[shards.Report] = (),
    ) -> None:
        self._options = options
        self._source = pathlib.Path(options.source)
        self._source_id = self._source_now()
        self._listing = listing
        self._required = options.required(listing)
        self._least = options.min_worth
        self._output = pathlib.Path(options.output)
        self._tried = 0
        self._reasons = collections.Counter()
        for report in finished:
            self._tried += report.clips + len(report.failures)
            self._reasons.update(failure.reason for failure in report.failures)

    def write(self, missing: list[shards.Shard], progress: bool) -> None:
        """Writes shards, one after the other.

        Args:
            missing: List of shards, those to write.
            progress: Boolean, whether to show progress.

        Raises:
            BuildError: The source went away, or too many clips fail.
            OSError: The output cannot be written.
        """
        options = self._options
        clips = [clip for shard in missing for clip in shard.clips]
        tasks = map(self._task, clips)
        results = process_pool.run(decoding.outcome, tasks, options.num_workers, options.timeout)
        title = f"{options.dataset.name} to records"
        with (
            contextlib.closing(results),
            Progress(title, self._tried + len(clips), progress, self._tried) as bar,
        ):
            outcomes = self._watched(results, clips, bar)
            for shard in missing:
                part = itertools.islice(outcomes, len(shard.clips))
                shards.write(
                    self._output,
                    shard,
                    part,
                    self._listing.classes,
                    self._listing.modalities,
                    self._listing.task,
                )

    def _task(self, clip: Listed) -> tuple:
        sources = {
            name: Source(kind, **self._place(clip, name))
            for name, kind in self._listing.modalities.items()
            if name in clip.files
        }
        window = Window(clip.start, math.inf if clip.end is None else clip.end)
        return sources, self._options.settings, self._required, window

    def _place(self, clip: Listed, name: str) -> dict[str, Any]:
        """The rest of a `Source`: a file below the source, a row of an array in it, or a text."""
        file = clip.files[name]
        if name in clip.inline:
            return {"path": self._source, "cell": file}
        if clip.row is not None:
            return {"path": self._source, "array": file, "row": clip.row}
        return {"path": self._source / file}

    def _watched(self, results: Iterator[Any], clips: list[Listed], bar: Progress) -> Iterator[Any]:
        """The results, counted; raises when going on makes no sense."""
        for clip, result in zip(clips, results, strict=True):
            self._tried += 1
            if isinstance(result, Clip):
                result = judged(result, self._listing.modalities, self._least, self._required)
            if not isinstance(result, Clip):
                self._reasons[result.reason] += 1
                if result.reason in ("missing", "unreadable") and self._gone():
                    raise BuildError(
                        f"--source={self._source} went away while {clip.media_id} was to be read: "
                        "make it available and run the same command again to go on"
                    )
                self._check_limit(f"{clip.media_id}: {result.detail}")
            failed = self._reasons.total()
            bar.advance(f"{failed:,} failed" if failed else "")
            yield result

    def _check_limit(self, example: str) -> None:
        limit = self._options.max_failures
        failed = self._reasons.total()
        if isinstance(limit, int):
            hopeless = failed > limit
        else:
            hopeless = self._tried >= _JUDGED and failed > limit * self._tried
        if hopeless:
            common = ", ".join(f"{reason} {n:,}" for reason, n in self._reasons.most_common(3))
            raise BuildError(
                f"{failed:,} of {self._tried:,} clips failed, more than "
                f"--max_failures={limit} allows: {common} (the last: {example})"
            )

    def _source_now(self) -> tuple[int, int]:
        status = self._source.stat()
        return status.st_dev, status.st_ino

    def _gone(self) -> bool:
        try:
            return self._source_now() != self._source_id
        except OSError:
            return True
