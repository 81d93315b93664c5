"""Annotations as reference: what people hear and see in the clips, to set beside the model.

VGGSound: VGGSounder's marks in the records (see `datasets.vggsounder`). CREMA-D: the votes of
`summaryTable.csv`, from the voice alone, the face alone and both; letters A D F H N S, ties
written `A:D`.
"""

import csv
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from amr_tf.analysis import ablation
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.evaluation import in_batches
from amr_tf.analysis.sections import Section
from amr_tf.analysis.subject import Subject
from amr_tf.attribution import modality_attributions
from tfrecords import schema

VOTES = {"voice": "VoiceVote", "face": "FaceVote", "both": "MultiModalVote"}
_MARKS = (schema.LABEL_AUDIBLE, schema.LABEL_VISIBLE)
_CLIP_MARKS = (schema.BACKGROUND_MUSIC, schema.STATIC_IMAGE)


def annotations(shards: Sequence[str]) -> dict[str, dict[str, tuple[int, ...]]]:
    """VGGSounder's marks of the annotated records: clip -> key of `schema` -> values."""
    keys = (schema.LABEL_INDEX, *_MARKS, *_CLIP_MARKS)
    spec = {key: tf.io.RaggedFeature(tf.int64) for key in keys}
    spec[schema.MEDIA_ID] = tf.io.FixedLenFeature([], tf.string)
    records = tf.data.TFRecordDataset(list(shards)).map(
        lambda record: tf.io.parse_single_sequence_example(record, spec)[0]
    )
    found = {}
    for clip in records.as_numpy_iterator():
        if clip[schema.LABEL_AUDIBLE].size:
            name = clip[schema.MEDIA_ID].decode()
            found[name] = {key: tuple(clip[key].tolist()) for key in keys}
    return found


def vggsounder(
    subject: Subject, boots: Bootstrap, marks: dict[str, dict[str, tuple[int, ...]]]
) -> Section:
    """Accuracy where the published label can be heard, seen, both; with music, a static image.

    Args:
        subject: The model on the split.
        boots: Resamples of its clips.
        marks: Of `annotations`.
    """
    if not marks:
        note = "These records hold no annotations: build them with --vggsounder."
        return Section("vggsounder", "VGGSounder", "Not measured.", {}, notes=[note])
    predicted = ablation.head_logits(subject.head, subject.encodings).argmax(axis=1)
    clips = [marks.get(name) for name in subject.media_ids]

    def where(test: Callable) -> np.ndarray:
        return np.array([clip is not None and bool(test(clip)) for clip in clips])

    heard, seen = (where(lambda c, k=k: c[k][0]) for k in _MARKS)
    music, static = (where(lambda c, k=k: any(c[k])) for k in _CLIP_MARKS)
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
    numbers = {
        f"{name} ({group.sum():,} clips) / accuracy": boots.mean(correct, group)
        for name, group in groups.items()
    }
    confirmed = np.array(
        [c is not None and _confirmed(c, k) for c, k in zip(clips, predicted, strict=True)]
    )
    key = "prediction among the confirmed labels"
    numbers[key] = boots.mean(confirmed, known)
    return Section(
        "vggsounder",
        "What can be heard and seen (VGGSounder)",
        "Accuracy against the published label, by whether VGGSounder's annotators hear it, see it, "
        "or both, and on clips with background music or a static image. The last number accepts "
        "every label that they confirm.",
        numbers,
        sentences={key: "names a class that people hear or see in {} of the clips"},
        notes=[f"{known.sum():,} of {len(clips):,} clips are annotated."],
    )


def _confirmed(clip: dict[str, tuple[int, ...]], predicted: int) -> bool:
    labels = zip(clip[schema.LABEL_INDEX], *(clip[key] for key in _MARKS), strict=True)
    return any(label == predicted and (heard or seen) for label, heard, seen in labels)


