"""The sections of the full evaluation: from a model's encodings to numbers with intervals.

A section's numbers are draws `[1 + R]`, see `amr_tf.analysis.bootstrap`: subtracting two models'
draws compares them clip by clip.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from amr_tf.analysis import ablation, calibration, metrics
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.subject import Subject

WORDS = {"audio": "sound", "video": "picture"}
EMPTY = {"audio": "silence", "video": "black frames"}
Numbers = dict[str, np.ndarray]


@dataclasses.dataclass
class Section:
    """One subject of the report, for one model.

    Attributes:
        key: Short name, for JSON and files.
        title: For people.
        text: What is measured, and how to read it.
        numbers: Name -> draws `[1 + R]`, in the order of the table.
        percent: Whether the numbers are fractions, shown as percent.
        bars: Names of the numbers that are drawn as bars, if any.
        axis: What the bars measure.
        details: Numbers whose names hold this are folded away.
        sentences: Name of a number -> what the model does, `{}` in its place.
        notes: What a reader must know.
        rows: Of a table of classes: their names.
        columns: Of that table: name -> draws `[C, 1 + R]`.
        extras: What plots need beyond the numbers.
    """

    key: str
    title: str
    text: str
    numbers: Numbers
    percent: bool = True
    bars: tuple[str, ...] = ()
    axis: str = ""
    details: str = ""
    sentences: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    rows: tuple[str, ...] = ()
    columns: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    extras: dict[str, Any] = dataclasses.field(default_factory=dict)


def word(modality: str) -> str:
    """A modality as people call it."""
    return WORDS.get(modality, modality)


def missing(subject: Subject, boots: Bootstrap) -> Section:
    """Accuracy and mAP with each subset of the modalities, and Shapley values of accuracy."""
    names, labels = subject.modalities, subject.test.labels
    everyone = frozenset(range(len(names)))
    numbers, sentences, bars = {}, {}, []
    for kind, away in replacements(subject).items():
        logits = ablation.subset_logits(subject.head, subject.encodings, away)
        accuracy = {s: boots.mean(z.argmax(1) == labels) for s, z in logits.items()}
        if not numbers:
            numbers["all / accuracy"] = accuracy[everyone]
            numbers["all / mAP"] = _mean_ap(boots, labels, logits[everyone])
        for subset in sorted(accuracy.keys() - {everyone}, key=lambda s: (-len(s), *sorted(s))):
            there = "+".join(names[m] for m in sorted(subset))
            row = f"{kind} / {f'{there} alone' if there else 'nothing'}"
            numbers[f"{row} / accuracy"] = accuracy[subset]
            if subset:
                numbers[f"{row} / mAP"] = _mean_ap(boots, labels, logits[subset])
        for m, name in enumerate(names):
            kept = f"{kind} / kept without {name}"
            numbers[kept] = _ratio(accuracy[everyone - {m}], accuracy[everyone])
            bars.append(kept)
            if kind == "mean encoding":
                sentences[kept] = f"keeps {{}} of its accuracy without the {word(name)}"
            elif kind == "empty input":
                empty = EMPTY.get(name, f"empty {name}")
                sentences[kept] = f"keeps {{}} of its accuracy with {empty} for the {word(name)}"
        for name, phi in zip(names, ablation.shapley_values(accuracy, len(names)), strict=True):
            numbers[f"{kind} / Shapley value of {name}"] = phi
    return Section(
        "missing",
        "Missing modality",
        "Accuracy and mAP with a subset of the modalities. What is missing is replaced in one of "
        "three ways: its encoding by zero, its encoding by the training mean, its input by silence "
        "or black frames. “Kept” is accuracy without a modality over accuracy with all. Shapley "
        "values, exact over all subsets, share out the accuracy gained over “nothing”.",
        numbers,
        bars=tuple(bars),
        axis="accuracy kept, %",
        sentences=sentences,
        notes=[
            "“Without” in the sentences above: the encoding is the training mean.",
            "Silence and black frames are unlike any training clip. An encoder may answer them "
            "with anything, so an empty input can do more harm than a mean encoding.",
        ],
    )


def corrupted(subject: Subject, boots: Bootstrap) -> Section:
    """Accuracy as one modality is corrupted more and more."""
    labels = subject.test.labels
    logits = ablation.head_logits(subject.head, subject.encodings)
    clean = boots.mean(logits.argmax(axis=1) == labels)
    numbers, sentences = {"clean / accuracy": clean}, {}
    levels, areas = {}, {m: [] for m in subject.modalities}
    for corruption, predicted in subject.corrupted.items():
        curve = [clean, *(boots.mean(p == labels) for p in predicted)]
        row = f"{corruption.modality} / {corruption.name}"
        levels[row] = [f"{level:g}" for level in corruption.levels], corruption.unit
        for severity, accuracy in enumerate(curve[1:], 1):
            numbers[f"{row} / severity {severity}"] = accuracy
        area = _ratio(np.mean([(a + b) / 2 for a, b in itertools.pairwise(curve)], 0), clean)
        numbers[f"{row} / area"] = area
        areas[corruption.modality].append(area)
    for modality, found in filter(lambda item: item[1], areas.items()):
        key = f"{modality} / mean area"
        numbers[key] = np.mean(found, axis=0)
        sentences[key] = f"keeps {{}} of its accuracy while the {word(modality)} gets worse"
    notes = [
        f"{row}: severities 1 to 5 are {', '.join(values)} ({unit})."
        for row, (values, unit) in levels.items()
    ]
    if "audio" in subject.modalities and not any(c.name == "babble" for c in subject.corrupted):
        notes.append("No babble: it is mixed of other clips, and there are too few.")
    return Section(
        "corrupted",
        "Corrupted modality",
        "Accuracy as one modality gets worse, in five severities, the others being clean. Sound is "
        "corrupted in the waveform, pictures in the frames, before features are made of them. The "
        "area under the curve (trapezoids from severity 0 to 5) is relative to clean accuracy.",
        numbers,
        sentences=sentences,
        notes=notes,
        details="severity",
    )


def conflict(subject: Subject, boots: Bootstrap) -> Section:
    """Which modality is followed where one is exchanged for another class's."""
    names, labels = subject.modalities, subject.test.labels
    possible = len(np.unique(labels)) > 1
    partner = ablation.partners(labels) if possible else np.arange(len(labels))
    asked = np.full(len(labels), possible)  # of no clip, nothing is known: NaN
    numbers, followed, decided = {}, [], []
    for m, name in enumerate(names):
        predicted = ablation.exchange_predictions(subject.head, subject.encodings, m, partner)
        own, others = predicted == labels[partner], predicted == labels
        followed.append(own)
        decided.append(own | others)
        numbers[f"{name} exchanged / follows {name}"] = boots.mean(own, asked)
        numbers[f"{name} exchanged / follows the rest"] = boots.mean(others, asked)
        numbers[f"{name} exchanged / neither"] = boots.mean(~(own | others), asked)
    shares = ablation.behavioural_dominance(
        *(np.stack([boots.mean(x, asked) for x in part]) for part in (followed, decided))
    )
    sentences = {}
    for name, share in zip(names, shares, strict=True):
        key = f"behavioural dominance / {name}"
        numbers[key] = share
        sentences[key] = f"follows the {word(name)} in {{}} of the conflicts that it decides"
    shown = np.where(asked, labels[partner], -1)  # by the exchanged modality
    classes = len(subject.classes)
    by_class = [
        np.stack([boots.class_means(x, shown, classes) for x in part])
        for part in (followed, decided)
    ]
    return Section(
        "conflict",
        "Conflicting modalities",
        "One modality of each clip is exchanged for that of a random clip of another class. The "
        "model can follow it, follow the rest, or predict a third class. Behavioural dominance is "
        "how often a modality wins where one of the two wins, normalised over the modalities.",
        numbers,
        bars=tuple(numbers),
        axis="conflicts, %",
        sentences=sentences,
        notes=[] if possible else ["All clips are of one class: there are no conflicts."],
        extras={"by class": ablation.behavioural_dominance(*by_class)},
    )


