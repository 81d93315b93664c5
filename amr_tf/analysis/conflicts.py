"""Conflicting modalities: one is exchanged for another class's; the prediction tells which wins.

The exchange happens at the encodings, so that it works with any head.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from amr_tf.analysis.ablation import positive_shares
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.encodings import logits_of
from amr_tf.analysis.measurement import PERCENT, Measurement
from amr_tf.analysis.subject import Subject


def partners(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draws for each clip a random clip of another class, all with equal probability.

    Args:
        labels: Array `[N]`, the class ids.
        seed: Integer, the seed of the draw.

    Returns:
        Array `[N]` of indices.

    Raises:
        ValueError: All clips are of one class.
    """
    labels = np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    first, last = (np.searchsorted(labels[order], labels, side=s) for s in ("left", "right"))
    own = last - first
    if (own == len(labels)).any():
        raise ValueError("no conflict is possible: all clips are of one class")
    drawn = np.random.default_rng(seed).integers(0, len(labels) - own)
    return order[np.where(drawn < first, drawn, drawn + own)]  # skips the own class's block


def exchange_predictions(
    head: Callable, encodings: Sequence[np.ndarray], modality: int, partner: np.ndarray
) -> np.ndarray:
    """The classes that a model predicts with one modality exchanged for the partner's.

    Args:
        head: Function, list of M encodings -> logits `[B, C]`.
        encodings: Sequence of M arrays `[N, ...]`.
        modality: Integer, the index of the modality that is exchanged.
        partner: Array `[N]`, the clips that it is taken from.

    Returns:
        Array `[N]` of class ids.
    """
    mixed = [e[partner] if m == modality else e for m, e in enumerate(encodings)]
    return logits_of(head, mixed).argmax(axis=1)


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """The outcomes of N clips with each modality exchanged in turn.

    Attributes:
        partner: Array `[N]`, the clip of another class that the exchanged modality came from.
        follows: Array `[M, N]` of booleans, whether the model took the exchanged modality's class.
        follows_rest: Array `[M, N]` of booleans, whether it took the other modalities' class.
    """

    partner: np.ndarray
    follows: np.ndarray
    follows_rest: np.ndarray

    @property
    def decided(self) -> np.ndarray:
        """Whether the model took one of the two classes, `[M, N]`."""
        return self.follows | self.follows_rest


def exchange_outcomes(
    head: Callable, encodings: Sequence[np.ndarray], labels: np.ndarray, partner: np.ndarray
) -> Outcomes:
    """Exchanges each modality in turn for the partner's.

    Args:
        head: Function, list of M encodings -> logits `[B, C]`.
        encodings: Sequence of M arrays `[N, ...]`.
        labels: Array `[N]`, the class ids.
        partner: Array `[N]`, the clips to exchange with, see `partners`.

    Returns:
        What the model followed.
    """
    predicted = np.stack(
        [exchange_predictions(head, encodings, m, partner) for m in range(len(encodings))]
    )
    return Outcomes(partner, predicted == labels[partner], predicted == labels)


def behavioural_dominance(followed: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The part of conflicts that each modality wins, as shares.

        D^m = s^m / sum_j s^j,  s^m = P(follows m | m is exchanged, follows m or the others)

    With two modalities the model that always follows one gives it 1, and indifference 1/2.

    Args:
        followed: Array `[M, ...]`, how often the model took the class of the exchanged modality.
        decided: Array `[M, ...]`, how often it took that or the others' class.

    Returns:
        Array `[M, ...]`; 1/M where no conflict was won; NaN where none was decided for a modality.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return positive_shares(np.where(decided > 0, followed / decided, np.nan))


@dataclasses.dataclass(frozen=True)
class Conflicts:
    """The modality that a model follows where one is exchanged for another class's.

    Attributes:
        possible: Boolean, whether the clips are of several classes; else all is NaN.
        rates: Tuple of measurements, how often each exchanged modality, the rest or neither was
            followed.
        dominance: Tuple of measurements, the behavioural dominance of each modality.
        dominance_by_class: Array `[M, C, 1 + R]`, the same by the exchanged modality's class.
    """

    possible: bool
    rates: tuple[Measurement, ...]
    dominance: tuple[Measurement, ...]
    dominance_by_class: np.ndarray


def measure_conflicts(subject: Subject, boots: Bootstrap) -> Conflicts:
    """Measures which modality is followed in conflicts.

    Example:
        >>> found = amr_tf.analysis.measure_conflicts(subject, boots)
        >>> [share.name for share in found.dominance]
        ['audio / behavioural dominance', 'video / behavioural dominance']

    Args:
        subject: Subject, a model of several modalities on a split.
        boots: Bootstrap, the resamples of its clips.

    Returns:
        The measurements.
    """
    labels = subject.test.labels
    possible = len(np.unique(labels)) > 1
    partner = partners(labels) if possible else np.arange(len(labels))
    counted = np.full(len(labels), possible)  # of no clip, nothing is known: NaN
    outcomes = exchange_outcomes(subject.head, subject.encodings, labels, partner)
    rates = []
    for m, name in enumerate(subject.modalities):
        for metric, happened in (
            (f"follows {name}", outcomes.follows[m]),
            ("follows the rest", outcomes.follows_rest[m]),
            ("neither", ~outcomes.decided[m]),
        ):
            draws = boots.mean(happened, counted)
            rates.append(Measurement(name, "exchanged", metric, PERCENT, draws))
    pair = (outcomes.follows, outcomes.decided)
    shares = behavioural_dominance(
        *(np.stack([boots.mean(x, counted) for x in part]) for part in pair)
    )
    exchanged_class = np.where(counted, labels[partner], -1)
    by_class = (
        np.stack([boots.class_means(x, exchanged_class, len(subject.classes)) for x in part])
        for part in pair
    )
    return Conflicts(
        possible=possible,
        rates=tuple(rates),
        dominance=tuple(
            Measurement(name, "", "behavioural dominance", PERCENT, share)
            for name, share in zip(subject.modalities, shares, strict=True)
        ),
        dominance_by_class=behavioural_dominance(*by_class),
    )
