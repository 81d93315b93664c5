"""All measures of contribution side by side, per modality and class, and their agreement."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from amr_tf.analysis import ablation
from amr_tf.analysis.attributions import DeepLift, integrated_gradients, rank_correlation
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.conflicts import Conflicts
from amr_tf.analysis.encodings import in_batches
from amr_tf.analysis.measurement import PERCENT, PLAIN, POINTS, Measurement
from amr_tf.analysis.subject import Subject
from amr_tf.attribution import attribute, attribution_shares

EXTREME = 0.9  # the share with which one modality decides a clip
GRAD_INPUT = "Grad⊙Input (probability)"
BEHAVIOUR = "behaviour"


@dataclasses.dataclass(frozen=True)
class Contributions:
    """The share of the decision that each measure gives to each modality.

    Attributes:
        modalities: Tuple of strings, the names of the modalities.
        overall: Dictionary, measure -> array `[M, 1 + R]`, the draws of the mean shares.
        by_class: Dictionary, measure -> array `[M, C, 1 + R]`, the same of each class's clips.
        shares: Array `[N, M]`, the clips' shares by Grad⊙Input under the target `probability`.
        incomplete: Dictionary, measure -> array `[N]`, by how much the contributions of a complete
            measure miss `g(e) - g(0)`.
        refused: Dictionary, measure -> the reason why it is not defined for this head.
    """

    modalities: tuple[str, ...]
    overall: dict[str, np.ndarray]
    by_class: dict[str, np.ndarray]
    shares: np.ndarray
    incomplete: dict[str, np.ndarray]
    refused: dict[str, str]

    @property
    def informative(self) -> tuple[str, ...]:
        """The modalities worth showing: two shares sum to 1, so that one of them tells all."""
        return self.modalities[:-1] if len(self.modalities) == 2 else self.modalities

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """Every measure's share of every modality."""
        return tuple(
            self.share(measure, name)
            for measure, name in itertools.product(self.overall, self.modalities)
        )

    def share(self, measure: str, modality: str) -> Measurement:
        """The share that one measure gives to one modality.

        Args:
            measure: String, a key of `overall`.
            modality: String, the name of the modality.

        Returns:
            The measurement.
        """
        draws = self.overall[measure][self.modalities.index(modality)]
        return Measurement(modality, "", measure, PERCENT, draws)

    @property
    def attributed_beyond_behaviour(self) -> Measurement:
        """The first modality's share of the attribution minus its share of conflicts won."""
        name = self.modalities[0]
        gap = self.share(GRAD_INPUT, name).draws - self.share(BEHAVIOUR, name).draws
        return Measurement(name, "", f"{GRAD_INPUT} - {BEHAVIOUR}", POINTS, gap)


