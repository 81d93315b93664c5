"""Checks whether records are as they were built: the one check of all tools.

A record is sound if TensorFlow's writer makes the same bytes of it, which compares the checksums
(CRC-32C, masked) of its length and of its content at the speed of C++, and if it parses and decodes
as the pipeline does it. A wrong content costs that record. A wrong length hides where the next
record begins: it costs the rest of the shard.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfrecords import schema
from tfrecords.building import shards
from tfrecords.description import DatasetInfo
from tfrecords.progress import Progress
from tfrecords.reading import clips
from tfrecords.tasks import MULTICLASS, MULTILABEL

REBUILD = "run the same `python -m tfrecords.build` again, which makes only what is missing"


@dataclasses.dataclass(frozen=True)
class Checked:
    """A record that was looked at.

    Attributes:
        index: Integer, its place in its shard.
        record: Bytes, the record; None where its content is damaged.
        labels: Integers, the classes in which it counts; none where it cannot be read.
        problem: String, what is wrong with it; empty for a sound one.
    """

    index: int
    record: bytes | None
    labels: tuple[int, ...] = ()
    problem: str = ""


class Verifier:
    """Reads records as the pipeline does, and says what is wrong with them.

    Args:
        info: DatasetInfo, the description of the set.
    """

    def __init__(self, info: DatasetInfo) -> None:
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
        def read(record: tf.Tensor) -> tf.Tensor:
            decoded = clips.decode(
                schema.parse(record, info.modalities, len(info.classes), info.task)
            )
            # a value that nothing uses would not be computed
            used = [tf.size(tensor) for tensor in tf.nest.flatten(decoded)]
            with tf.control_dependencies(used):
                return tf.identity(decoded["label"])

        self._read, self._task = read, info.task

    def check(self, path: pathlib.Path, expected: int) -> Iterator[Checked]:
        """Looks at all records of a shard.

        Args:
            path: Path of the shard.
            expected: Integer, the records that it was built with.

        Yields:
            Each record, sound or not; those behind a damaged length, too.
        """
        count = 0
        for count, record in enumerate(framed_records(path), 1):
            yield self._checked(count - 1, record)
        for index in range(count, expected):
            yield Checked(index, None, problem="the length of a record before it is damaged")

    def _checked(self, index: int, record: bytes | None) -> Checked:
        if record is None:
            return Checked(index, None, problem="its content is not what its checksum says")
        try:
            with tf.device("CPU:0"):
                label = self._read(record).numpy()
        except tf.errors.InvalidArgumentError as error:
            return Checked(index, record, problem=_reason(error.message))
        return Checked(index, record, self._classes(label))

    def _classes(self, label: np.ndarray) -> tuple[int, ...]:
        if self._task == MULTICLASS:
            return (int(label),)
        return tuple(np.flatnonzero(label).tolist()) if self._task == MULTILABEL else ()


def _reason(message: str) -> str:
    """The line of TensorFlow's message that says what is wrong, not where in the graph."""
    lines = [line.strip() for line in message.splitlines()]
    told = ("Graph execution error", "Detected at node", "<stack traces", "[[", "File ")
    return next((line for line in lines if line and not line.startswith(told)), message)


def verify(directory: str | pathlib.Path, progress: bool = True) -> Iterator[str]:
    """Checks every shard's checksum, and parses and decodes every record.

    Args:
        directory: Path of the record set.
        progress: Boolean, whether to show progress.

    Yields:
        What is wrong, one line each, with the shard and the record's index.

    Raises:
        FileNotFoundError: There is no record set.
        ValueError: Its description cannot be read.
    """
    directory = pathlib.Path(directory)
    info = DatasetInfo.load(directory)
    verifier = Verifier(info)
    total = sum(split.clips for split in info.splits.values())
    with Progress("verifying records", total, progress) as bar:
        for split in info.splits.values():
            for name in split.shards:
                try:
                    report = built(directory / name)
                    if shards.checksum(directory / name) != report.sha256:
                        yield f"{name}: its checksum is not the one it was built with"
                    for checked in verifier.check(directory / name, report.clips):
                        if checked.problem:
                            yield f"{name}, record {checked.index}: {checked.problem}"
                        bar.advance()
                except (OSError, ValueError) as error:
                    yield f"{name}: {error}"


def built(path: pathlib.Path) -> shards.Report:
    """The report on a shard from when it was built.

    Raises:
        ValueError: The report beside it cannot be read.
    """
    try:
        return shards.load_report(path)
    except (FileNotFoundError, ValueError) as error:
        beside = shards.report_path(path)
        raise ValueError(
            f"{beside} cannot be read ({error}), and without its checksum {path.name} "
            f"cannot be trusted: {REBUILD}"
        ) from error


def framed_records(path: pathlib.Path) -> Iterator[bytes | None]:
    """The records of a file, None instead of one whose content is damaged.

    They end where a length is damaged, or where the file does.

    Args:
        path: Path of a TFRecord file.
    """
    size = path.stat().st_size
    with tempfile.TemporaryDirectory() as scratch, path.open("rb") as file:
        while len(header := file.read(12)) == 12:  # length, 8 bytes, and its checksum
            length = int.from_bytes(header[:8], "little")
            if length > size - file.tell() - 4:
                return
            content, checksum = file.read(length), file.read(4)
            again = _framed(content, pathlib.Path(scratch, "record"))
            if again[:12] != header:
                return
            yield content if again[-4:] == checksum else None


def _framed(content: bytes, scratch: pathlib.Path) -> bytes:
    """A record between its length and checksums."""
    with schema.writer(scratch) as write:
        write(content)
    return scratch.read_bytes()
