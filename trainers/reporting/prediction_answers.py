"""The answer of a model for a clip, for people and for programs, by the model's task."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from amr_tf.tasks import Task

NOTHING = "(none)"  # stands for a label where none is above its threshold


@dataclasses.dataclass(frozen=True)
class Said:
    """The answer of a model for a clip.

    Attributes:
        lines: Tuple of pairs of strings, names and numbers as a table for people has them.
        fields: Dictionary, the entries of a JSON object.
        cells: List, a row of CSV, of `Answers.columns`.
    """

    lines: tuple[tuple[str, str], ...]
    fields: dict[str, Any]
    cells: list[Any]

    @property
    def title(self) -> str:
        """The answer in a few words."""
        with_number = "values" in self.fields
        return ", ".join(f"{name} {text}" if with_number else name for name, text in self.lines)


@dataclasses.dataclass(frozen=True)
class Answers:
    """The form of a model's answers.

    Attributes:
        task: Task, the model's.
        classes: Strings, the names of classes, labels or numbers.
        top: Integer, the number of the likeliest labels that are told.
    """

    task: Task
    classes: Sequence[str]
    top: int

    @property
    def headings(self) -> tuple[str, str]:
        """The headings of a table's two columns."""
        return ("label", "probability") if self.task.probabilistic else ("number", "value")

    @property
    def columns(self) -> list[str]:
        """The columns of CSV."""
        if not self.task.probabilistic:
            return list(self.classes)
        if not self.task.one_class:
            return ["labels", "probabilities"]
        others = [
            f"{name}_{k}" for k in range(2, self.top + 1) for name in ("label", "probability")
        ]
        return ["class_id", "label", "probability", *others]

    def order(self, numbers: np.ndarray) -> np.ndarray:
        """The ids to tell: the likeliest classes, the labels that are predicted, or all numbers.

        Args:
            numbers: Array `[C]`, probabilities or numbers.
        """
        if not self.task.probabilistic:
            return np.arange(len(numbers))
        order = np.argsort(-numbers, kind="stable")
        if self.task.one_class:
            return order[: self.top]
        return order[self.task.predicted(numbers)[order]]

    def said(self, numbers: np.ndarray) -> Said:
        """The answer of the model.

        Args:
            numbers: Array `[C]`, probabilities or numbers.
        """
        told = [(self.classes[c], float(numbers[c])) for c in self.order(numbers)]
        if not self.task.probabilistic:
            values = {name: rounded(value) for name, value in told}
            lines = tuple((name, f"{value:.4g}") for name, value in told)
            return Said(lines, {"values": values}, list(values.values()))
        lines = tuple((name, f"{100 * p:.1f} %") for name, p in told)
        pairs = [{"label": name, "probability": rounded(p)} for name, p in told]
        if self.task.one_class:
            first = int(self.order(numbers)[0])
            fields = {"class_id": first, **pairs[0], "top": pairs}
            return Said(lines, fields, [first, *(cell for p in pairs for cell in p.values())])
        likeliest = np.argsort(-numbers, kind="stable")[: self.top]
        top = [{"label": self.classes[c], "probability": rounded(float(numbers[c]))}
               for c in likeliest]  # fmt: skip
        joined = ["|".join(str(pair[key]) for pair in pairs) for key in ("label", "probability")]
        return Said(lines or ((NOTHING, ""),), {"labels": pairs, "top": top}, joined)

    def sentence(self, numbers: np.ndarray) -> str:
        """The same as a sentence.

        Args:
            numbers: Array `[C]`, probabilities or numbers.
        """
        told = [(self.classes[c], numbers[c]) for c in self.order(numbers)]
        if not self.task.probabilistic:
            return f"The model says {' and '.join(f'{name} = {v:.4g}' for name, v in told)}."
        if self.task.one_class:
            told = told[:1]
        if not told:
            return "The model says none of its labels: each is below its threshold."
        return (
            f"The model says {' and '.join(f'{name!r}, with {100 * p:.0f} %' for name, p in told)}."
        )


def rounded(value: float) -> float:
    """A number with as many decimals as files have."""
    return round(value, 6)
