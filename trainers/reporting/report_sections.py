"""The sections of the full report but those about contributions: measurements put into words."""

from amr_tf.analysis import ablation
from amr_tf.analysis.ablation import measure_missing
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.calibration import measure_calibration
from amr_tf.analysis.conflicts import Conflicts, measure_conflicts
from amr_tf.analysis.encodings import in_batches
from amr_tf.analysis.measurement import PERCENT, Measurement
from amr_tf.analysis.probes import measure_probes
from amr_tf.analysis.robustness import measure_robustness
from amr_tf.analysis.subject import Subject
from amr_tf.attribution import modality_attributions
from amr_tf.modalities import Corruption, Modality
from amr_tf.modalities.corruption import MIXED
from trainers.reporting.contribution_sections import contribution_sections
from trainers.reporting.report_section import ReportSection


def report_sections(subject: Subject, boots: Bootstrap) -> list[ReportSection]:
    """All sections of one model.

    Args:
        subject: Subject, a model on a split.
        boots: Bootstrap, the resamples of its clips.

    Returns:
        The sections in the report's order; those of one modality are fewer.
    """
    corrupted = corrupted_section(subject, boots)
    if not subject.task.one_class:
        return _of_another_task(subject, boots, corrupted)
    quality = [probe_section(subject, boots), calibration_section(subject, boots)]
    if len(subject.modalities) == 1:
        return [corrupted, *quality]
    conflicting = measure_conflicts(subject, boots)
    return [
        missing_section(subject, boots),
        corrupted,
        conflict_section(subject, conflicting),
        *contribution_sections(subject, boots, conflicting),
        *quality,
    ]


def _of_another_task(
    subject: Subject, boots: Bootstrap, corrupted: ReportSection
) -> list[ReportSection]:
    left_out = ReportSection(
        "left_out",
        "What is left out",
        "Conflicting modalities, shares by class and their agreement, linear probes and "
        "calibration are defined for only one class a clip, and the task is "
        f"{subject.task.name}.",
        (),
    )
    if len(subject.modalities) == 1:
        return [corrupted, left_out]
    return [missing_section(subject, boots), corrupted, shares_section(subject, boots), left_out]


def shares_section(subject: Subject, boots: Bootstrap) -> ReportSection:
    """The mean share of each modality by Grad⊙Input, for the targets that the task reports."""
    measurements = []
    for target in subject.task.reported:
        shares = in_batches(
            lambda *e, target=target: modality_attributions(
                subject.head, list(e), target, score=subject.task.target_score
            ),
            *subject.encodings,
        )
        measurements += [
            Measurement(name, "", f"Grad⊙Input ({target})", PERCENT, boots.mean(shares[:, m]))
            for m, name in enumerate(subject.modalities)
        ]
    return ReportSection(
        "contributions",
        "Contribution of each modality",
        "What share of the output Grad⊙Input at the encodings gives to each modality.",
        tuple(measurements),
        bars=tuple(measurements),
        axis="share, %",
        sentences=tuple(
            (m, f"takes {{}} of its attribution from {m.modality}") for m in measurements[:1]
        ),
    )


def missing_section(subject: Subject, boots: Bootstrap) -> ReportSection:
    """Accuracy and mAP with each subset of the modalities, and Shapley values of accuracy."""
    measurements = measure_missing(subject, boots)
    main, second = subject.task.resampled[:2]
    kept = tuple(m for m in measurements if m.metric == f"{main} kept")
    return ReportSection(
        "missing",
        "Missing modality",
        f"{_capital(main)} and {second} with a subset of the modalities. What is missing is "
        "replaced in one of three ways: its encoding by zero, its encoding by the training mean, "
        f"its input by nothing (e.g. silence). “Kept” is {main} without a modality over {main} "
        "with all. "
        f"Shapley values, exact over all subsets, share out the {main} gained over “nothing”.",
        measurements,
        bars=kept,
        axis=f"{main} kept, %",
        sentences=tuple(_kept_sentences(subject, kept)),
        notes=(
            "“Without” in the sentences above: the encoding is the training mean.",
            "An empty input is unlike any training clip. An encoder may answer such "
            "nothing with anything, so an empty input can do more harm than a mean encoding.",
        ),
    )


