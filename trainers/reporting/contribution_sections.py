"""The report's sections about the contribution of each modality: measurements put into words."""

import itertools

import numpy as np

from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.conflicts import Conflicts
from amr_tf.analysis.contributions import (
    GRAD_INPUT,
    Agreement,
    Contributions,
    measure_agreement,
    measure_contributions,
    measure_distribution,
)
from amr_tf.analysis.subject import Subject
from trainers.reporting.report_section import ReportSection


def contribution_sections(
    subject: Subject, boots: Bootstrap, conflicting: Conflicts
) -> tuple[ReportSection, ...]:
    """All measures of contribution, how their shares are distributed, whether they agree.

    Args:
        subject: Subject, a model of several modalities on a split.
        boots: Bootstrap, the resamples of its clips.
        conflicting: Conflicts, the subject's.

    Returns:
        Three sections.
    """
    found = measure_contributions(subject, boots, conflicting)
    return (
        _shares_section(subject, found),
        _distribution_section(subject, boots, found),
        _agreement_section(measure_agreement(found), len(subject.classes)),
    )


def _shares_section(subject: Subject, found: Contributions) -> ReportSection:
    first = found.modalities[0]
    attributed, beyond = found.share(GRAD_INPUT, first), found.attributed_beyond_behaviour
    return ReportSection(
        "contributions",
        "Contribution of each modality",
        "What share of the decision each measure gives to each modality. Grad⊙Input is the paper's "
        "attribution at the encodings, under both targets; Integrated Gradients and DeepLIFT "
        "(rescale rule) attribute the difference to the zero encoding; Shapley values are of "
        "accuracy with zero encodings (their positive parts, as shares); behaviour is behavioural "
        "dominance in conflicts. They measure different things and need not agree.",
        (*found.measurements, beyond),
        bars=tuple(m for m in found.measurements if m.modality in found.informative),
        axis="share, %",
        sentences=(
            (attributed, f"takes {{}} of its attribution from {first}"),
            (beyond, f"gives {first} {{}} points of attribution beyond its share of conflicts won"),
        ),
        model_notes=(
            *(f"No {measure}: {why}." for measure, why in found.refused.items()),
            *(
                f"{measure}: the contributions miss g(e) - g(0) by {np.abs(gap).mean():.1e} on "
                f"average, at most by {np.abs(gap).max():.1e}."
                for measure, gap in found.incomplete.items()
            ),
        ),
        rows=subject.classes,
        columns={
            f"{measure}: {name}": found.by_class[measure][found.modalities.index(name)]
            for measure, name in itertools.product(found.by_class, found.informative)
        },
    )


def _distribution_section(
    subject: Subject, boots: Bootstrap, found: Contributions
) -> ReportSection:
    name, distributed = found.modalities[0], measure_distribution(subject, boots, found)
    return ReportSection(
        "distribution",
        "Shares of single clips",
        f"How {name}'s share of the attribution (Grad⊙Input, probability) is distributed over the "
        "clips of each class: a mean of one half can be clips that use all modalities, or clips "
        "that use one each. Boxes hold the middle half of a class's clips, with their median; "
        "whiskers reach from the 5th to the 95th percentile. Many classes are shown as bands.",
        distributed.measurements,
        axis=f"{name}'s share of the attribution, %",
        plotted=distributed,
    )


def _agreement_section(agreed: Agreement, classes: int) -> ReportSection:
    return ReportSection(
        "agreement",
        "Agreement of the measures",
        "Spearman's rank correlation over the classes: do two measures put the classes in the same "
        "order of how much a modality contributes? Few classes make wide intervals.",
        agreed.measurements,
        notes=(
            f"{agreed.classes} of {classes} classes have a value of every measure.",
            "Resamples are noisier than their sample, so that the intervals lean towards 0.",
        ),
        plotted=agreed,
    )
