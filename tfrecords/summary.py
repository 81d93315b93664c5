"""Shows on the terminal what a record set holds."""

import collections
import csv
import pathlib

import rich.console
import rich.table

from tfrecords.building import lock
from tfrecords.description import DESCRIPTION, SPLITS, DatasetInfo
from tfrecords.tasks import REGRESSION


def show(info: DatasetInfo, output: pathlib.Path, plugins: str = "") -> None:
    """Prints what a record set holds.

    Args:
        info: DatasetInfo, the set's description.
        output: Path of its directory.
        plugins: String, the modules that commands on it have to name, `a,b`.
    """
    console = rich.console.Console()
    table = rich.table.Table()
    shown = list(info.modalities)
    if len(shown) > 2:  # a column each would not fit: those that a clip lacks
        shown = [m for m in shown if any(s.without.get(m) for s in info.splits.values())]
    lacking = [f"no {name}" for name in shown]
    for title in ("split", "clips", "failed", *lacking, "shards", "MB"):
        table.add_column(title, justify="left" if title == "split" else "right")
    for name in SPLITS:
        split = info.splits[name]
        size = sum((output / file).stat().st_size for file in split.shards)
        without = [split.without.get(modality, 0) for modality in shown]
        numbers = (split.clips, split.failed, *without, len(split.shards))
        table.add_row(name, *(f"{number:,}" for number in numbers), f"{size / 1e6:,.1f}")
    console.print(table)
    with (output / lock.FAILURES).open(newline="") as file:
        reasons = collections.Counter(row["reason"] for row in csv.DictReader(file))
    if reasons:
        counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
        print(f"failed: {counts}; each is in {output / lock.FAILURES}")
    clips = sum(split.clips for split in info.splits.values())
    for name, stored in info.modalities.items():
        blank = sum(split.blank.get(name, 0) for split in info.splits.values())
        if blank:
            many = f"{blank:,} of {clips:,} records"
            print(f"{stored.blank} {name}: {many}; tfrecords.inspect names them")
    if info.notes:
        print(f"note: {info.notes}")
    print(f"modalities: {', '.join(info.modalities)}")
    nouns = ("number", "numbers") if info.task == REGRESSION else ("class", "classes")
    count = len(info.classes)
    told = f"{count} {nouns[count != 1]}; records and {DESCRIPTION} in {output}"
    print(f"task: {info.task}, {told}")
    named = f" --plugins={plugins}" if plugins else ""
    print(f"  python -m tfrecords.inspect {output}{named}")
    print(f"  python -m trainers.fit --data_dir={output}{named}")
