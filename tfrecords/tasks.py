"""The kinds of labels of a record set: a class, any number of labels, or numbers.

The names are those of `amr_tf.tasks`, which learn them. TensorFlow is not needed here.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

MULTICLASS, MULTILABEL, REGRESSION = "multiclass", "multilabel", "regression"
TASKS = (MULTICLASS, MULTILABEL, REGRESSION)
SEPARATOR = "|"  # of several labels or numbers of a clip
OPTION = "task"  # the option of a data set that can list more than one of them
HELP = (
    "What labels are. multiclass: one class, the first of several separated by `|`; multilabel: "
    "any number of labels, none too, separated by `|`; regression: a number, or several separated "
    "by `|`. It is never guessed from the labels."
)


def number(text: str) -> float:
    """Reads a number.

    Raises:
        ValueError: It is not a number, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"the label {text!r} is not a finite number")
    return value


def names_of_numbers(count: int) -> tuple[str, ...]:
    """The names of a clip's numbers where nobody gave any."""
    return ("value",) if count == 1 else tuple(f"value_{k + 1}" for k in range(count))


def counted(task: str, labels: Sequence[int]) -> Sequence[int]:
    """The classes in which a clip of these labels counts.

    Args:
        task: String, one of `TASKS`.
        labels: Integers, the clip's class ids.
    """
    return labels if task == MULTILABEL else labels[:1]


def mean_and_scale(
    values: Iterable[Sequence[float]],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the standard deviation of numbers; 1 instead of a deviation of 0.

    Args:
        values: Iterable of a clip's numbers, K each; without any clip there is nothing to tell.
    """
    rows = np.array(list(values), np.float64)
    if not rows.size:
        return (), ()
    scale = rows.std(axis=0)
    return tuple(rows.mean(axis=0).tolist()), tuple(np.where(scale > 0, scale, 1.0).tolist())
