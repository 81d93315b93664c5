"""All measures of contribution side by side, per modality and class, and their agreement."""

from collections.abc import Callable
from typing import Any

import numpy as np

from amr_tf.analysis import ablation
from amr_tf.analysis.attributions import DeepLift, integrated_gradients, rank_correlation
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.evaluation import in_batches
from amr_tf.analysis.sections import Section, replacements
from amr_tf.analysis.subject import Subject
from amr_tf.attribution import attribute, attribution_shares

EXTREME = 90  # percent: a clip decided by one modality


def contributions(subject: Subject, boots: Bootstrap, conflicts: Section) -> tuple[Section, ...]:
    """All measures of contribution side by side, per modality and class; their agreement."""
    names, labels, classes = subject.modalities, subject.test.labels, len(subject.classes)
    shares, notes = _attributed(subject)
    overall = {k: boots.mean(v) for k, v in shares.items()}
    by_class = {k: boots.class_means(v, labels, classes).swapaxes(0, 1) for k, v in shares.items()}
    logits = ablation.subset_logits(
        subject.head, subject.encodings, replacements(subject)["zero encoding"]
    )
    correct = {s: z.argmax(axis=1) == labels for s, z in logits.items()}

    def shapley(value: Callable) -> np.ndarray:
        values = {s: value(c) for s, c in correct.items()}
        return ablation.positive_shares(ablation.shapley_values(values, len(names)))

    overall["Shapley value"] = shapley(boots.mean)
    by_class["Shapley value"] = shapley(lambda c: boots.class_means(c, labels, classes))
    overall["behaviour"] = np.stack(
        [conflicts.numbers[f"behavioural dominance / {name}"] for name in names]
    )
    by_class["behaviour"] = conflicts.extras["by class"]
    free = names[:-1] if len(names) == 2 else names  # two shares sum to 1: one tells all
    numbers = {f"{k} / {n}": v for k, x in overall.items() for n, v in zip(names, x, strict=True)}
    first = f"Grad⊙Input (probability) / {names[0]}"
    gap = f"Grad⊙Input (probability) - behaviour / {names[0]}"
    numbers[gap] = numbers[first] - numbers[f"behaviour / {names[0]}"]
    main = Section(
        "contributions",
        "Contribution of each modality",
        "What share of the decision each measure gives to each modality. Grad⊙Input is the paper's "
        "attribution at the encodings, under both targets; Integrated Gradients and DeepLIFT "
        "(rescale rule) attribute the difference to the zero encoding; Shapley values are of "
        "accuracy with zero encodings (their positive parts, as shares); behaviour is behavioural "
        "dominance in conflicts. They measure different things and need not agree.",
        numbers,
        bars=tuple(f"{k} / {n}" for k in overall for n in free),
        axis="share, %",
        sentences={
            first: f"takes {{}} of its attribution from {names[0]}",
            gap: f"gives {names[0]} {{}} points of attribution beyond its share of conflicts won",
        },
        notes=notes,
        rows=subject.classes,
        columns={
            f"{k}: {n}": v
            for k, x in by_class.items()
            for n, v in zip(names, x, strict=True)
            if n in free
        },
    )
    distribution = _distribution(subject, boots, shares["Grad⊙Input (probability)"][:, 0])
    return main, distribution, _agreement(by_class, names, free)


def _distribution(subject: Subject, boots: Bootstrap, shares: np.ndarray) -> Section:
    """How the first modality's share `[N]` is distributed over the clips of each class."""
    name, rest = subject.modalities[0], " and ".join(subject.modalities[1:])
    return Section(
        "distribution",
        "Shares of single clips",
        f"How {name}'s share of the attribution (Grad⊙Input, probability) is distributed over the "
        "clips of each class: a mean of one half can be clips that use all modalities, or clips "
        "that use one each. Boxes hold the middle half of a class's clips, with their median; "
        "whiskers reach from the 5th to the 95th percentile. Many classes are shown as bands.",
        {
            f"clips with {EXTREME} % or more from {name}": boots.mean(shares >= EXTREME / 100),
            f"clips with {EXTREME} % or more from {rest}": boots.mean(shares <= 1 - EXTREME / 100),
            "clips in between": boots.mean(np.abs(shares - 0.5) < EXTREME / 100 - 0.5),
        },
        axis=f"{name}'s share of the attribution, %",
        extras={"shares": shares, "labels": subject.test.labels, "classes": subject.classes},
    )


def _agreement(by_class: dict[str, np.ndarray], names: tuple, free: tuple) -> Section:
    measures = list(by_class)
    numbers = {}
    for m, name in enumerate(names):
        if name not in free:
            continue
        found = np.all([np.isfinite(v[m, :, 0]) for v in by_class.values()], axis=0)
        for i, a in enumerate(measures):
            for b in measures[i + 1 :]:
                key = f"{name} / {a} ~ {b}"
                numbers[key] = rank_correlation(by_class[a][m, found], by_class[b][m, found])
    return Section(
        "agreement",
        "Agreement of the measures",
        "Spearman's rank correlation over the classes: do two measures put the classes in the same "
        "order of how much a modality contributes? Few classes make wide intervals.",
        numbers,
        percent=False,
        notes=[
            f"{found.sum()} of {len(found)} classes have a value of every measure.",
            "Resamples are noisier than their sample, so that the intervals lean towards 0.",
        ],
        extras={"measures": measures, "modalities": free},
    )


def _attributed(subject: Subject) -> tuple[dict[str, np.ndarray], list[str]]:
    """Measure -> shares `[N, M]`, and notes."""
    notes = []
    measures = {
        f"Grad⊙Input ({t})": lambda e, t=t: (attribute(subject.head, e, t)[1], None)
        for t in ("probability", "logit")
    }
    measures["Integrated Gradients"] = lambda e: integrated_gradients(subject.head, e)
    try:
        measures["DeepLIFT"] = DeepLift(subject.head)
    except ValueError as error:
        notes.append(f"No DeepLIFT: {error}.")
    shares = {}
    for name, measure in measures.items():

        def pooled(*e: Any, measure: Callable = measure) -> Any:
            found, gap = measure(list(e))
            pooled = attribution_shares(found)
            return pooled if gap is None else (pooled, gap)

        result = in_batches(pooled, *subject.encodings)
        shares[name] = result
        if isinstance(result, tuple):
            shares[name], gap = result
            notes.append(
                f"{name}: the contributions miss g(e) - g(0) by {np.abs(gap).mean():.1e} on "
                f"average, at most by {np.abs(gap).max():.1e}."
            )
    return shares, notes
