"""The page of `benchmarks.gpu`: goals, and what was measured for them, in Markdown."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks import paired
from benchmarks.comparison import Comparison
from benchmarks.steps import PRECISIONS, Candidate

DRY = (
    "**This is a dry run on a {}, of tiny sizes: it shows that the commands work, and its numbers "
    "mean nothing.**"
)


@dataclasses.dataclass(frozen=True)
class Goal:
    """A bound on a ratio of times.

    Attributes:
        numerator: Candidate, the one whose time is compared.
        denominator: Candidate, the one that it is compared with.
        most: Number, the largest ratio that reaches the goal.
    """

    numerator: Candidate
    denominator: Candidate
    most: float

    def line(self, comparisons: Sequence[Comparison]) -> list[str]:
        """The goal, what was measured in the last comparison that has both, and the verdict."""
        title = f"{self.numerator} / {self.denominator}"
        bound = f"at most {self.most:.2f}"
        for one in reversed(comparisons):
            a, b = one.seconds(self.numerator), one.seconds(self.denominator)
            if len(a) > 1 and len(b) > 1:
                _, mean, _ = paired.interval(a, b)
                verdict = "reached" if mean <= self.most else "missed"
                return [title, bound, paired.ratio(a, b), verdict]
        return [title, bound, "not measured", ""]


def step_goals() -> list[Goal]:
    """The goals of the step with AMR, in both precisions, with and without XLA."""
    found = []
    for precision in PRECISIONS:
        eager, compiled = (Candidate("PyTorch", "without AMR", precision, c) for c in (False, True))
        for xla in (True, False):
            ours = Candidate("TensorFlow", "with AMR", precision, xla)
            plain = Candidate("TensorFlow", "plain", precision, xla)
            found += [Goal(ours, eager, 1.0), Goal(ours, compiled, 1.05), Goal(ours, plain, 1.02)]
    return found


LEAST = 0.9  # of the bare step's rate, for the loop of `fit`


def fit_line(title: str, pairs: Sequence[tuple[float, float]]) -> list[str]:
    """The goal of the loop of `fit`, what was measured, and the verdict.

    Args:
        title: String, the settings of the loop.
        pairs: Sequence of pairs, seconds of a bare step and of one of the loop.
    """
    name, bound = f"rate of the fit loop / of its bare step, {title}", f"at least {LEAST:.2f}"
    if len(pairs) < 2:
        return [name, bound, "not measured", ""]
    bare, loop = zip(*pairs, strict=True)
    _, mean, _ = paired.interval(bare, loop)
    return [name, bound, paired.ratio(bare, loop), "reached" if mean >= LEAST else "missed"]


def feeding_table(
    rates: Sequence[float], fits: Mapping[str, Sequence[tuple[float, float]]], batch: int
) -> str:
    """The pipeline's rate and those of the loops, in Markdown.

    Args:
        rates: Sequence of numbers, clips a second of the pipeline, one a round.
        fits: Mapping, title -> pairs as in `fit_line`.
        batch: Integer, the clips of a step.
    """
    rows = []
    if rates:
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        rows.append(["pipeline, all cores", f"{np.median(rates):.0f} ({spread})", "", ""])
    for title, pairs in fits.items():
        if pairs:
            bare, loop = (np.array(one) for one in zip(*pairs, strict=True))
            rates = [f"{batch / np.median(one):.0f}" for one in (loop, bare)]
            rows.append([f"fit loop, {title}", *rates, paired.ratio(bare, loop)])
    head = ("", "clips/s", "bare step, clips/s", "rate of the loop / of the bare step")
    return paired.table(head, rows)


@dataclasses.dataclass
class Section:
    """A part of the page.

    Attributes:
        title: String, its title.
        command: String, the command that measures the same without the rest.
        text: Function, which gives what is known by now.
        failure: String, the reason why there is no more; empty where there is more.
    """

    title: str
    command: str = ""
    text: Callable[[], str] = str
    failure: str = ""

    def report(self) -> str:
        """The part in Markdown, without its title."""
        blocks = [f"This part without the rest: `{self.command}`"] if self.command else []
        blocks += [text] if (text := self.text()) else []
        blocks += [f"**Not finished:** {self.failure}."] if self.failure else []
        return "\n\n".join(blocks)


class Page:
    """A page that is written anew whenever something is known.

    Args:
        path: Path of the file.
        command: String, the command that writes it.
    """

    def __init__(self, path: pathlib.Path, command: str) -> None:
        self.path, self.command = path, command
        self.about: list[str] = []
        self.dry = ""  # what a dry run is on, CPU or GPU
        self.comparisons: list[Comparison] = []
        self.fits: dict[str, list[tuple[float, float]]] = {}
        self.sections: list[Section] = []
        self._start = time.monotonic()

    def write(self) -> None:
        """Writes what is known, whole or not at all."""
        written = self.path.with_name(f"{self.path.name}.new")
        written.write_text(self.text())
        written.replace(self.path)

    def text(self) -> str:
        """The page in Markdown."""
        seconds = time.monotonic() - self._start
        blocks = [
            "# Training on a GPU",
            *([DRY.format(self.dry)] if self.dry else []),
            f"`{self.command}`, {seconds:.0f} s so far.",
            "\n".join(f"- {line}" for line in self.about),
            "## Goals",
            paired.table(("ratio", "goal", "measured", ""), self._goals()),
        ]
        for section in self.sections:
            blocks += [f"## {section.title}", section.report()]
        return "\n\n".join(blocks) + "\n"

    def _goals(self) -> list[list[str]]:
        lines = [goal.line(self.comparisons) for goal in step_goals()]
        lines += [fit_line(title, pairs) for title, pairs in self.fits.items()]
        return [[*line[:3], "dry run"] if self.dry and line[3] else line for line in lines]
