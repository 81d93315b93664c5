"""A section of the full report: measurements of one model, with the words around them."""

import dataclasses

import numpy as np

from amr_tf.analysis.calibration import Calibration
from amr_tf.analysis.contributions import Agreement, Distribution
from amr_tf.analysis.measurement import Measurement
from amr_tf.analysis.robustness import Robustness

Plotted = Robustness | Distribution | Agreement | Calibration


@dataclasses.dataclass(frozen=True)
class ReportSection:
    """One subject of the report, for one model.

    Attributes:
        key: String, a short name for JSON and files.
        title: String, the heading.
        text: String, what is measured, and how to read it.
        measurements: Tuple of measurements, in the order of the table; their names are unique.
        bars: Tuple of measurements that are drawn as bars.
        axis: String, what the bars measure.
        sentences: Tuple of pairs, a measurement and what the model does, with `{}` for the number.
        notes: Tuple of strings, remarks that a reader must know.
        model_notes: Tuple of strings, remarks on this model that a reader must know.
        rows: Tuple of strings, the classes of a table of classes.
        columns: Dictionary, the columns of that table: heading -> array of draws `[C, 1 + R]`.
        plotted: Plotted, what a figure of another kind than bars is drawn from; None for bars.
    """

    key: str
    title: str
    text: str
    measurements: tuple[Measurement, ...]
    bars: tuple[Measurement, ...] = ()
    axis: str = ""
    sentences: tuple[tuple[Measurement, str], ...] = ()
    notes: tuple[str, ...] = ()
    model_notes: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    columns: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    plotted: Plotted | None = None

    @property
    def numbers(self) -> dict[str, Measurement]:
        """The measurements by their readable names, by which two models' are matched."""
        return {measurement.name: measurement for measurement in self.measurements}
