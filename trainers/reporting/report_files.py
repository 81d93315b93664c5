"""The full evaluation's report: HTML, JSON, figures, TensorBoard; plain-language lines."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf.analysis.bootstrap import interval
from amr_tf.analysis.sections import Section
from amr_tf.analysis.subject import Subject
from trainers.reporting import evaluation_results, pages, report_figures

_NONE = "–"
UNDEFINED = "–: undefined for these clips: there is nothing to divide by, or to take a mean of."
_EVENTS = "events.out.tfevents.*"


def write(
    output: pathlib.Path,
    split: str,
    subjects: Sequence[Subject],
    sections: Sequence[Sequence[Section]],
) -> pathlib.Path:
    """Writes the report's files; returns the path of `report.html`.

    Args:
        output: Directory, there.
        split: Evaluated on.
        subjects: One model, or two.
        sections: Of each.
    """
    names = [subject.name for subject in subjects]
    by_key = [{section.key: section for section in mine} for mine in sections]
    parts, found = [], {}
    for old in output.glob(_EVENTS):  # of an earlier report: TensorBoard would mix them
        old.unlink()
    writer = tf.summary.create_file_writer(str(output))
    with writer.as_default(step=0):
        for section in sections[0]:
            pair = [mine[section.key] for mine in by_key if section.key in mine]
            path = output / f"{section.key}.png"
            drawn = report_figures.draw(path, section.key, dict(zip(names, pair, strict=False)))
            lines = plain_lines(names, pair)
            tables = [*number_tables(names, pair), *class_tables(names, pair)]
            notes = [_named(n, note) for n, s in zip(names, pair, strict=False) for note in s.notes]
            if any(not math.isfinite(d[0]) for s in pair for d in s.numbers.values()):
                notes.append(UNDEFINED)
            notes = list(dict.fromkeys(notes))
            parts.append(
                pages.Part(
                    section.key, section.title, section.text, lines,
                    [(path, section.title)] if drawn else [], tables, notes,
                )
            )  # fmt: skip
            found[section.key] = {
                "title": section.title,
                "lines": lines,
                "notes": notes,
                "numbers": numbers_json(pair),
                "per_class": {k: _intervals(v) for k, v in section.columns.items()},
            }
            for name, draws in section.numbers.items():
                if math.isfinite(draws[0]):
                    tf.summary.scalar(f"{section.key}/{name}", draws[0])
            if drawn:
                tf.summary.image(section.key, tf.io.decode_png(path.read_bytes())[tf.newaxis])
    writer.close()
    title, about = _heading(split, subjects)
    evaluation_results.write_json(
        output / "report.json",
        {
            "model_dir": subjects[0].config.model_dir,
            "against": subjects[1].config.model_dir if len(subjects) > 1 else None,
            "split": split,
            "clips": len(subjects[0].test.labels),
            "classes": list(subjects[0].classes),
            "interval": "95 % percentile bootstrap over clips, 1,000 resamples",
            "sections": found,
        },
    )
    path = output / "report.html"
    path.write_text(pages.page(title, about, parts))
    return path


def plain_lines(names: Sequence[str], pair: Sequence[Section]) -> list[str]:
    """What a section says in plain language, of one model or of two compared."""
    lines = []
    for key, phrase in pair[0].sentences.items():
        said = [s.numbers[key] for s in pair if key in s.numbers]
        unit = "" if "{} points" in phrase else " %"
        texts = [_text(100 * draws, 0, signed=not unit, unit=unit) for draws in said]
        if texts[0] == _NONE:
            continue  # the table shows it
        if len(said) == 1 or texts[1] == _NONE:
            name = f"{names[0]} " if len(names) > 1 else ""
            lines.append(f"The model {name}{phrase.format(texts[0])}.")
            continue
        gap = said[0] - said[1]
        ends = interval(gap)
        clear = ends.low > 0 or ends.high < 0
        verdict = "" if clear else ": no clear difference"
        lines.append(
            f"The model {names[0]} {phrase.format(texts[0])}; {names[1]}, {texts[1]}. "
            f"Difference {_signed(gap)} points{verdict}."
        )
    return lines


def number_tables(names: Sequence[str], pair: Sequence[Section]) -> list[pages.Table]:
    """A section's numbers with intervals; of two models, with their paired difference."""
    text = _percent if pair[0].percent else _plain
    header = ["", *(name or "value" for name in names)] + ["difference"] * (len(pair) > 1)
    shown, folded = [], []
    for key in dict.fromkeys(key for section in pair for key in section.numbers):
        draws = [section.numbers.get(key) for section in pair]
        cells = [_NONE if d is None else text(d) for d in draws]
        if len(pair) > 1:
            both = draws[0] is not None and draws[1] is not None
            cells.append(text(draws[0] - draws[1], signed=True) if both else _NONE)
        details = pair[0].details
        (folded if details and details in key else shown).append([key, *cells])
    tables = [pages.Table(header, shown), pages.Table(header, folded, "Each " + pair[0].details)]
    return [table for table in tables if table.rows]


