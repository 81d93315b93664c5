"""What a record set holds, on the terminal."""

import collections
import csv
import pathlib

import rich.console
import rich.table

from tfrecords import schema
from tfrecords.building import lock


def show(info: schema.DatasetInfo, output: pathlib.Path) -> None:
    """Prints what a record set holds.

    Args:
        info: Its description.
        output: Its directory.
    """
    console = rich.console.Console()
    table = rich.table.Table()
    for title in ("split", "clips", "failed", "no audio", "no video", "shards", "MB"):
        table.add_column(title, justify="left" if title == "split" else "right")
    for name in schema.SPLITS:
        split = info.splits[name]
        size = sum((output / file).stat().st_size for file in split.shards)
        numbers = (split.clips, split.failed, split.without_audio, split.without_video)
        cells = [f"{number:,}" for number in (*numbers, len(split.shards))]
        table.add_row(name, *cells, f"{size / 1e6:,.1f}")
    console.print(table)
    with (output / lock.FAILURES).open(newline="") as file:
        reasons = collections.Counter(row["reason"] for row in csv.DictReader(file))
    if reasons:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
        print(f"failed: {counts}; each is in {output / lock.FAILURES}")
    if info.notes:
        print(f"note: {info.notes}")
    print(f"{len(info.classes)} classes; records and {schema.DESCRIPTION} in {output}")
