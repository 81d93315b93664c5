"""Missing modalities: accuracy without some of them, and what each one adds (Shapley values).

A modality is missing where its encoding is replaced by one that says nothing of the clip.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from amr_tf._shapley import shapley, subsets
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.encodings import logits_of
from amr_tf.analysis.measurement import PERCENT, Measurement, unit_of
from amr_tf.analysis.subject import Subject

ZERO, MEAN, EMPTY = "zero encoding", "mean encoding", "empty input"


def missing_condition(kind: str) -> str:
    """The condition of a measurement without one modality.

    Args:
        kind: String, what takes the place of the missing encoding, a key of `replacements`.

    Returns:
        The condition.
    """
    return f"missing ({kind})"


def replacements(subject: Subject) -> dict[str, list[np.ndarray]]:
    """The arrays that can take a missing encoding's place.

    Args:
        subject: Subject, the model on a split.

    Returns:
        A dictionary, name -> M arrays `[1, ...]`: zero, the training mean and, where the subject
        has them, the encodings of empty inputs.
    """
    train = subject.train.values.values()
    found = {
        ZERO: [np.zeros_like(e[:1]) for e in subject.encodings],
        MEAN: [e.mean(axis=0, keepdims=True) for e in train],
    }
    if subject.empty:
        found[EMPTY] = [subject.empty[name] for name in subject.modalities]
    return found


def subset_logits(
    head: Callable, encodings: Sequence[np.ndarray], replaced_by: Sequence[np.ndarray]
) -> dict[frozenset, np.ndarray]:
    """Logits with each subset of the modalities, the others replaced.

    Args:
        head: Function, list of M encodings -> logits `[B, C]`.
        encodings: Sequence of M arrays `[N, ...]`.
        replaced_by: Sequence of M arrays that broadcast to them, see `replacements`.

    Returns:
        A dictionary, each of the 2^M subsets of 0..M-1 -> array `[N, C]`.
    """
    away = [
        np.broadcast_to(r, e.shape).astype(e.dtype)
        for e, r in zip(encodings, replaced_by, strict=True)
    ]
    return {
        subset: logits_of(
            head, [encodings[m] if m in subset else away[m] for m in range(len(encodings))]
        )
        for subset in subsets(len(encodings))
    }


def shapley_values(value: Mapping[frozenset, np.ndarray], players: int) -> np.ndarray:
    """Shapley values of all players.

    Args:
        value: Mapping, subset of the players -> array `[...]`.
        players: Integer, M, the number of players, which are 0..M-1.

    Returns:
        Array `[M, ...]`.
    """
    return np.stack([shapley(value, m, players) for m in range(players)])


def positive_shares(values: np.ndarray) -> np.ndarray:
    """Positive values as shares: `max(v^m, 0) / sum_j max(v^j, 0)`; 1/M where none is positive.

    Args:
        values: Array `[M, ...]`; NaN stays NaN.

    Returns:
        Array `[M, ...]`.
    """
    values = np.maximum(values, 0)
    total = values.sum(axis=0)
    return np.where(total == 0, 1 / len(values), values / np.where(total == 0, 1, total))


def measure_missing(subject: Subject, boots: Bootstrap) -> tuple[Measurement, ...]:
    """Accuracy and mAP with each subset of the modalities, and Shapley values of accuracy.

    Of another task they are its first two metrics that have intervals, the main one first.

    Example:
        >>> found = amr_tf.analysis.measure_missing(subject, boots)
        >>> [one.name for one in found if one.metric == "accuracy kept"][:1]
        ['audio / missing (zero encoding) / accuracy kept']

    Args:
        subject: Subject, a model of several modalities on a split.
        boots: Bootstrap, the resamples of its clips.

    Returns:
        The measurements: first those with all modalities, then for each replacement those with
        fewer (metrics `accuracy`, `mAP`), the accuracy kept without each modality (`accuracy
        kept`), and each one's `Shapley value`.
    """
    everyone = frozenset(range(len(subject.modalities)))
    unit = unit_of(subject.task.metrics[0])
    found: list[Measurement] = []
    for kind, replaced_by in replacements(subject).items():
        logits = subset_logits(subject.head, subject.encodings, replaced_by)
        accuracy = {s: subject.draws(z, boots) for s, z in logits.items()}
        if not found:
            found += _of_subset(subject, boots, "all", logits, accuracy, everyone)
        for subset in sorted(accuracy.keys() - {everyone}, key=lambda s: (-len(s), *sorted(s))):
            condition = f"{'alone' if subset else 'nothing'} ({kind})"
            found += _of_subset(subject, boots, condition, logits, accuracy, subset)
        found += _kept(subject, kind, accuracy)
        values = shapley_values(accuracy, len(everyone))
        for name, phi in zip(subject.modalities, values, strict=True):
            found.append(Measurement(name, kind, "Shapley value", unit, phi))
    return tuple(found)


def _of_subset(
    subject: Subject,
    boots: Bootstrap,
    condition: str,
    logits: Mapping[frozenset, np.ndarray],
    accuracy: Mapping[frozenset, np.ndarray],
    subset: frozenset,
) -> list[Measurement]:
    names = "+".join(subject.modalities[m] for m in sorted(subset))
    there = "" if len(subset) == len(subject.modalities) else names
    main, second = subject.task.resampled[:2]
    units = {metric.name: unit_of(metric) for metric in subject.task.metrics}
    found = [Measurement(there, condition, main, units[main], accuracy[subset])]
    if subset:  # of no modality all clips have the same scores, which rank nothing
        draws = subject.draws(logits[subset], boots, second)
        found.append(Measurement(there, condition, second, units[second], draws))
    return found


def _kept(
    subject: Subject, kind: str, accuracy: Mapping[frozenset, np.ndarray]
) -> list[Measurement]:
    everyone = frozenset(range(len(subject.modalities)))
    return [
        Measurement(
            name,
            missing_condition(kind),
            f"{subject.task.resampled[0]} kept",
            PERCENT,
            ratio(accuracy[everyone - {m}], accuracy[everyone]),
        )
        for m, name in enumerate(subject.modalities)
    ]


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The quotient `part / whole`; NaN, not infinity, where the whole is zero.

    Args:
        part: Array `[...]`.
        whole: Array `[...]` of the same shape, not negative.

    Returns:
        Array `[...]`.
    """
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
