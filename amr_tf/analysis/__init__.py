"""Analysis of how a trained model uses its modalities: measures, intervals, explanations.

`Evaluator` gives predictions, accuracy, mAP and dominance of a split; `explain` tells which parts
of an input decide. A `Subject` is a model on a split, in memory, of which everything else is
measured, with a `Bootstrap` of its clips: missing, corrupted and conflicting modalities, all
measures of contribution, linear probes, calibration, people's annotations.

Example:
    >>> subject = amr_tf.analysis.Subject.of(model, dataset, dataset, classes=("a", "b", "c"))
    >>> boots = amr_tf.analysis.Bootstrap(len(subject.test.labels))
    >>> missing = amr_tf.analysis.measure_missing(subject, boots)
    >>> {found.metric: found.interval for found in missing}["accuracy"]
    Interval(value=..., low=..., high=...)
"""

from amr_tf.analysis.ablation import measure_missing
from amr_tf.analysis.annotations import (
    Marks,
    Recognition,
    measure_by_marks,
    measure_by_recognition,
)
from amr_tf.analysis.bootstrap import Bootstrap, Interval, interval
from amr_tf.analysis.calibration import measure_calibration
from amr_tf.analysis.conflicts import measure_conflicts
from amr_tf.analysis.contributions import (
    measure_agreement,
    measure_contributions,
    measure_distribution,
)
from amr_tf.analysis.encodings import Encoder, Encodings
from amr_tf.analysis.evaluation import Evaluator, Predictions, Unmeasurable
from amr_tf.analysis.explanation import Explanation, explain
from amr_tf.analysis.measurement import Measurement
from amr_tf.analysis.probes import measure_probes
from amr_tf.analysis.robustness import measure_robustness
from amr_tf.analysis.seed_intervals import Estimate, estimate, within
from amr_tf.analysis.subject import Subject

__all__ = [
    "Bootstrap",
    "Encoder",
    "Encodings",
    "Estimate",
    "Evaluator",
    "Explanation",
    "Interval",
    "Marks",
    "Measurement",
    "Predictions",
    "Recognition",
    "Subject",
    "Unmeasurable",
    "estimate",
    "explain",
    "interval",
    "measure_agreement",
    "measure_by_marks",
    "measure_by_recognition",
    "measure_calibration",
    "measure_conflicts",
    "measure_contributions",
    "measure_distribution",
    "measure_missing",
    "measure_probes",
    "measure_robustness",
    "within",
]