def probes(subject: Subject, boots: Bootstrap) -> Section:
    """How much of the class a linear classifier finds in each encoder's frozen encodings."""
    numbers, sentences = {}, {}
    labels = subject.train.labels
    several = len(np.unique(labels)) > 1
    for name in subject.modalities:
        train, test = (
            x.values[name].reshape(len(x.labels), -1) for x in (subject.train, subject.test)
        )
        # standardised: the penalty on the weights then means the same for every encoder
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        key = f"{name} / accuracy"
        numbers[key] = np.full(boots.weights.shape[1], np.nan)
        if several:
            predicted = probe.fit(train, labels).predict(test)
            numbers[key] = boots.mean(predicted == subject.test.labels)
        sentences[key] = f"has {{}} accuracy by a linear probe of its {name} encoder"
    return Section(
        "probes",
        "Unimodal quality of the encoders",
        f"Accuracy of logistic regression on each encoder's frozen, standardised encodings, fitted "
        f"to {len(labels):,} clips of train, without augmentation. A head can reach any ratio of "
        "attributions by rescaling; the probes show whether the encoders learnt.",
        numbers,
        bars=tuple(numbers),
        axis="accuracy of a linear probe, %",
        sentences=sentences,
        notes=[] if several else ["The clips of train are of one class: there is nothing to fit."],
    )


def calibrated(subject: Subject, boots: Bootstrap) -> Section:
    """Expected calibration error and the reliability diagram's bins."""
    probabilities = metrics.softmax(ablation.head_logits(subject.head, subject.encodings))
    labels = subject.test.labels
    bins = calibration.reliability(labels, probabilities)
    numbers = {
        "expected calibration error": bins.error(boots.weights),
        "mean confidence": boots.mean(probabilities.max(axis=1)),
        "accuracy": boots.mean(probabilities.argmax(axis=1) == labels),
    }
    return Section(
        "calibration",
        "Calibration",
        f"Whether confidence is accuracy, in {bins.bins} bins of confidence. Resamples of few "
        "clips have larger calibration errors than their sample: the interval leans upwards.",
        numbers,
        sentences={"expected calibration error": "is miscalibrated by {} on average"},
        extras={"bins": bins},
    )


def replacements(subject: Subject) -> dict[str, list[np.ndarray]]:
    """What takes a missing encoding's place: name -> M arrays `[1, ...]`."""
    train = subject.train.values.values()
    return {
        "zero encoding": [np.zeros_like(e[:1]) for e in subject.encodings],
        "mean encoding": [e.mean(axis=0, keepdims=True) for e in train],
        "empty input": list(subject.empty.values()),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`; NaN, not infinity, of nothing."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def _mean_ap(boots: Bootstrap, labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return boots.mean_average_precision(labels, metrics.softmax(logits))
