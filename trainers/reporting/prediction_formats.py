"""Predictions as text: a table for people; JSON and CSV for programs, row by row."""

import csv
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import numpy as np
import rich.box
import rich.console
import rich.table
import rich.text

from amr_tf.analysis.metrics import dominance_title, format_dominance
from trainers.running import command
from trainers.running.predictor import Labelled


@dataclasses.dataclass(frozen=True)
class Row:
    """What a model says of a clip, or of one window of it.

    Attributes:
        clip: String, the file.
        start: Number, where the window begins, in seconds from the file's start.
        end: Number, where it ends; infinity for the file's end.
        windows: Integer, the windows of which this is the mean; 1 for a single one.
        class_id: Integer, the id of the likeliest label.
        top: List of pairs, the likeliest labels with their probabilities.
        shares: Dictionary, modality -> its share of the decision; empty for a model of one
            modality.
        missing: List of strings, the modalities that the file lacks.
    """

    clip: str
    start: float
    end: float
    windows: int
    class_id: int
    top: list[tuple[str, float]]
    shares: dict[str, float]
    missing: list[str]

    @property
    def time(self) -> str:
        """The window's time in words, empty for a clip that is seen whole."""
        return "" if math.isinf(self.end) else f"{self.start:.1f}-{self.end:.1f} s"


def rows(
    clip: str,
    labelled: Labelled,
    classes: Sequence[str],
    modalities: Sequence[str],
    top: int,
    per_window: bool = False,
) -> Iterator[Row]:
    """Makes a clip's row, or one of each of its windows.

    Args:
        clip: String, the file.
        labelled: Labelled, what the model says of its windows.
        classes: Strings, the class names by id.
        modalities: Strings, the model's modalities.
        top: Integer, how many labels a row gets.
        per_window: Boolean, whether each window gets a row, in the place of their mean.
    """
    shown = labelled if per_window else labelled.mean
    for window, probabilities, shares, missing in zip(
        shown.windows, shown.probabilities, shown.shares, shown.missing, strict=True
    ):
        order = np.argsort(-probabilities, kind="stable")[:top]
        yield Row(
            clip=clip,
            start=window.start,
            end=window.end,
            windows=1 if per_window else len(labelled.windows),
            class_id=int(order[0]),
            top=[(classes[c], float(probabilities[c])) for c in order],
            shares={m: float(s) for m, s in zip(modalities, shares, strict=False)},
            missing=list(missing),
        )


def table(rows: Iterable[Row], out: TextIO, modalities: Sequence[str], top: int) -> None:
    """Prints a table, once all rows are there.

    Args:
        rows: Iterable of rows, what to print.
        out: Text stream, where to print it.
        modalities: Sequence of strings, the model's modalities.
        top: Integer, the labels of a row.
    """
    rows = list(rows)
    if not rows:
        return
    several, missing = len(modalities) > 1, any(row.missing for row in rows)
    times = [_told(row) for row in rows]
    made = rich.table.Table(box=rich.box.ROUNDED)
    made.add_column("clip", overflow="fold")
    if any(times):
        made.add_column("time")
    made.add_column("label", overflow="fold")
    made.add_column("probability", justify="right")
    if several:
        made.add_column(dominance_title(modalities), justify="right")
    if missing:
        made.add_column("missing")
    for row, time in zip(rows, times, strict=True):
        cells = [
            command.line(row.clip),
            *([time] if any(times) else []),
            "\n".join(command.line(label) for label, _ in row.top),
            "\n".join(f"{100 * probability:.1f} %" for _, probability in row.top),
        ]
        cells += [format_dominance(row.shares)] if several else []
        cells += [", ".join(row.missing)] if missing else []
        # as text: what is in brackets would be taken for a style
        made.add_row(*map(rich.text.Text, cells))
    width = None if out.isatty() else 10_000
    rich.console.Console(file=out, highlight=False, width=width).print(made)


def json_array(rows: Iterable[Row], out: TextIO, modalities: Sequence[str], top: int) -> None:
    """Prints an array of objects, one a line; for the arguments see `table`."""
    before = "[\n"
    for row in rows:
        (label, probability), *_ = row.top
        content = {
            "clip": row.clip,
            "start": _rounded(row.start),
            "end": _seconds(row.end),
            "windows": row.windows,
            "class_id": row.class_id,
            "label": label,
            "probability": _rounded(probability),
            "top": [{"label": name, "probability": _rounded(p)} for name, p in row.top],
            "shares": {m: _rounded(share) for m, share in row.shares.items()} or None,
            "missing": row.missing,
        }
        print(before + json.dumps(content), end="", file=out, flush=True)
        before = ",\n"
    print("[]" if before == "[\n" else "\n]", file=out)


def csv_lines(rows: Iterable[Row], out: TextIO, modalities: Sequence[str], top: int) -> None:
    """Prints a line of names, then a line a clip; for the arguments see `table`."""
    # names of files that are no text in this system's encoding come out as they went in
    out.reconfigure(errors="surrogateescape")
    lines = csv.writer(out, lineterminator="\n")
    others = [f"{name}_{k}" for k in range(2, top + 1) for name in ("label", "probability")]
    shares = [f"share_{m}" for m in modalities] if len(modalities) > 1 else []
    first = ["clip", "start", "end", "windows", "class_id", "label", "probability"]
    lines.writerow([*first, *others, *shares, "missing"])
    for row in rows:
        labels = [cell for label, p in row.top for cell in (label, _rounded(p))]
        shares = [_rounded(share) for share in row.shares.values()]
        where = [_rounded(row.start), _seconds(row.end), row.windows]
        lines.writerow([row.clip, *where, row.class_id, *labels, *shares, ";".join(row.missing)])
        out.flush()


FORMATS = {"table": table, "json": json_array, "csv": csv_lines}


def _told(row: Row) -> str:
    return f"{row.time}, mean of {row.windows} windows" if row.windows > 1 else row.time


def _seconds(end: float) -> float | None:
    """The end of a window, None for that of the file."""
    return None if math.isinf(end) else _rounded(end)


def _rounded(value: float) -> float:
    return round(value, 6)
