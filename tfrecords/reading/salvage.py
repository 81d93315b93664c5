"""Saves what is sound of damaged shards.

A record is sound if TensorFlow's writer makes the same bytes of it: that compares the checksums
(CRC-32C, masked) of its length and of its content at the speed of C++, and needs no other library.
A wrong content costs that record. A wrong length hides where the next record begins: it costs the
rest of the shard. What is sound must also parse and decode, as the pipeline does it.
"""

import atexit
import dataclasses
import json
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

import tensorflow as tf

from tfrecords import schema
from tfrecords.building import serialization, shards
from tfrecords.progress import Progress
from tfrecords.reading import clips

AGAIN = "run the same `python -m tfrecords.build` again, which makes only what is missing"
_NAMED = 10  # records that a message names


@dataclasses.dataclass(frozen=True)
class Salvaged:
    """What is left of a damaged shard.

    Attributes:
        path: Of the sound records: a copy with them alone, or the shard itself if it has no others.
        skipped: Indices, in the shard as it was built, of the records that are lost.
        labels: First label of each record that is left.
        built: What the shard held when it was built.
    """

    path: pathlib.Path
    skipped: tuple[int, ...]
    labels: tuple[int, ...]
    built: shards.Report

    def shrink(self, split: schema.Split) -> schema.Split:
        """The description of the shard's split, with the clips and class counts that are left."""
        counts = list(split.class_counts)
        for index, built in enumerate(self.built.class_counts):
            counts[index] += self.labels.count(index) - built
        clips = split.clips + len(self.labels) - self.built.clips
        return dataclasses.replace(split, clips=clips, class_counts=tuple(counts))


def salvage(
    directory: pathlib.Path, info: schema.DatasetInfo, progress: bool = True
) -> dict[str, Salvaged]:
    """Compares every shard's checksum, and saves what is sound of those that differ.

    Copies go to a temporary directory, which is deleted when the process ends.

    Args:
        directory: Of the record set.
        info: Its description.
        progress: Whether to show it, if it takes long.

    Returns:
        What is left of each damaged shard, by name.

    Raises:
        ValueError: Nothing of a shard can be read, or not what it should hold.
        OSError: A file cannot be read or the copy cannot be written.
    """
    names = [name for split in info.splits.values() for name in split.shards]
    salvaged = {}
    with Progress("comparing checksums", len(names), progress, transient=True) as bar:
        for name in names:
            built = _report(directory / name)
            if shards.checksum(directory / name) != built.sha256:
                if not salvaged:
                    # not deleted with an object: datasets read it for as long as they live
                    copies = pathlib.Path(tempfile.mkdtemp(prefix="salvaged-records-"))
                    atexit.register(shutil.rmtree, copies, ignore_errors=True)
                    read = _reader(info)
                salvaged[name] = _salvage_shard(directory / name, copies / name, built, read)
            bar.advance(f"{len(salvaged):,} damaged" if salvaged else "")
    return salvaged


def summary(skipped: dict[str, tuple[int, ...]], total: int) -> str:
    """Says how many records are skipped, and which are the first.

    Args:
        skipped: Their indices, by shard.
        total: Records that the set should have.
    """
    count, named, parts = sum(map(len, skipped.values())), 0, []
    for name, indices in skipped.items():
        if part := indices[: _NAMED - named]:
            parts.append(f"{name} {', '.join(map(str, part))}")
            named += len(part)
    more = f" and {count - named:,} more" if count > named else ""
    noun = "record" if count == 1 else "records"
    return f"{count:,} corrupt {noun} of {total:,} skipped: {'; '.join(parts)}{more}"


def readable(codec: str) -> tuple[str, ...]:
    """The modalities that can be decoded here, whatever a model needs."""
    try:
        clips.waveform_decoder(codec)
    except ImportError:
        return ("video",)
    return ("audio", "video")


def records(path: pathlib.Path) -> Iterator[bytes | None]:
    """The records of a file, None in the place of one whose content is damaged.

    They end where a length is damaged, or where the file does.

    Args:
        path: A TFRecord file.
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
    with serialization.writer(scratch) as write:
        write(content)
    return scratch.read_bytes()


def _report(path: pathlib.Path) -> shards.Report:
    """What a shard held when it was built."""
    beside = path.with_name(f"{path.name}.json")
    try:
        return shards.Report(**json.loads(beside.read_text()))
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise ValueError(
            f"{beside} cannot be read ({error}), and without its checksum {path.name} "
            f"cannot be trusted: {AGAIN}"
        ) from error


def _reader(info: schema.DatasetInfo) -> Callable[[bytes], int]:
    """A function that decodes a record and returns its first label.

    It raises `tf.errors.InvalidArgumentError` if the pipeline could not use the record.
    """
    modalities = readable(info.audio.codec)

    @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
    def read(record: tf.Tensor) -> tf.Tensor:
        clip = clips.parse(record, modalities, info.audio.codec, len(info.classes))
        return clips.decode(clip)["label"]

    def on_cpu(record: bytes) -> int:
        with tf.device("CPU:0"):
            return int(read(record))

    return on_cpu


def _salvage_shard(
    path: pathlib.Path, copy: pathlib.Path, built: shards.Report, read: Callable[[bytes], int]
) -> Salvaged:
    """Copies the sound records of a shard; deletes the copy if there are no others."""
    labels, skipped, count = [], [], 0
    with serialization.writer(copy) as write:
        for index, record in enumerate(records(path)):
            count += 1
            try:
                if record is not None:
                    labels.append(read(record))
                    write(record)
                    continue
            except tf.errors.InvalidArgumentError:
                pass
            skipped.append(index)
    skipped += range(count, built.clips)
    if not labels:
        what = "is empty" if not path.stat().st_size else "holds no record that can be read"
        raise ValueError(f"{path} {what}: delete it and {AGAIN}")
    if not skipped:
        copy.unlink()
    return Salvaged(copy if skipped else path, tuple(skipped), tuple(labels), built)