def class_tables(names: Sequence[str], pair: Sequence[Section]) -> list[pages.Table]:
    """The folded table of each model's classes, where a section has one."""
    return [
        pages.Table(
            ["class", *section.columns],
            [
                [row, *(_percent(draws[c], digits=0) for draws in section.columns.values())]
                for c, row in enumerate(section.rows)
            ],
            f"Per class{f', {name}' if name else ''}",
        )
        for name, section in zip(names, pair, strict=False)
        if section.rows
    ]


def numbers_json(pair: Sequence[Section]) -> dict[str, Any]:
    """Name -> value, low, high; of two models also `against` and `difference`."""
    found = {key: _interval(draws) for key, draws in pair[0].numbers.items()}
    for key, draws in pair[1].numbers.items() if len(pair) > 1 else ():
        entry = found.setdefault(key, {})
        entry["against"] = _interval(draws)
        if key in pair[0].numbers:
            entry["difference"] = _interval(pair[0].numbers[key] - draws)
    return found


def _heading(split: str, subjects: Sequence[Subject]) -> tuple[str, str]:
    configs = [s.config for s in subjects]
    runs = [f"{c.method}, AMR weight {c.effective_amr_weight:g}" for c in configs]
    about = (
        f"{' against '.join(c.model_dir for c in configs)}; {split}: "
        f"{len(subjects[0].test.labels):,} clips with all modalities, "
        f"{len(subjects[0].classes)} classes. In brackets: 95 % percentile intervals, bootstrap "
        "over clips (1,000 resamples)"
    )
    if len(subjects) > 1:
        about += ", the same for both models, so that differences are paired clip by clip"
    about += ". They tell how sure a number is of these clips, not of another training run"
    if len(subjects) > 1:
        about += ", and of many differences one in twenty looks clear by chance"
    about += "."
    return f"{configs[0].dataset}: {' against '.join(runs)}", about


def _named(name: str, note: str) -> str:
    return f"{name}: {note}" if name and note.startswith(("DeepLIFT", "Integ", "No ")) else note


def _percent(draws: np.ndarray, digits: int = 1, signed: bool = False) -> str:
    return _text(100 * draws, digits, signed, " %" if digits == 0 else "")


def _signed(draws: np.ndarray) -> str:
    return _text(100 * draws, 1, signed=True)


def _plain(draws: np.ndarray, signed: bool = False) -> str:
    return _text(draws, 2, signed)


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


def _interval(draws: np.ndarray) -> dict[str, float | None]:
    values = dataclasses.asdict(interval(draws))
    return {k: v if math.isfinite(v) else None for k, v in values.items()}


def _intervals(draws: np.ndarray) -> list[dict[str, float | None]]:
    return [_interval(d) for d in draws]
