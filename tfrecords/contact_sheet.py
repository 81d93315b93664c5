"""A picture of the first clips of a record set."""

import io
import itertools
import pathlib
from typing import Any

import numpy as np
from matplotlib import figure
from PIL import Image

from tfrecords import schema
from tfrecords.description import SPLITS, DatasetInfo, Stored

_CLIPS = 8  # of each split
_WIDTHS = {"audio": 1, "video": 3, "features": 1}  # panels


def contact_sheet(directory: str | pathlib.Path, path: str | pathlib.Path) -> None:
    """Draws the first clips of each split: frames, spectrograms, features.

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
    columns = sum(_WIDTHS[stored.kind] for stored in info.modalities.values())
    sheet = figure.Figure(figsize=(2.25 * columns, 1.6 * len(rows)), layout="constrained")
    axes = sheet.subplots(len(rows), columns, squeeze=False)
    for (split, record), row in zip(rows, axes, strict=True):
        found = schema.read(record, info.modalities)
        row[0].set_title(f"{split}: {found['label']}", fontsize=8, loc="left")
        panels = iter(row)
        for name, stored in info.modalities.items():
            mine = list(itertools.islice(panels, _WIDTHS[stored.kind]))
            if name in found:
                _draw(mine, stored, found[name])
        for axis in row:
            axis.set_axis_off()
    sheet.savefig(path, dpi=100)


def _draw(panels: list, stored: Stored, value: Any) -> None:
    if stored.kind == "video":
        for panel, number in zip(panels, np.linspace(0, len(value) - 1, 3), strict=True):
            panel.imshow(Image.open(io.BytesIO(value[round(number)])))
    elif stored.kind == "audio" and len(value) >= 512:
        windows = np.lib.stride_tricks.sliding_window_view(value, 512)[::160] * np.hanning(512)
        spectrum = np.abs(np.fft.rfft(windows, axis=1))
        panels[0].imshow(np.log(spectrum.T + 1), origin="lower", aspect="auto")
    elif stored.kind == "features":
        panels[0].plot(value.reshape(-1), lw=0.6)
