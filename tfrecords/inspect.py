"""Looks into a record set: `python -m tfrecords.inspect DIR [--verify] [--sheet=FILE.png]`."""

from tfrecords import tools  # noqa: F401  isort: skip

import collections
import contextlib
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
import rich.console
import rich.markup
import rich.table
from absl import app, flags

from tfrecords import quiet  # noqa: F401  isort: skip

import tensorflow as tf

from tfrecords import schema, summary
from tfrecords.building.shards import load_report
from tfrecords.contact_sheet import contact_sheet
from tfrecords.description import SPLITS, DatasetInfo
from tfrecords.plugins import load_named
from tfrecords.reading.verification import verify
from tfrecords.tasks import REGRESSION

_NAMED = 100  # clips that are named, of each kind


def describe(directory: pathlib.Path, info: DatasetInfo, console: rich.console.Console) -> None:
    """Prints clips per class, or what numbers there are, and durations and sizes per split.

    Args:
        directory: Path of the record set.
        info: DatasetInfo, the set's description.
        console: Console to print to.
    """
    numbers = info.task == REGRESSION
    table = rich.table.Table(
        *(("number", "mean of train", "deviation") if numbers else ("class", *SPLITS))
    )
    for index, name in enumerate(info.classes):
        counts = (f"{info.splits[split].class_counts[index]:,}" for split in SPLITS)
        told = (f"{each[index]:.4g}" if each else "-" for each in (info.mean, info.scale))
        table.add_row(rich.markup.escape(name), *(told if numbers else counts))
    console.print(table)
    table = rich.table.Table("split", "", "least", "median", "most")
    for split in SPLITS:
        measured = collections.defaultdict(list)
        for record in schema.records(directory / file for file in info.splits[split].shards):
            found = schema.read(record, info.modalities)
            measured["kB a record"].append(len(record) / 1e3)
            for name, stored in info.modalities.items():
                if name in found:
                    what, value = stored.extent(found[name])
                    measured[f"{name}: {what}"].append(value)
        for what, values in measured.items():
            numbers = (min(values), np.median(values), max(values))
            table.add_row(split, what, *(f"{number:.4g}" for number in numbers))
    console.print(table)


def name_blank(directory: pathlib.Path, info: DatasetInfo) -> None:
    """Prints which clips have a modality that tells nothing, e.g. silent sound.

    Args:
        directory: Path of the record set.
        info: DatasetInfo, the set's description.
    """
    for name, stored in info.modalities.items():
        clips: list[str] = []
        for file in (f for s in info.splits.values() if s.blank.get(name) for f in s.shards):
            with contextlib.suppress(FileNotFoundError):  # records were moved without reports
                clips += load_report(directory / file).blank.get(name, ())
        if clips:
            more = f" and {len(clips) - _NAMED:,} more" if len(clips) > _NAMED else ""
            print(f"{stored.blank} {name}: {', '.join(sorted(clips)[:_NAMED])}{more}")


def _run(arguments: Sequence[str]) -> None:
    if len(arguments) != 2:
        sys.exit("error: give one directory of records")
    directory = pathlib.Path(arguments[1])
    try:
        info = DatasetInfo.load(directory)
        summary.show(info, directory, flags.FLAGS.plugins)
        describe(directory, info, rich.console.Console())
        name_blank(directory, info)
        if flags.FLAGS.sheet:
            contact_sheet(directory, flags.FLAGS.sheet)
            print(f"contact sheet in {flags.FLAGS.sheet}")
        wrong = list(verify(directory)) if flags.FLAGS.verify else []
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except tf.errors.OpError as error:
        sys.exit(f"error: {error.message}; --verify says which record")
    if wrong:
        sys.exit("\n".join(wrong))
    if flags.FLAGS.verify:
        print("every record is whole")


def main() -> None:
    """The command, also as `amr-inspect`."""
    try:
        load_named(sys.argv)
    except ValueError as error:
        sys.exit(f"error: {error}")
    flags.DEFINE_string("plugins", "", "Modules that register the kinds of modalities: a,b.")
    flags.DEFINE_bool("verify", False, "Check checksums, and parse and decode every record.")
    flags.DEFINE_string("sheet", None, "PNG file for a contact sheet of the first clips.")
    app.run(_run)


if __name__ == "__main__":
    main()
