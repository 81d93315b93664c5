"""A measured number with its bootstrap draws, and a description of what was measured."""

import dataclasses

import numpy as np

from amr_tf.analysis.bootstrap import Interval, interval
from amr_tf.tasks import Metric

PERCENT = "%"  # a fraction, which people read as percent
POINTS = "points"  # a difference of two fractions, which people read as percentage points
PLAIN = ""  # a number as it is


@dataclasses.dataclass(frozen=True, eq=False)
class Measurement:
    """One number of an evaluation.

    Example:
        >>> draws = boots.mean(subject.test.labels == 0)
        >>> found = amr_tf.analysis.Measurement("audio", "alone", "accuracy", "%", draws)
        >>> found.name, round(found.value, 4)
        ('audio / alone / accuracy', 0.3333)

    Attributes:
        modality: String, the modality that the number is about, several joined by `+`; empty for
            a number of the whole model.
        condition: String, what the clips or encodings went through, or which clips count; empty
            where there is no condition.
        metric: String, what was measured, e.g. `accuracy`.
        unit: String, `PERCENT`, `POINTS` or `PLAIN`.
        draws: Array `[1 + R]`, the sample's value and those of R resamples, see
            `amr_tf.analysis.bootstrap`. Subtracting two models' draws compares them clip by clip.
        severity: Integer, how far a corruption has gone, 1 to 5; 0 where nothing is corrupted.
    """

    modality: str
    condition: str
    metric: str
    unit: str
    draws: np.ndarray
    severity: int = 0

    @property
    def name(self) -> str:
        """The readable name, which is unique among the measurements of a subject of a report."""
        severity = f"severity {self.severity}" if self.severity else ""
        condition = ", ".join(filter(None, (self.condition, severity)))
        return " / ".join(filter(None, (self.modality, condition, self.metric)))

    @property
    def value(self) -> float:
        """The number itself, of all clips."""
        return float(self.draws[0])

    @property
    def interval(self) -> Interval:
        """The number and its 95 % interval."""
        return interval(self.draws)


def unit_of(metric: Metric) -> str:
    """The unit of a metric's measurements.

    Args:
        metric: Metric, of a task.
    """
    return PERCENT if metric.percent else PLAIN
