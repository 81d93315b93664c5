"""The files of the full report: HTML, JSON, figures, TensorBoard."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf.analysis.bootstrap import interval
from trainers.reporting import evaluation_results, pages, report_figures, report_words
from trainers.reporting.report_section import ReportSection
from trainers.reporting.run_subject import EvaluatedRun

UNDEFINED = "–: undefined for these clips: there is nothing to divide by, or to take a mean of."
_EVENTS = "events.out.tfevents.*"


def write(output: pathlib.Path, split: str, runs: Sequence[EvaluatedRun]) -> pathlib.Path:
    """Writes the report's files.

    Args:
        output: Path, a directory that is there.
        split: String, the split that was evaluated.
        runs: Sequence of one evaluated run, or two to compare.

    Returns:
        The path of `report.html`.
    """
    parts, found = [], {}
    for old in output.glob(_EVENTS):  # of an earlier report: TensorBoard would mix them
        old.unlink()
    writer = tf.summary.create_file_writer(str(output))
    with writer.as_default(step=0):
        for section in runs[0].sections:
            pair = {r.name: r.by_key[section.key] for r in runs if section.key in r.by_key}
            part = page_section(output, pair)
            parts.append(part)
            found[section.key] = section_json(part, list(pair.values()))
            _write_summaries(section, part)
    writer.close()
    about = _about(split, runs)
    evaluation_results.write_json(output / "report.json", {**about, "sections": found})
    path = output / "report.html"
    path.write_text(pages.page(*_heading(split, runs), parts))
    return path


def page_section(output: pathlib.Path, pair: dict[str, ReportSection]) -> pages.PageSection:
    """Draws a section and puts it into words.

    Args:
        output: Path, the directory of the figures.
        pair: Dictionary, name of a run -> its section; one, or two to compare.

    Returns:
        The section of the page.
    """
    sections = list(pair.values())
    first = sections[0]
    path = output / f"{first.key}.png"
    drawn = report_figures.draw(path, pair)
    notes = [note for section in sections for note in section.notes]
    notes += [
        f"{name}: {note}" if name else note
        for name, section in pair.items()
        for note in section.model_notes
    ]
    if any(not math.isfinite(m.value) for section in sections for m in section.measurements):
        notes.append(UNDEFINED)
    return pages.PageSection(
        first.key,
        first.title,
        first.text,
        report_words.plain_lines(pair),
        [(path, first.title)] if drawn else [],
        [*report_words.number_tables(pair), *report_words.class_tables(pair)],
        list(dict.fromkeys(notes)),
    )


def section_json(part: pages.PageSection, pair: Sequence[ReportSection]) -> dict[str, Any]:
    """The entries of `report.json` for a section.

    Args:
        part: PageSection, the section of the page.
        pair: Sequence of one section, or two to compare.

    Returns:
        Title, lines, notes, numbers by readable name, and draws' intervals per class.
    """
    return {
        "title": part.title,
        "lines": part.lines,
        "notes": part.notes,
        "numbers": numbers_json(pair),
        "per_class": {k: [_interval(d) for d in v] for k, v in pair[0].columns.items()},
    }


def _write_summaries(section: ReportSection, part: pages.PageSection) -> None:
    for measurement in section.measurements:
        if math.isfinite(measurement.value):
            tf.summary.scalar(f"{section.key}/{measurement.name}", measurement.value)
    for path, _ in part.figures:
        tf.summary.image(section.key, tf.io.decode_png(path.read_bytes())[tf.newaxis])


def numbers_json(pair: Sequence[ReportSection]) -> dict[str, Any]:
    """The numbers of a section for JSON.

    Args:
        pair: Sequence of one section, or two to compare.

    Returns:
        A dictionary, readable name -> `value`, `low`, `high`; of two models also `against` and
        `difference`.
    """
    found = {key: _interval(m.draws) for key, m in pair[0].numbers.items()}
    for key, measurement in pair[1].numbers.items() if len(pair) > 1 else ():
        entry = found.setdefault(key, {})
        entry["against"] = _interval(measurement.draws)
        if key in pair[0].numbers:
            gap = pair[0].numbers[key].draws - measurement.draws
            entry["difference"] = _interval(gap)
    return found


def _about(split: str, runs: Sequence[EvaluatedRun]) -> dict[str, Any]:
    return {
        "model_dir": runs[0].config.model_dir,
        "against": runs[1].config.model_dir if len(runs) > 1 else None,
        "split": split,
        "clips": len(runs[0].subject.test.labels),
        "classes": list(runs[0].subject.classes),
        "interval": "95 % percentile bootstrap over clips, 1,000 resamples",
    }


def _heading(split: str, runs: Sequence[EvaluatedRun]) -> tuple[str, str]:
    configs, subject = [r.config for r in runs], runs[0].subject
    titles = [f"{c.method}, AMR weight {c.amr_text}" for c in configs]
    outputs = "classes" if subject.task.probabilistic else "numbers"
    about = (
        f"{' against '.join(c.model_dir for c in configs)}; {split}: "
        f"{len(subject.test.labels):,} clips with all modalities, "
        f"{len(subject.classes)} {outputs}. In brackets: 95 % percentile intervals, bootstrap "
        "over clips (1,000 resamples)"
    )
    if len(runs) > 1:
        about += ", the same for both models, so that differences are paired clip by clip"
    about += ". They tell how sure a number is of these clips, not of another training run"
    if len(runs) > 1:
        about += ", and of many differences one in twenty looks clear by chance"
    about += "."
    return f"{configs[0].data_name}: {' against '.join(titles)}", about


def _interval(draws: np.ndarray) -> dict[str, float | None]:
    values = dataclasses.asdict(interval(draws))
    return {k: v if math.isfinite(v) else None for k, v in values.items()}
