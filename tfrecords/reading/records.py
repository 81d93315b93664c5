"""A directory of finished records: its description, checked, and its serialised records."""

import contextlib
import dataclasses
import pathlib
import warnings
from collections.abc import Iterator

import tensorflow as tf

from tfrecords import schema
from tfrecords.description import DESCRIPTION, DatasetInfo, Split
from tfrecords.reading import salvage
from tfrecords.reading.verification import REBUILD, Verifier, built

# Of these, something is in every error that a broken record causes in the pipeline.
SIGNS = (
    "corrupted record", "truncated record", "arse", "JPEG", "jpeg", "DecodeRaw", "AudioDecodeFlac",
    "FLAC stream",
    "claims too many", "Substr", "none of the classes", "another number of features",
)  # fmt: skip


class CorruptRecord(ValueError):
    """A record that cannot be read; the message names it and says what to do."""


class RecordSet:
    """A directory of records.

    Args:
        directory: Path of the directory of `dataset.json` and the shards.
        skip_corrupt: Boolean, whether corrupt records are left out, with a warning that counts
            them, as if the set had been built without them. Every shard is read once to find them,
            and those that are not as they were built are copied to a temporary directory without
            them.

    Attributes:
        directory: Path of the directory, as given.
        info: DatasetInfo, the description of the set, without the skipped records.
        skipped: Mapping, shard -> the indices of its skipped records.

    Raises:
        FileNotFoundError: The directory holds no finished record set, or a shard is missing.
        ValueError: The description cannot be read, or corrupt records are to be skipped and a
            shard has no others.
    """

    def __init__(self, directory: str | pathlib.Path, skip_corrupt: bool = False) -> None:
        self.directory = pathlib.Path(directory)
        self.info = DatasetInfo.load(directory)
        self.skipped: dict[str, tuple[int, ...]] = {}
        self._paths = {
            name: self.directory / name
            for split in self.info.splits.values()
            for name in split.shards
        }
        for path in self._paths.values():
            if not path.is_file():
                raise FileNotFoundError(f"shard {path} is missing: {REBUILD}")
        if skip_corrupt:
            self._skip_corrupt()

    @property
    def num_skipped(self) -> int:
        """The number of records that are skipped, in all splits."""
        return sum(map(len, self.skipped.values()))

    def split(self, name: str) -> Split:
        """The description of a split.

        Raises:
            ValueError: There is no such split, or nothing in it.
        """
        split = self.info.splits.get(name)
        if split is None:
            raise ValueError(
                f"{self.directory} has no split {name!r}; it has {', '.join(self.info.splits)}"
            )
        if not split.clips:
            raise ValueError(
                f"the split {name!r} of {self.directory} has no clips; {split.failed} failed: "
                "see failures.csv there, and build it again"
            )
        return split

    def shards(self, split: str, worker: tuple[int, int] = (0, 1)) -> list[str]:
        """Paths of a split's shards, or of one worker's part of them.

        Args:
            split: String, the name of the split.
            worker: Two integers, (index, count).

        Raises:
            ValueError: There are fewer shards than workers.
        """
        index, count = worker
        names = self.split(split).shards
        if len(names) < count:
            raise ValueError(
                f"the split {split!r} of {self.directory} has {len(names)} shards, too few for "
                f"{count} workers: build it with more shards"
            )
        return [str(self._paths[name]) for name in names[index::count]]

    def record_bytes(self, split: str) -> int:
        """Mean size of a record, bytes; 1 or more."""
        size = sum(pathlib.Path(path).stat().st_size for path in self.shards(split))
        return max(1, size // self.split(split).clips)

    def media_ids(self, split: str) -> list[str]:
        """The clips' names, in the order of the records."""
        return schema.media_ids(tf.data.TFRecordDataset(self.shards(split)))

    def first_corrupt(self) -> str | None:
        """Reads every record whole; says which is the first that can't be read, and what to do."""
        verifier = Verifier(self.info)
        for name, path in self._paths.items():
            copied = path.parent != self.directory  # of a salvaged shard, without what is damaged
            for checked in verifier.check(path, 0 if copied else built(path).clips):
                if checked.problem:
                    where = f"{self.directory / name}, record {checked.index}, is corrupt"
                    return f"{where} ({checked.problem}): delete it and {REBUILD}"
        return None

    @contextlib.contextmanager
    def naming_corrupt_records(self) -> Iterator[None]:
        """Names the shard and the record when the code inside fails on a broken one.

        Raises:
            CorruptRecord: A record cannot be read; the message says which, and what to do.
        """
        try:
            yield
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            found = any(sign in str(error) for sign in SIGNS) and self.first_corrupt()
            if not found:
                raise
            raise CorruptRecord(found) from error
        except tf.errors.FailedPreconditionError as error:
            if "expected to contain" not in str(error):
                raise
            raise CorruptRecord(
                f"{self.directory} does not hold as many records as its {DESCRIPTION} says: "
                "`python -m tfrecords.inspect DIR --verify` tells the shard; delete it and "
                + REBUILD
            ) from error

    def _skip_corrupt(self) -> None:
        """Reads salvaged copies instead of damaged shards, and tells what is left out."""
        total = sum(split.clips for split in self.info.splits.values())
        salvaged = salvage.salvage(self.directory, self.info)
        splits = {}
        for split_name, split in self.info.splits.items():
            for name in salvaged.keys() & set(split.shards):
                split = salvaged[name].shrink(split)
            splits[split_name] = split
        self.info = dataclasses.replace(self.info, splits=splits)
        for name, shard in salvaged.items():
            self._paths[name] = shard.path
            if shard.skipped:
                self.skipped[name] = shard.skipped
        if self.skipped:
            warnings.warn(salvage.summary(self.skipped, total), stacklevel=3)
