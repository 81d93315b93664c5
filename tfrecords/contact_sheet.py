"""A picture of the first clips of a record set."""

import itertools
import pathlib

from matplotlib import figure

from tfrecords import schema
from tfrecords.description import SPLITS, DatasetInfo

_CLIPS = 8  # of each split


def contact_sheet(directory: str | pathlib.Path, path: str | pathlib.Path) -> None:
    """Draws the first clips of each split, each kind of modality as it draws itself.

    Args:
        directory: Path of the record set.
        path: Path of the PNG file.
    """
    directory = pathlib.Path(directory)
    info = DatasetInfo.load(directory)
    rows = []
    for split in SPLITS:
        found = schema.records(directory / file for file in info.splits[split].shards)
        rows += [(split, record) for record in itertools.islice(found, _CLIPS)]
    columns = sum(stored.panels for stored in info.modalities.values())
    sheet = figure.Figure(figsize=(2.25 * columns, 1.6 * len(rows)), layout="constrained")
    axes = sheet.subplots(len(rows), columns, squeeze=False)
    for (split, record), row in zip(rows, axes, strict=True):
        found = schema.read(record, info.modalities)
        row[0].set_title(f"{split}: {found['label']}", fontsize=8, loc="left")
        panels = iter(row)
        for name, stored in info.modalities.items():
            mine = list(itertools.islice(panels, stored.panels))
            if name in found:
                stored.draw(mine, found[name])
        for axis in row:
            axis.set_axis_off()
    sheet.savefig(path, dpi=100)
