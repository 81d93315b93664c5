"""A model compared with what people hear, see and recognise in the clips."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.encodings import in_batches
from amr_tf.analysis.measurement import PERCENT, POINTS, Measurement
from amr_tf.analysis.subject import Subject
from amr_tf.attribution import modality_attributions


@dataclasses.dataclass(frozen=True)
class Marks:
    """Annotations of a clip: what people hear and see in it.

    Example:
        >>> marks = amr_tf.analysis.Marks((3, 5), audible=(True, False), visible=(False, False))
        >>> marks.confirms(3), marks.confirms(5)
        (True, False)

    Attributes:
        labels: Tuple of integers, the class ids; the first is the label that the model learns.
        audible: Tuple of booleans, whether each label can be heard.
        visible: Tuple of booleans, whether each label can be seen.
        background_music: Boolean, whether there is music that nobody in the picture makes.
        static_image: Boolean, whether the picture never moves.
    """

    labels: tuple[int, ...]
    audible: tuple[bool, ...]
    visible: tuple[bool, ...]
    background_music: bool = False
    static_image: bool = False

    def confirms(self, label: int) -> bool:
        """Whether people hear or see a label.

        Args:
            label: Integer, a class id.
        """
        marked = zip(self.labels, self.audible, self.visible, strict=True)
        return any(own == label and (heard or seen) for own, heard, seen in marked)


@dataclasses.dataclass(frozen=True)
class Marked:
    """A model on annotated clips.

    Attributes:
        known: Integer, the clips that are annotated.
        by_group: Tuple of measurements, the accuracy where the label can be heard, seen, both or
            neither, with and without music, with and without a moving picture.
        confirmed: Measurement, how often the prediction is a label that people confirm.
    """

    known: int
    by_group: tuple[Measurement, ...]
    confirmed: Measurement


def measure_by_marks(subject: Subject, boots: Bootstrap, marks: Mapping[str, Marks]) -> Marked:
    """Measures accuracy by what people hear and see.

    Example:
        >>> heard = amr_tf.analysis.Marks(labels=(0,), audible=(True,), visible=(False,))
        >>> marks = dict.fromkeys(subject.clip_names[:6], heard)
        >>> found = amr_tf.analysis.measure_by_marks(subject, boots, marks)
        >>> found.known
        6

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.
        marks: Mapping, name of a clip -> its marks; clips that it lacks do not count.

    Returns:
        The measurements.
    """
    predicted = subject.logits.argmax(axis=1)
    clips = [marks.get(name) for name in subject.clip_names]

    def where(test: Callable[[Marks], bool]) -> np.ndarray:
        return np.array([clip is not None and bool(test(clip)) for clip in clips])

    heard, seen = where(lambda c: c.audible[0]), where(lambda c: c.visible[0])
    music, static = where(lambda c: c.background_music), where(lambda c: c.static_image)
    known = where(lambda c: True)
    groups = {
        "audible only": heard & ~seen,
        "visible only": seen & ~heard,
        "audible and visible": heard & seen,
        "neither: label not confirmed": known & ~heard & ~seen,
        "background music": music,
        "no background music": known & ~music,
        "static image": static,
        "no static image": known & ~static,
    }
    correct = predicted == subject.test.labels
    confirmed = np.array(
        [c is not None and c.confirms(k) for c, k in zip(clips, predicted, strict=True)]
    )
    return Marked(
        known=int(known.sum()),
        by_group=tuple(
            Measurement("", _counted(name, group), "accuracy", PERCENT, boots.mean(correct, group))
            for name, group in groups.items()
        ),
        confirmed=Measurement(
            "", "", "prediction among the confirmed labels", PERCENT, boots.mean(confirmed, known)
        ),
    )


@dataclasses.dataclass(frozen=True)
class Recognition:
    """Whether most people recognise the label of each of N clips, by what they were given.

    Example:
        >>> people = amr_tf.analysis.Recognition(
        ...     known=np.array([True, True, False]),
        ...     by_condition={
        ...         "the voice": np.array([True, False, False]),
        ...         "the face": np.array([True, True, False]),
        ...     },
        ...     alone={"the voice": "audio", "the face": "video"},
        ... )

    Attributes:
        known: Array `[N]` of booleans, whether people were asked about the clip.
        by_condition: Dictionary, what people were given, e.g. the voice -> array `[N]` of booleans.
        alone: Dictionary, two of the conditions -> the only modality that people were given.
    """

    known: np.ndarray
    by_condition: dict[str, np.ndarray]
    alone: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Recognised:
    """A model compared with people, who recognise labels from one modality alone or from the other.

    Attributes:
        known: Integer, the clips that people were asked about.
        accuracies: Tuple of measurements, of people under each condition and of the model.
        by_group: Tuple of measurements, the model's accuracy and its share of the attribution for
            the first modality, by the modality from which people recognise the label.
        difference: Measurement, the share where the first modality alone tells the label minus
            the share where the second alone does.
    """

    known: int
    accuracies: tuple[Measurement, ...]
    by_group: tuple[Measurement, ...]
    difference: Measurement


def measure_by_recognition(subject: Subject, boots: Bootstrap, people: Recognition) -> Recognised:
    """Measures whether the model leans on the modality from which people recognise the label.

    Example:
        >>> voice, face = np.arange(12) % 2 == 0, np.arange(12) % 3 == 0
        >>> people = amr_tf.analysis.Recognition(
        ...     known=np.ones(12, bool),
        ...     by_condition={"the voice": voice, "the face": face},
        ...     alone={"the voice": "audio", "the face": "video"},
        ... )
        >>> found = amr_tf.analysis.measure_by_recognition(subject, boots, people)
        >>> found.difference.condition
        'the voice alone minus the face alone'

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.
        people: Recognition, what people make of these clips.

    Returns:
        The measurements.

    Raises:
        ValueError: People were asked about none of the clips.
    """
    if not people.known.any():
        raise ValueError("people were asked about none of the clips")
    known, (first, second) = people.known, people.alone
    modality = people.alone[first]
    correct = subject.logits.argmax(axis=1) == subject.test.labels
    shares = in_batches(
        lambda *e: modality_attributions(subject.head, list(e)), *subject.encodings
    )[:, subject.modalities.index(modality)]
    by_first, by_second = people.by_condition[first], people.by_condition[second]
    groups = {
        f"{first} alone": known & by_first & ~by_second,
        f"{second} alone": known & by_second & ~by_first,
        "either": known & by_first & by_second,
        "neither": known & ~by_first & ~by_second,
    }
    right = {f"people, from {how}": boots.mean(x, known) for how, x in people.by_condition.items()}
    right["model"] = boots.mean(correct, known)
    by_group, means = [], []
    for name, group in groups.items():
        condition = _counted(f"recognised from {name}", group)
        means.append(boots.mean(shares, group))
        by_group.append(Measurement("", condition, "accuracy", PERCENT, boots.mean(correct, group)))
        by_group.append(Measurement(modality, condition, "share", PERCENT, means[-1]))
    gap, condition = means[0] - means[1], f"{first} alone minus {second} alone"
    return Recognised(
        known=int(known.sum()),
        accuracies=tuple(
            Measurement("", who, "accuracy", PERCENT, draws) for who, draws in right.items()
        ),
        by_group=tuple(by_group),
        difference=Measurement(modality, condition, "share", POINTS, gap),
    )


def _counted(name: str, group: np.ndarray) -> str:
    return f"{name} ({group.sum():,} clips)"
