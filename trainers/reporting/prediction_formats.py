"""Predictions as text: a table for people; JSON and CSV for programs, row by row."""

import csv
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import rich.box
import rich.console
import rich.table
import rich.text

from amr_tf.analysis.metrics import dominance_title, format_dominance
from trainers.reporting.prediction_answers import Answers, Said, rounded
from trainers.running import command
from trainers.running.predictor import Labelled


@dataclasses.dataclass(frozen=True)
class Row:
    """The answer of a model for a clip, or for one window of it.

    Attributes:
        clip: String, the file.
        start: Number, the time where the window begins, in seconds from the file's start.
        end: Number, the time where it ends; infinity for the file's end.
        windows: Integer, the windows of which this is the mean; 1 for a single one.
        said: Said, the model's answer.
        shares: Dictionary, modality -> its share of the decision; empty for a model of one
            modality.
        missing: List of strings, the modalities that the file lacks.
    """

    clip: str
    start: float
    end: float
    windows: int
    said: Said
    shares: dict[str, float]
    missing: list[str]

    @property
    def time(self) -> str:
        """The window's time in words, empty for a clip that is seen whole."""
        return "" if math.isinf(self.end) else f"{self.start:.1f}-{self.end:.1f} s"


def rows(
    clip: str,
    labelled: Labelled,
    answers: Answers,
    modalities: Sequence[str],
    per_window: bool = False,
) -> Iterator[Row]:
    """Makes a clip's row, or one of each of its windows.

    Args:
        clip: String, the file.
        labelled: Labelled, what the model says of its windows.
        answers: Answers, the form of the model's answers.
        modalities: Strings, the model's modalities.
        per_window: Boolean, whether each window gets a row, instead of their mean.
    """
    shown = labelled if per_window else labelled.mean
    for window, numbers, shares, missing in zip(
        shown.windows, shown.probabilities, shown.shares, shown.missing, strict=True
    ):
        yield Row(
            clip=clip,
            start=window.start,
            end=window.end,
            windows=1 if per_window else len(labelled.windows),
            said=answers.said(numbers),
            shares={m: float(s) for m, s in zip(modalities, shares, strict=False)},
            missing=list(missing),
        )


def table(rows: Iterable[Row], out: TextIO, modalities: Sequence[str], answers: Answers) -> None:
    """Prints a table, once all rows are there.

    Args:
        rows: Iterable of rows, what to print.
        out: Text stream, where to print it.
        modalities: Sequence of strings, the model's modalities.
        answers: Answers, the form of the model's answers.
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
    for name, justify in zip(answers.headings, ("left", "right"), strict=True):
        made.add_column(name, justify=justify, overflow="fold")
    if several:
        made.add_column(dominance_title(modalities), justify="right")
    if missing:
        made.add_column("missing")
    for row, time in zip(rows, times, strict=True):
        cells = [
            command.line(row.clip),
            *([time] if any(times) else []),
            "\n".join(command.line(name) for name, _ in row.said.lines),
            "\n".join(text for _, text in row.said.lines),
        ]
        cells += [format_dominance(row.shares)] if several else []
        cells += [", ".join(row.missing)] if missing else []
        # as text: what is in brackets would be taken for a style
        made.add_row(*map(rich.text.Text, cells))
    width = None if out.isatty() else 10_000
    rich.console.Console(file=out, highlight=False, width=width).print(made)


def json_array(
    rows: Iterable[Row], out: TextIO, modalities: Sequence[str], answers: Answers
) -> None:
    """Prints an array of objects, one a line; for the arguments see `table`."""
    before = "[\n"
    for row in rows:
        content = {
            "clip": row.clip,
            "start": rounded(row.start),
            "end": _seconds(row.end),
            "windows": row.windows,
            **row.said.fields,
            "shares": {m: rounded(share) for m, share in row.shares.items()} or None,
            "missing": row.missing,
        }
        print(before + json.dumps(content), end="", file=out, flush=True)
        before = ",\n"
    print("[]" if before == "[\n" else "\n]", file=out)


def csv_lines(
    rows: Iterable[Row], out: TextIO, modalities: Sequence[str], answers: Answers
) -> None:
    """Prints a line of names, then a line a clip; for the arguments see `table`."""
    # names of files that are no text in this system's encoding come out as they went in
    out.reconfigure(errors="surrogateescape")
    lines = csv.writer(out, lineterminator="\n")
    shares = [f"share_{m}" for m in modalities] if len(modalities) > 1 else []
    first = ["clip", "start", "end", "windows"]
    lines.writerow([*first, *answers.columns, *shares, "missing"])
    for row in rows:
        shares = [rounded(share) for share in row.shares.values()]
        where = [rounded(row.start), _seconds(row.end), row.windows]
        lines.writerow([row.clip, *where, *row.said.cells, *shares, ";".join(row.missing)])
        out.flush()


FORMATS = {"table": table, "json": json_array, "csv": csv_lines}


def _told(row: Row) -> str:
    return f"{row.time}, mean of {row.windows} windows" if row.windows > 1 else row.time


def _seconds(end: float) -> float | None:
    """The end of a window, None for that of the file."""
    return None if math.isinf(end) else rounded(end)