def measure_contributions(
    subject: Subject, boots: Bootstrap, conflicting: Conflicts
) -> Contributions:
    """Takes all measures of contribution.

    Example:
        >>> conflicts = amr_tf.analysis.measure_conflicts(subject, boots)
        >>> found = amr_tf.analysis.measure_contributions(subject, boots, conflicts)
        >>> found.share("Integrated Gradients", "audio").name
        'audio / Integrated Gradients'

    Args:
        subject: Subject, a model of several modalities on a split.
        boots: Bootstrap, the resamples of its clips.
        conflicting: Conflicts, the subject's, for the behaviour.

    Returns:
        The shares by Grad⊙Input under both targets, Integrated Gradients, DeepLIFT where the head
        allows it, Shapley values of accuracy with zero encodings, and behaviour.
    """
    labels, classes = subject.test.labels, len(subject.classes)
    shares, incomplete, refused = _attributed(subject)
    overall = {k: boots.mean(v) for k, v in shares.items()}
    by_class = {k: boots.class_means(v, labels, classes).swapaxes(0, 1) for k, v in shares.items()}
    zeros = ablation.replacements(subject)[ablation.ZERO]
    logits = ablation.subset_logits(subject.head, subject.encodings, zeros)
    correct = {s: z.argmax(axis=1) == labels for s, z in logits.items()}

    def shapley(mean: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        values = {s: mean(c) for s, c in correct.items()}
        return ablation.positive_shares(ablation.shapley_values(values, len(subject.modalities)))

    overall["Shapley value"] = shapley(boots.mean)
    by_class["Shapley value"] = shapley(lambda c: boots.class_means(c, labels, classes))
    overall[BEHAVIOUR] = np.stack([measurement.draws for measurement in conflicting.dominance])
    by_class[BEHAVIOUR] = conflicting.dominance_by_class
    return Contributions(
        subject.modalities, overall, by_class, shares[GRAD_INPUT], incomplete, refused
    )


@dataclasses.dataclass(frozen=True)
class Distribution:
    """The distribution of the first modality's share over the clips of each class.

    Attributes:
        shares: Array `[N]`, the first modality's share of each clip.
        labels: Array `[N]`, the class ids.
        classes: Tuple of strings, the class names.
        measurements: Tuple of measurements, how many clips the first modality decides, how many
            the others, how many neither.
    """

    shares: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    measurements: tuple[Measurement, ...] = ()

    def class_quantiles(self, ranks: tuple[float, ...]) -> np.ndarray:
        """Quantiles of each class's clips.

        Args:
            ranks: Tuple of K floats in [0, 1].

        Returns:
            Array `[K, C]`; NaN for a class without clips.
        """
        found = np.full((len(ranks), len(self.classes)), np.nan)
        for c in np.unique(self.labels):
            found[:, c] = np.quantile(self.shares[self.labels == c], ranks)
        return found


def measure_distribution(subject: Subject, boots: Bootstrap, found: Contributions) -> Distribution:
    """Measures how often one modality decides a clip.

    Example:
        >>> conflicts = amr_tf.analysis.measure_conflicts(subject, boots)
        >>> found = amr_tf.analysis.measure_contributions(subject, boots, conflicts)
        >>> distribution = amr_tf.analysis.measure_distribution(subject, boots, found)
        >>> distribution.class_quantiles((0.25, 0.5, 0.75)).shape
        (3, 3)

    Args:
        subject: Subject, a model of several modalities on a split.
        boots: Bootstrap, the resamples of its clips.
        found: Contributions, the subject's.

    Returns:
        The first modality's shares, and the fractions of clips.
    """
    shares, first, rest = (
        found.shares[:, 0],
        found.modalities[0],
        " and ".join(found.modalities[1:]),
    )
    groups = {
        f"clips with {100 * EXTREME:.0f} % or more from {first}": shares >= EXTREME,
        f"clips with {100 * EXTREME:.0f} % or more from {rest}": shares <= 1 - EXTREME,
        "clips in between": np.abs(shares - 0.5) < EXTREME - 0.5,
    }
    measurements = tuple(
        Measurement("", "", metric, PERCENT, boots.mean(group)) for metric, group in groups.items()
    )
    return Distribution(shares, subject.test.labels, subject.classes, measurements)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation, over the classes, of each two measures of contribution.

    Attributes:
        measures: Tuple of strings, the K measures.
        correlations: Dictionary, modality -> array `[K, K, 1 + R]`.
        classes: Integer, the classes that have a value of every measure.
    """

    measures: tuple[str, ...]
    correlations: dict[str, np.ndarray]
    classes: int

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """The correlation of every two measures, each pair once."""
        pairs = list(itertools.combinations(enumerate(self.measures), 2))
        return tuple(
            Measurement(name, "", f"{a} ~ {b}", PLAIN, values[i, j])
            for name, values in self.correlations.items()
            for (i, a), (j, b) in pairs
        )


def measure_agreement(found: Contributions) -> Agreement:
    """Correlates the measures: do they put the classes in the same order?

    Example:
        >>> conflicts = amr_tf.analysis.measure_conflicts(subject, boots)
        >>> found = amr_tf.analysis.measure_contributions(subject, boots, conflicts)
        >>> agreement = amr_tf.analysis.measure_agreement(found)
        >>> sorted(agreement.correlations)  # two shares sum to 1: one of them tells all
        ['audio']

    Args:
        found: Contributions, of a model of several modalities.

    Returns:
        The correlations.
    """
    correlations, known = {}, np.zeros(0, bool)
    for name in found.informative:
        m = found.modalities.index(name)
        by_measure = [values[m] for values in found.by_class.values()]
        known = np.all([np.isfinite(values[:, 0]) for values in by_measure], axis=0)
        kept = [values[known] for values in by_measure]
        matrix = np.ones((len(kept), len(kept), by_measure[0].shape[-1]))
        for i, j in itertools.combinations(range(len(kept)), 2):
            matrix[i, j] = matrix[j, i] = rank_correlation(kept[i], kept[j])
        correlations[name] = matrix
    return Agreement(tuple(found.by_class), correlations, int(known.sum()))


def _attributed(
    subject: Subject,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, str]]:
    """The shares `[N, M]` of each measure, what complete ones miss, and which ones are refused."""
    refused, shares, incomplete = {}, {}, {}
    measures: dict[str, Callable] = {
        f"Grad⊙Input ({t})": lambda e, t=t: (attribute(subject.head, e, t)[1], None)
        for t in ("probability", "logit")
    }
    measures["Integrated Gradients"] = lambda e: integrated_gradients(subject.head, e)
    try:
        measures["DeepLIFT"] = DeepLift(subject.head)
    except ValueError as error:
        refused["DeepLIFT"] = str(error)
    for name, measure in measures.items():

        def pooled(*e: Any, measure: Callable = measure) -> Any:
            found, gap = measure(list(e))
            pooled = attribution_shares(found)
            return pooled if gap is None else (pooled, gap)

        result = in_batches(pooled, *subject.encodings)
        if isinstance(result, tuple):
            shares[name], incomplete[name] = result
        else:
            shares[name] = result
    return shares, incomplete, refused
