"""Looks into a record set: `python -m tfrecords.inspect DIR [--verify] [--sheet=FILE.png]`."""

import collections
import hashlib
import io
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import rich.console
import rich.markup
import rich.table
from absl import app, flags
from PIL import Image

from tfrecords import quiet  # noqa: F401  isort: skip

import tensorflow as tf

from tfrecords import flac, schema, summary
from tfrecords.progress import Progress

_SHEET_CLIPS = 8


def verify(directory: str | pathlib.Path, progress: bool = True) -> list[str]:
    """Checks every shard's checksum, and parses and decodes every record.

    Args:
        directory: Of the record set.
        progress: Whether to show it.

    Returns:
        What is wrong, one line each, with the shard and the record's index; empty if nothing is.

    Raises:
        FileNotFoundError: There is no record set.
        ValueError: Its description cannot be read.
    """
    directory = pathlib.Path(directory)
    info = schema.DatasetInfo.load(directory)
    wrong = []
    total = sum(split.clips for split in info.splits.values())
    with Progress("verifying records", total, progress) as bar:
        for name, split in info.splits.items():
            count = 0
            for file in split.shards:
                wrong += _check_sum(directory / file)
                index = 0
                try:
                    for record in _raw(directory / file):
                        problem = _check_record(record, info)
                        if problem:
                            wrong.append(f"{file}, record {index}: {problem}")
                        index += 1
                        bar.advance()
                except tf.errors.OpError as error:
                    wrong.append(f"{file}, record {index}: {error.message}")
                count += index
            if count != split.clips:
                wrong.append(f"{name}: {count} records instead of {split.clips}")
    return wrong


def _raw(path: pathlib.Path) -> Iterator[bytes]:
    return tf.data.TFRecordDataset(str(path)).as_numpy_iterator()


def _check_sum(path: pathlib.Path) -> list[str]:
    try:
        expected = json.loads(path.with_name(f"{path.name}.json").read_text())["sha256"]
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError) as error:
        return [f"{path.name}: {error}"]
    return (
        [] if found == expected else [f"{path.name}: its checksum is not the one it was built with"]
    )


def _check_record(record: bytes, info: schema.DatasetInfo) -> str:
    """What is wrong with a record, if anything."""
    try:
        context, frames = _parse(record)
        labels = context[schema.LABEL_INDEX].int64_list.value
        if not labels or not all(0 <= label < len(info.classes) for label in labels):
            return f"labels {list(labels)} of {len(info.classes)} classes"
        for number, jpeg in enumerate(frames):
            height, width = np.asarray(Image.open(io.BytesIO(jpeg))).shape[:2]
            stored = context[schema.HEIGHT].int64_list.value[0], context[schema.WIDTH]
            if (height, width) != (stored[0], stored[1].int64_list.value[0]):
                return f"frame {number} is {height} x {width}"
        if schema.AUDIO in context:
            samples = len(_waveform(context, info))
            if samples != context[schema.AUDIO_SAMPLES].int64_list.value[0]:
                return f"{samples} samples of sound"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _parse(record: bytes) -> tuple[dict[str, tf.train.Feature], list[bytes]]:
    """The context's features and the JPEGs."""
    example = tf.train.SequenceExample.FromString(record)
    lists = example.feature_lists.feature_list
    frames = lists[schema.FRAMES].feature if schema.FRAMES in lists else ()
    return dict(example.context.feature), [frame.bytes_list.value[0] for frame in frames]


def _waveform(context: dict[str, tf.train.Feature], info: schema.DatasetInfo) -> np.ndarray:
    """The samples, int16."""
    stored = context[schema.AUDIO].bytes_list.value[0]
    return flac.decode(stored) if info.audio.codec == "flac" else np.frombuffer(stored, "<i2")


def describe(
    directory: pathlib.Path, info: schema.DatasetInfo, console: rich.console.Console
) -> None:
    """Prints clips per class, and durations and sizes per split.

    Args:
        directory: Of the record set.
        info: Its description.
        console: Where to.
    """
    table = rich.table.Table("class", *schema.SPLITS)
    for index, name in enumerate(info.classes):
        counts = (info.splits[split].class_counts[index] for split in schema.SPLITS)
        table.add_row(rich.markup.escape(name), *(f"{count:,}" for count in counts))
    console.print(table)
    table = rich.table.Table("split", "", "least", "median", "most")
    for split in schema.SPLITS:
        measured = collections.defaultdict(list)
        for file in info.splits[split].shards:
            for record in _raw(directory / file):
                context, frames = _parse(record)
                measured["kB a record"].append(len(record) / 1e3)
                measured["frames"].append(len(frames))
                if schema.AUDIO in context:
                    samples = context[schema.AUDIO_SAMPLES].int64_list.value[0]
                    measured["seconds of sound"].append(samples / info.audio.sample_rate)
        for what, values in measured.items():
            numbers = (min(values), np.median(values), max(values))
            table.add_row(split, what, *(f"{number:.4g}" for number in numbers))
    console.print(table)


def contact_sheet(directory: str | pathlib.Path, path: str | pathlib.Path) -> None:
    """Draws the first clips of each split: three frames and the spectrogram of each.

    Args:
        directory: Of the record set.
        path: The PNG file.
    """
    from matplotlib import figure

    directory = pathlib.Path(directory)
    info = schema.DatasetInfo.load(directory)
    rows = []
    for split in schema.SPLITS:
        records = (
            record for file in info.splits[split].shards for record in _raw(directory / file)
        )
        rows += [(split, record) for record, _ in zip(records, range(_SHEET_CLIPS), strict=False)]
    sheet = figure.Figure(figsize=(9, 1.6 * len(rows)), layout="constrained")
    axes = sheet.subplots(len(rows), 4, squeeze=False)
    for (split, record), row in zip(rows, axes, strict=True):
        context, frames = _parse(record)
        label = context[schema.LABEL_STRING].bytes_list.value[0].decode()
        row[0].set_title(f"{split}: {label}", fontsize=8, loc="left")
        for axis, number in zip(row, np.linspace(0, len(frames) - 1, 3), strict=False):
            if frames:
                axis.imshow(Image.open(io.BytesIO(frames[round(number)])))
        if schema.AUDIO in context:
            waveform = _waveform(context, info)
            windows = np.lib.stride_tricks.sliding_window_view(waveform, 512)[::160] * np.hanning(
                512
            )
            spectrum = np.abs(np.fft.rfft(windows, axis=1))
            row[3].imshow(np.log(spectrum.T + 1), origin="lower", aspect="auto")
        for axis in row:
            axis.set_axis_off()
    sheet.savefig(path, dpi=100)


def _run(arguments: Sequence[str]) -> None:
    if len(arguments) != 2:
        sys.exit("error: give one directory of records")
    directory = pathlib.Path(arguments[1])
    try:
        info = schema.DatasetInfo.load(directory)
        summary.show(info, directory)
        describe(directory, info, rich.console.Console())
        if flags.FLAGS.sheet:
            contact_sheet(directory, flags.FLAGS.sheet)
            print(f"contact sheet in {flags.FLAGS.sheet}")
        wrong = verify(directory) if flags.FLAGS.verify else []
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except tf.errors.OpError as error:
        sys.exit(f"error: {error.message}; --verify says which record")
    if wrong:
        sys.exit("\n".join(wrong))
    if flags.FLAGS.verify:
        print("every record is whole")


if __name__ == "__main__":
    flags.DEFINE_bool("verify", False, "Check checksums, and parse and decode every record.")
    flags.DEFINE_string("sheet", None, "PNG file for a contact sheet of the first clips.")
    app.run(_run)
