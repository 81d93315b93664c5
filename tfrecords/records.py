"""A directory of finished records: what it holds, checked, and its serialised records."""

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow as tf

from tfrecords import clips, schema

AGAIN = "run the same `python -m tfrecords.build` again, which makes only what is missing"


class CorruptRecord(ValueError):
    """A record that cannot be read; the message names it and says what to do."""


class RecordSet:
    """A directory of records.

    Args:
        directory: Where `dataset.json` and the shards are.

    Attributes:
        directory: As given.
        info: The description of the set.

    Raises:
        FileNotFoundError: The directory holds no finished record set, or a shard is missing.
        ValueError: The description cannot be read.
    """

    def __init__(self, directory: str | pathlib.Path) -> None:
        self.directory = pathlib.Path(directory)
        self.info = schema.DatasetInfo.load(directory)
        for split in self.info.splits.values():
            for name in split.shards:
                if not (self.directory / name).is_file():
                    raise FileNotFoundError(f"shard {self.directory / name} is missing: {AGAIN}")

    def split(self, name: str) -> schema.Split:
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
            split: Name of the split.
            worker: (index, count).

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
        return [str(self.directory / name) for name in names[index::count]]

    def record_bytes(self, split: str) -> int:
        """Mean size of a record, bytes; 1 or more."""
        size = sum(pathlib.Path(path).stat().st_size for path in self.shards(split))
        return max(1, size // self.split(split).clips)

    def media_ids(self, split: str) -> list[str]:
        """The clips' names, in the order of the records."""
        spec = {schema.MEDIA_ID: tf.io.FixedLenFeature([], tf.string)}
        names = tf.data.TFRecordDataset(self.shards(split)).map(
            lambda record: tf.io.parse_single_sequence_example(record, spec)[0][schema.MEDIA_ID]
        )
        return [name.decode() for name in names.as_numpy_iterator()]

    def first_corrupt(self) -> str | None:
        """Reads every record whole; says which is the first that cannot be, and what to do."""
        codec = self.info.audio.codec
        modalities = ("audio", "video")
        try:
            clips.waveform_decoder(codec)
        except ImportError:  # then nobody here was reading sound
            modalities = ("video",)
        for split in self.info.splits.values():
            for name in split.shards:
                path = str(self.directory / name)
                decoded = tf.data.TFRecordDataset(path).map(
                    lambda record: clips.decode(clips.parse(record, modalities, codec))
                )
                index = 0
                try:
                    for index, _ in enumerate(decoded, 1):  # noqa: B007
                        pass
                except tf.errors.OpError as error:
                    reason = error.message.splitlines()[0]
                    return f"{path}, record {index}, is corrupt ({reason}): delete it and {AGAIN}"
        return None

    @contextlib.contextmanager
    def naming_corrupt_records(self) -> Iterator[None]:
        """Names the shard and the record when what runs inside fails on a broken one.

        Raises:
            CorruptRecord: A record cannot be read; says which, and what to do.
        """
        try:
            yield
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            signs = ("corrupted record", "truncated record", "parse", "JPEG", "jpeg", "DecodeRaw")
            signs += ("AudioDecodeFlac",)
            found = any(sign in str(error) for sign in signs) and self.first_corrupt()
            if not found:
                raise
            raise CorruptRecord(found) from error
