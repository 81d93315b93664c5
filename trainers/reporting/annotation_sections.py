"""The report's sections about people: what they hear, see and recognise, beside the model."""

import pathlib
from collections.abc import Sequence

import tensorflow as tf

from amr_tf.analysis.annotations import (
    Marks,
    Recognition,
    measure_by_marks,
    measure_by_recognition,
)
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.subject import Subject
from tfrecords import schema
from tfrecords.datasets import cremad_votes
from trainers.reporting.report_section import ReportSection

Votes = dict[str, dict[str, str]]


def annotation_sections(
    subject: Subject, boots: Bootstrap, marks: dict[str, Marks], votes: Votes | None
) -> list[ReportSection]:
    """The sections for which there are annotations.

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.
        marks: Dictionary, name of an annotated clip -> its marks; empty where there are none.
        votes: Dictionary, see `cremad_votes.read`; None where none are given.

    Returns:
        No section, one or two.

    Raises:
        ValueError: There are votes, and none of them is on a clip of the split.
    """
    sections = [marks_section(subject, boots, marks)] if marks else []
    if votes is not None and len(subject.modalities) > 1:
        sections.append(votes_section(subject, boots, votes))
    return sections


def read_marks(shards: Sequence[str]) -> dict[str, Marks]:
    """Reads the marks of annotated records.

    Args:
        shards: Sequence of strings, the records' files.

    Returns:
        A dictionary, name of an annotated clip -> its marks.
    """
    keys = (
        schema.LABEL_INDEX, schema.LABEL_AUDIBLE, schema.LABEL_VISIBLE,
        schema.BACKGROUND_MUSIC, schema.STATIC_IMAGE,
    )  # fmt: skip
    spec = {key: tf.io.RaggedFeature(tf.int64) for key in keys}
    spec[schema.MEDIA_ID] = tf.io.FixedLenFeature([], tf.string)
    records = tf.data.TFRecordDataset(list(shards)).map(
        lambda record: tf.io.parse_single_sequence_example(record, spec)[0]
    )
    return {
        clip[schema.MEDIA_ID].decode(): Marks(
            labels=tuple(clip[schema.LABEL_INDEX].tolist()),
            audible=tuple(map(bool, clip[schema.LABEL_AUDIBLE])),
            visible=tuple(map(bool, clip[schema.LABEL_VISIBLE])),
            background_music=bool(clip[schema.BACKGROUND_MUSIC].any()),
            static_image=bool(clip[schema.STATIC_IMAGE].any()),
        )
        for clip in records.as_numpy_iterator()
        if clip[schema.LABEL_AUDIBLE].size
    }


def marks_section(subject: Subject, boots: Bootstrap, marks: dict[str, Marks]) -> ReportSection:
    """Accuracy where the label can be heard, seen, both; with music, with a static image.

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.
        marks: Dictionary, name of an annotated clip -> its marks.

    Returns:
        The section.
    """
    found = measure_by_marks(subject, boots, marks)
    return ReportSection(
        "annotations",
        "What people hear and see",
        "Accuracy against the label that the model learns, by whether annotators hear it, see it, "
        "or both, and on clips with background music or a static image. The last number accepts "
        "every label that they confirm.",
        (*found.by_group, found.confirmed),
        sentences=((found.confirmed, "names a class that people hear or see in {} of the clips"),),
        notes=(f"{found.known:,} of {len(subject.clip_names):,} clips are annotated.",),
    )


def read_votes(path: pathlib.Path) -> Votes:
    """Reads the file of --votes.

    Args:
        path: Path, the file.

    Returns:
        The votes.

    Raises:
        ValueError: It is no such file.
        OSError: It cannot be read.
    """
    try:
        return cremad_votes.read(path)
    except ValueError as error:
        raise ValueError(f"--votes={error}") from error


def votes_section(subject: Subject, boots: Bootstrap, votes: Votes) -> ReportSection:
    """Whether the model leans on the modality from which people recognise the label.

    Args:
        subject: Subject, a model of the modalities that people were given.
        boots: Bootstrap, the resamples of its clips.
        votes: Dictionary, see `cremad_votes.read`.

    Returns:
        The section.

    Raises:
        ValueError: No clip of the split has votes.
    """
    intended = [subject.classes[c] for c in subject.test.labels]
    known, by_condition = cremad_votes.recognised(votes, subject.clip_names, intended)
    if not known.any():
        raise ValueError("--votes has none of the clips: it is for records of the same data set")
    people = Recognition(known, by_condition, cremad_votes.ALONE)
    found, (first, second) = measure_by_recognition(subject, boots, people), people.alone
    modality = people.alone[first]
    return ReportSection(
        "people",
        "People as reference",
        f"Clips by whether most people recognise the label from the {first} alone, from the "
        f"{second} alone, from either or neither (a tie is no recognition). A model that leans on "
        f"what is telling has a larger {modality} share (Grad⊙Input, probability) where the "
        f"{first} is.",
        (*found.accuracies, *found.by_group, found.difference),
        bars=tuple(m for m in found.by_group if m.modality == modality),
        axis=f"{modality}'s share of the attribution, %",
        sentences=(
            (
                found.difference,
                f"has an {modality} share that is {{}} points higher where the {first} alone tells "
                f"the label than where the {second} alone does",
            ),
        ),
        notes=(f"{found.known:,} of {len(subject.clip_names):,} clips have votes.",),
    )
