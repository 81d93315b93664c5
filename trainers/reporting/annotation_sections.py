"""The report's sections about people: what they hear, see and recognise, beside the model."""

from collections.abc import Sequence

from amr_tf.analysis.annotations import (
    Marks,
    Recognition,
    measure_by_marks,
    measure_by_recognition,
)
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.subject import Subject
from tfrecords import schema
from tfrecords.datasets.base import Votes
from trainers.reporting.report_section import ReportSection


def annotation_sections(
    subject: Subject, boots: Bootstrap, marks: dict[str, Marks], votes: Votes | None
) -> list[ReportSection]:
    """The sections for which there are annotations.

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.
        marks: Dictionary, name of an annotated clip -> its marks; empty where there are none.
        votes: Votes, what people recognise; None where nothing is given.

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
    return {
        name: Marks(
            labels=clip["labels"],
            audible=tuple(map(bool, clip["audible"])),
            visible=tuple(map(bool, clip["visible"])),
            background_music=any(clip["background_music"]),
            static_image=any(clip["static_image"]),
        )
        for name, clip in schema.annotations(shards).items()
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


def votes_section(subject: Subject, boots: Bootstrap, votes: Votes) -> ReportSection:
    """Whether the model leans on the modality from which people recognise the label.

    Args:
        subject: Subject, a model of the modalities that people were given.
        boots: Bootstrap, the resamples of its clips.
        votes: Votes, what people recognise.

    Returns:
        The section.

    Raises:
        ValueError: No clip of the split has votes.
    """
    intended = [subject.classes[c] for c in subject.test.labels]
    known, by_condition = votes.recognised(subject.clip_names, intended)
    if not known.any():
        raise ValueError("--votes has none of the clips: it is for records of the same data set")
    people = Recognition(known, by_condition, votes.alone)
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
