"""Robustness: accuracy as one modality is corrupted more and more, the others being clean."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from amr_tf.analysis.ablation import ratio
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.measurement import PERCENT, Measurement, unit_of
from amr_tf.analysis.subject import Subject
from amr_tf.modalities.corruption import SEVERITIES


@dataclasses.dataclass(frozen=True)
class Curve:
    """Accuracy by the severity of one corruption.

    Attributes:
        accuracy: Tuple of six measurements: of the clean clips, then of severities 1 to 5.
        area: Measurement, the area under the curve (trapezoids from severity 0 to 5) over that of
            constant clean accuracy.
    """

    accuracy: tuple[Measurement, ...]
    area: Measurement

    @property
    def modality(self) -> str:
        """The modality that is corrupted."""
        return self.area.modality

    @property
    def corruption(self) -> str:
        """The name of the corruption."""
        return self.area.condition


@dataclasses.dataclass(frozen=True)
class Robustness:
    """The effect of corruptions on a model.

    Attributes:
        clean: Measurement, the accuracy of the clean clips.
        curves: Tuple of curves, one a corruption.
        mean_areas: Tuple of measurements, for each corrupted modality the mean of its areas.
    """

    clean: Measurement
    curves: tuple[Curve, ...]
    mean_areas: tuple[Measurement, ...]

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All of the numbers, each once."""
        by_curve = ((*curve.accuracy[1:], curve.area) for curve in self.curves)
        return (self.clean, *itertools.chain(*by_curve), *self.mean_areas)


def measure_robustness(subject: Subject, boots: Bootstrap) -> Robustness:
    """Measures accuracy, or the task's main metric, under each corruption of a subject.

    Example:
        >>> found = amr_tf.analysis.measure_robustness(subject, boots)
        >>> found.curves[0].corruption, len(found.curves[0].accuracy)  # clean, then five severities
        ('white noise', 6)

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.

    Returns:
        The curves and their areas.
    """
    metric = subject.task.metrics[0]
    unit = unit_of(metric)
    clean = Measurement("", "clean", metric.name, unit, subject.draws(subject.logits, boots))
    curves = []
    for corruption, predicted in subject.corrupted.items():
        what = (corruption.modality, corruption.name)
        accuracy = [
            Measurement(*what, metric.name, unit, _draws(subject, p, boots), severity)
            for severity, p in zip(SEVERITIES, predicted, strict=True)
        ]
        curve = (clean, *accuracy)
        curves.append(Curve(curve, Measurement(*what, "area", PERCENT, _relative_area(curve))))
    return Robustness(clean, tuple(curves), _mean_areas(subject.modalities, curves))


def _draws(subject: Subject, predicted: np.ndarray, boots: Bootstrap) -> np.ndarray:
    if subject.task.one_class:
        return boots.mean(predicted == subject.test.labels)
    return subject.draws(predicted, boots)


def _relative_area(curve: Sequence[Measurement]) -> np.ndarray:
    draws = [measurement.draws for measurement in curve]
    area = np.mean([(a + b) / 2 for a, b in itertools.pairwise(draws)], axis=0)
    return ratio(area, draws[0])


def _mean_areas(modalities: Sequence[str], curves: Sequence[Curve]) -> tuple[Measurement, ...]:
    by_modality = {
        name: [curve.area.draws for curve in curves if curve.modality == name]
        for name in modalities
    }
    return tuple(
        Measurement(name, "", "mean area", PERCENT, np.mean(areas, axis=0))
        for name, areas in by_modality.items()
        if areas
    )