def read_votes(path: pathlib.Path) -> dict[str, dict[str, str]]:
    """CREMA-D's votes: clip -> `voice`, `face`, `both` -> letters.

    Raises:
        ValueError: The file has no such columns, or is no CSV.
        OSError: It cannot be read.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        lacking = {"FileName", *VOTES.values()} - set(rows.fieldnames or ())
        if lacking:
            raise ValueError(f"--votes={path}: no column {', '.join(sorted(lacking))}")
        try:
            return {
                row["FileName"]: {how: row[column] for how, column in VOTES.items()}
                for row in rows
                if row["FileName"]  # a row may end before it
            }
        except csv.Error as error:
            raise ValueError(f"--votes={path}, line {rows.line_num}: {error}") from error


def recognised(
    votes: dict[str, dict[str, str]], names: Sequence[str], intended: Sequence[str]
) -> dict[str, np.ndarray]:
    """Whether most people named the intended emotion; a tie is no recognition.

    Args:
        votes: Of `read_votes`.
        names: Clips, `ACTOR_SENTENCE_EMOTION_LEVEL`.
        intended: Their emotions, of which the first letter counts.

    Returns:
        `known`, and per way of `VOTES` whether it was recognised, `[N]`.
    """
    found = {"known": np.array([name in votes for name in names])}
    for how in VOTES:
        letters = [votes.get(name, {}).get(how) for name in names]
        found[how] = np.array([a == b[0] for a, b in zip(letters, intended, strict=True)])
    return found


def people(subject: Subject, boots: Bootstrap, votes: dict[str, dict[str, str]]) -> Section:
    """Whether the model leans on the modality from which people recognise the emotion.

    Args:
        subject: A model of voice (`audio`) and face (`video`) on CREMA-D.
        boots: Resamples of its clips.
        votes: Of `read_votes`.

    Raises:
        ValueError: No clip of the split has votes.
    """
    names = [pathlib.PurePath(name).stem for name in subject.media_ids]
    labels = subject.test.labels
    found = recognised(votes, names, [subject.classes[c] for c in labels])
    known, voice, face = found["known"], found["voice"], found["face"]
    if not known.any():
        raise ValueError("--votes has none of the clips: it is for records of CREMA-D")
    logits = ablation.head_logits(subject.head, subject.encodings)
    correct = logits.argmax(axis=1) == labels
    shares = in_batches(
        lambda *e: modality_attributions(subject.head, list(e)), *subject.encodings
    )[:, subject.modalities.index("audio")]
    groups = {
        "voice alone": known & voice & ~face,
        "face alone": known & face & ~voice,
        "either": known & voice & face,
        "neither": known & ~voice & ~face,
    }
    numbers = {f"people, from {how} / accuracy": boots.mean(found[how], known) for how in VOTES}
    numbers["model / accuracy"] = boots.mean(correct, known)
    for name, group in groups.items():
        row = f"recognised from {name} ({group.sum():,} clips)"
        numbers[f"{row} / accuracy"] = boots.mean(correct, group)
        numbers[f"{row} / audio's share"] = boots.mean(shares, group)
    key = "audio's share, voice alone minus face alone"
    by_group = [boots.mean(shares, groups[g]) for g in ("voice alone", "face alone")]
    numbers[key] = by_group[0] - by_group[1]
    return Section(
        "people",
        "People as reference (CREMA-D)",
        "Clips by whether most people recognise the intended emotion from the voice alone, from "
        "the face alone, from either or neither (a tie is no recognition). A model that leans on "
        "what is telling has a larger audio share (Grad⊙Input, probability) where the voice is.",
        numbers,
        bars=tuple(k for k in numbers if k.endswith("audio's share")),
        axis="audio's share of the attribution, %",
        sentences={
            key: "has an audio share that is {} points higher where the voice alone tells the "
            "emotion than where the face alone does"
        },
        notes=[f"{known.sum():,} of {len(names):,} clips have votes."],
    )
