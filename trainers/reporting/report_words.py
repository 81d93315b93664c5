"""The numbers of a section as people read them: plain-language lines and tables."""

import math

import numpy as np

from amr_tf.analysis.bootstrap import interval
from amr_tf.analysis.measurement import PERCENT, PLAIN, Measurement
from trainers.reporting import pages
from trainers.reporting.report_section import ReportSection

_NONE = "–"


def plain_lines(pair: dict[str, ReportSection]) -> list[str]:
    """The sentences of a section in plain language.

    Args:
        pair: Dictionary, name of a run -> its section; one, or two to compare.

    Returns:
        A sentence for each number that has one and is defined.
    """
    names, sections = list(pair), list(pair.values())
    lines = []
    for measurement, phrase in sections[0].sentences:
        found = [s.numbers[measurement.name] for s in sections if measurement.name in s.numbers]
        texts = [_spoken(m) for m in found]
        if texts[0] == _NONE:
            continue  # the table shows it
        if len(found) == 1 or texts[1] == _NONE:
            name = f"{names[0]} " if names[0] else ""
            lines.append(f"The model {name}{phrase.format(texts[0])}.")
            continue
        gap = found[0].draws - found[1].draws
        ends = interval(gap)
        verdict = "" if ends.low > 0 or ends.high < 0 else ": no clear difference"
        lines.append(
            f"The model {names[0]} {phrase.format(texts[0])}; {names[1]}, {texts[1]}. "
            f"Difference {_text(100 * gap, 1, signed=True)} points{verdict}."
        )
    return lines


def number_tables(pair: dict[str, ReportSection]) -> list[pages.Table]:
    """A section's numbers with intervals; of two models, with their paired difference.

    Args:
        pair: Dictionary, name of a run -> its section; one, or two to compare.

    Returns:
        The table, and a folded one of single severities if there are any.
    """
    header = ["", *(name or "value" for name in pair)] + ["difference"] * (len(pair) > 1)
    sections = list(pair.values())
    shown, folded = [], []
    for key in dict.fromkeys(key for section in sections for key in section.numbers):
        found = [section.numbers.get(key) for section in sections]
        cells = [_NONE if m is None else _cell(m, m.draws) for m in found]
        if len(found) > 1:
            both = found[0] is not None and found[1] is not None
            gap = found[0].draws - found[1].draws if both else None
            cells.append(_cell(found[0], gap, signed=True) if both else _NONE)
        severe = any(m is not None and m.severity for m in found)
        (folded if severe else shown).append([key, *cells])
    tables = [pages.Table(header, shown), pages.Table(header, folded, "Each severity")]
    return [table for table in tables if table.rows]


def class_tables(pair: dict[str, ReportSection]) -> list[pages.Table]:
    """The folded table of each model's classes, where a section has one.

    Args:
        pair: Dictionary, name of a run -> its section; one, or two to compare.

    Returns:
        The tables.
    """
    return [
        pages.Table(
            ["class", *section.columns],
            [
                [row, *(_text(100 * draws[c], 0, unit=" %") for draws in section.columns.values())]
                for c, row in enumerate(section.rows)
            ],
            f"Per class{f', {name}' if name else ''}",
        )
        for name, section in pair.items()
        if section.rows
    ]


def _spoken(measurement: Measurement) -> str:
    """The number as a sentence has it: whole percent, or points with a sign."""
    percent = measurement.unit == PERCENT
    unit = " %" if percent else ""
    return _text(100 * measurement.draws, 0, signed=not percent, unit=unit)


def _cell(measurement: Measurement, draws: np.ndarray, signed: bool = False) -> str:
    """A number of the measurement's unit as a table has it."""
    if measurement.unit == PLAIN:
        return _text(draws, 2, signed)
    return _text(100 * draws, 1, signed)


def _text(draws: np.ndarray, digits: int, signed: bool = False, unit: str = "") -> str:
    found = interval(draws)
    if not math.isfinite(found.value):
        return _NONE
    form = f"{'+' if signed else ''}.{digits}f"
    # adding 0 makes a rounded -0.0 positive
    value, low, high = (
        format(round(x, digits) + 0.0, form) for x in (found.value, found.low, found.high)
    )
    return f"{value}{unit} [{low}, {high}]"