def _kept_sentences(
    subject: Subject, kept: tuple[Measurement, ...]
) -> list[tuple[Measurement, str]]:
    """The sentences on the accuracy that the model keeps with mean encodings and empty inputs."""
    found, main = [], subject.task.resampled[0]
    for measurement in kept:
        name = measurement.modality
        if measurement.condition == ablation.missing_condition(ablation.MEAN):
            phrase = f"keeps {{}} of its {main} without the {subject.word(name)}"
        elif measurement.condition == ablation.missing_condition(ablation.EMPTY):
            nothing = subject.nothing(name)
            phrase = f"keeps {{}} of its {main} with {nothing} for the {subject.word(name)}"
        else:
            continue
        found.append((measurement, phrase))
    return found


def corrupted_section(subject: Subject, boots: Bootstrap) -> ReportSection:
    """Accuracy as one modality is corrupted more and more."""
    found, main = measure_robustness(subject, boots), subject.task.resampled[0]
    notes = [
        f"{c.modality} / {c.name}: severities 1 to 5 are "
        f"{', '.join(f'{level:g}' for level in c.levels)} ({c.unit})."
        for c in subject.corrupted
    ]
    return ReportSection(
        "corrupted",
        "Corrupted modality",
        f"{_capital(main)} as one modality gets worse, in five severities, the others being "
        "clean. Raw clips (waveforms, frames, words) are corrupted, before features are made of "
        "them. The area under the curve (trapezoids from severity 0 to 5) is relative to "
        f"clean {main}.",
        found.measurements,
        sentences=tuple(
            (area, f"keeps {{}} of its {main} while the {subject.word(area.modality)} gets worse")
            for area in found.mean_areas
        ),
        notes=tuple(notes),
        model_notes=tuple(_not_mixed(subject)),
        plotted=found,
    )


def _capital(name: str) -> str:
    return name if name != name.lower() else name.capitalize()


def _not_mixed(subject: Subject) -> list[str]:
    """The notes on corruptions that need other clips, where there were none."""
    measured = {(c.modality, c.name) for c in subject.corrupted}
    return [
        f"No {corruption.name}: it is mixed of other clips, and there are too few."
        for name, modality in subject.inputs.items()
        for corruption in possible_corruptions(modality)
        if (name, corruption.name) not in measured
    ]


def possible_corruptions(modality: Modality) -> tuple[Corruption, ...]:
    """The corruptions of a modality, those among them that mix in other clips.

    Args:
        modality: Modality, a model's input.
    """
    return modality.corruptions([modality.absent().numpy()] * MIXED)


def conflict_section(subject: Subject, found: Conflicts) -> ReportSection:
    """The section on which modality is followed where one is exchanged for another class's."""
    measurements = (*found.rates, *found.dominance)
    return ReportSection(
        "conflict",
        "Conflicting modalities",
        "One modality of each clip is exchanged for that of a random clip of another class. The "
        "model can follow it, follow the rest, or predict a third class. Behavioural dominance is "
        "how often a modality wins where one of the two wins, normalised over the modalities.",
        measurements,
        bars=measurements,
        axis="conflicts, %",
        sentences=tuple(
            (
                share,
                f"follows the {subject.word(share.modality)} in {{}} of the conflicts that it "
                "decides",
            )
            for share in found.dominance
        ),
        notes=() if found.possible else ("All clips are of one class: there are no conflicts.",),
    )


def probe_section(subject: Subject, boots: Bootstrap) -> ReportSection:
    """The section on how well a linear classifier finds the class in each encoder's encodings."""
    found, labels = measure_probes(subject, boots), subject.train.labels
    return ReportSection(
        "probes",
        "Unimodal quality of the encoders",
        f"Accuracy of logistic regression on each encoder's frozen, standardised encodings, fitted "
        f"to {len(labels):,} clips of train, without augmentation. A head can reach any ratio of "
        "attributions by rescaling; the probes show whether the encoders learnt.",
        found,
        bars=found,
        axis="accuracy of a linear probe, %",
        sentences=tuple(
            (m, f"has {{}} accuracy by a linear probe of its {m.modality} encoder") for m in found
        ),
        notes=()
        if len(set(labels.tolist())) > 1
        else ("The clips of train are of one class: there is nothing to fit.",),
    )


def calibration_section(subject: Subject, boots: Bootstrap) -> ReportSection:
    """Expected calibration error and the reliability diagram's bins."""
    found = measure_calibration(subject, boots)
    return ReportSection(
        "calibration",
        "Calibration",
        f"Whether confidence is accuracy, in {found.bins.bins} bins of confidence. Resamples of "
        "few clips have larger calibration errors than their sample: the interval leans upwards.",
        (found.error, found.confidence, found.accuracy),
        sentences=((found.error, "is miscalibrated by {} on average"),),
        plotted=found,
    )
