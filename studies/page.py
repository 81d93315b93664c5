"""Pages of studies: estimates as text, tables in Markdown and CSV, templates with fields."""

import csv
import dataclasses
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amr_tf.analysis.seed_intervals import Estimate
from studies.statistics import Results

_FIELD = re.compile(r"\{\{(\w+) *([^{}]*)\}\}")


def plain(value: Estimate | None) -> str:
    """A mean as `74.1 ± 1.2`: percent and half of the 95 % interval.

    Args:
        value: Estimate; None for a dash.

    Returns:
        The text.
    """
    if value is None:
        return "-"
    if len(value.points) == 1:
        return f"{value.mean:.1f}"
    return f"{value.mean:.1f} ± {value.half_width:.1f}"


def signed(value: Estimate | None) -> str:
    """A difference as `+0.4 [-0.3, +1.1]`: points and the 95 % interval.

    Args:
        value: Estimate; None for a dash.

    Returns:
        The text.
    """
    return "-" if value is None else f"{value.mean:+.1f} [{value.low:+.1f}, {value.high:+.1f}]"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown.

    Args:
        head: Sequence of strings, the headings of the columns.
        rows: Sequence of rows, each as long as the head.

    Returns:
        The text.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def runs_csv(kind: type, results: Results) -> str:
    """The CSV of all runs, a line each.

    Args:
        kind: Class, the dataclass of the runs.
        results: Results, of the finished runs.

    Returns:
        The text.
    """
    fields = [field.name for field in dataclasses.fields(kind)]
    names = list(dict.fromkeys(name for found in results.measured.values() for name in found))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*fields, *names])
    for run, found in results.measured.items():
        numbers = [f"{found[name]:.5g}" if name in found else "" for name in names]
        rows.writerow([*dataclasses.astuple(run), *numbers])
    return text.getvalue()


def filled(template: str, fields: Mapping[str, Callable[..., str]], *first: Any) -> str:
    """Fills in the fields of a template, `{{NAME ARGUMENT ...}}`.

    Args:
        template: String, the text with its fields.
        fields: Mapping, name -> function of `first` and the arguments, which are strings.
        *first: Objects, the first arguments of every function.

    Returns:
        The text.

    Raises:
        ValueError: A field has an unknown name.
    """

    def field(match: re.Match) -> str:
        name, arguments = match[1], match[2].split()
        if name not in fields:
            raise ValueError(f"the template has a field {match[0]}: there is no {name}")
        return fields[name](*first, *arguments)

    return _FIELD.sub(field, template)
