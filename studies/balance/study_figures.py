"""The figures of the study, readable in black and white: markers and fills tell series apart."""

import numpy as np
from matplotlib import pyplot as plt

from amr_tf.analysis.seed_intervals import Estimate
from studies.balance import study_plan
from studies.balance.data import MEASURED_SEVERITIES
from studies.balance.estimates import CONDITIONS, ROWS, Results, effects
from studies.balance.study_plan import StudyRun
from studies.balance.study_tables import VARIANT_TITLES
from studies.drawing import MARKERS, curve, dots


def where(results: Results) -> plt.Figure:
    """Draws AMR's effect on accuracy: a panel a condition, a row a level and method."""
    found = effects(results)
    rows = [(level, method) for level in study_plan.LEVELS for method in ROWS]
    figure, panels = plt.subplots(
        1, len(CONDITIONS), figsize=(13, 6), sharey=True, layout="constrained"
    )
    for panel, (condition, title) in zip(panels, CONDITIONS.items(), strict=True):
        panel.axvline(0, color="black", lw=0.8)
        for y, (level, method) in enumerate(rows):
            difference, stands = found.get((condition, level, method), (None, False))
            _point(panel, difference, y, stands, MARKERS[study_plan.LEVELS.index(level)])
        for edge in range(1, len(study_plan.LEVELS)):
            panel.axhline(edge * len(ROWS) - 0.5, color="#bbbbbb", lw=0.8)
        panel.set_title(title, fontsize=11)
        panel.grid(axis="x", color="#dddddd", lw=0.6)
    panels[0].set_yticks(range(len(rows)), [f"{method}, {level}" for level, method in rows])
    panels[0].invert_yaxis()
    figure.supxlabel("accuracy with AMR minus without, points; filled: stands in its family (Holm)")
    return figure


def severity(results: Results) -> plt.Figure:
    """Draws the naive model's accuracy as sound or picture gets worse, with and without AMR."""
    figure, panels = plt.subplots(
        1, len(study_plan.LEVELS), figsize=(11, 3.8), sharey=True, layout="constrained"
    )
    x = [-s for s in reversed(MEASURED_SEVERITIES)] + [0] + list(MEASURED_SEVERITIES)
    names = [f"video_corrupted{s}" for s in reversed(MEASURED_SEVERITIES)]
    names += ["accuracy", *(f"audio_corrupted{s}" for s in MEASURED_SEVERITIES)]
    for panel, level in zip(panels, study_plan.LEVELS, strict=True):
        for i, amr in enumerate(("", "probability")):
            found = [results.mean(StudyRun(level, amr=amr), name) for name in names]
            curve(panel, x, found, i, "with AMR" if amr else "without AMR")
        panel.set(title=level, xlabel="← picture worse    severity    sound worse →")
        panel.set_xticks(x, [str(abs(v)) for v in x])
        panel.grid(color="#dddddd", lw=0.6)
    panels[0].set_ylabel("accuracy, %")
    panels[0].legend(frameon=False)
    return figure


def logit(results: Results) -> plt.Figure:
    """Draws shares by three readings, and behaviour, by AMR's target: a panel a level."""
    measures = {
        "share_logit": "share,\nlogit", "share_centred": "share,\nlogit centred",
        "share_probability": "share,\nprobability", "behaviour": "behaviour",
    }  # fmt: skip
    figure, panels = plt.subplots(
        1, len(study_plan.LEVELS), figsize=(12, 4), sharey=True, layout="constrained"
    )
    for panel, level in zip(panels, study_plan.LEVELS, strict=True):
        panel.axhline(50, color="#888888", lw=0.8, ls=":")
        for i, amr in enumerate(("", "logit", "probability")):
            found = [results.mean(StudyRun(level, amr=amr), name) for name in measures]
            x = np.arange(len(measures)) + 0.22 * (i - 1)
            label = f"AMR, {amr} target" if amr else "no AMR"
            dots(panel, x, found, i, label)
        panel.set_xticks(range(len(measures)), measures.values(), fontsize=9)
        panel.set_title(level)
    panels[0].set_ylabel("audio, %")
    panels[0].legend(frameon=False)
    return figure


def pushed(results: Results) -> plt.Figure:
    """Draws dominance and accuracy against weight decay and dropout rate."""
    decays = {0.0: StudyRun("moderate")} | {
        d: StudyRun("moderate", weight_decay=d) for d in study_plan.DECAYS
    }
    rates = {0.0: StudyRun("moderate")}
    rates |= {r: StudyRun("moderate", "dropout", rate=r) for r in sorted({*study_plan.RATES, 0.5})}
    measures = {
        "share_probability": "audio share", "behaviour": "behaviour, audio", "accuracy": "accuracy"
    }  # fmt: skip
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
    for panel, (name, runs) in zip(
        panels, {"weight decay": decays, "dropout rate": rates}.items(), strict=True
    ):
        for i, (measure, label) in enumerate(measures.items()):
            found = [results.mean(run, measure) for run in runs.values()]
            curve(panel, range(len(runs)), found, i, label)
        panel.set_xticks(range(len(runs)), [f"{value:g}" for value in runs])
        panel.set_xlabel(name)
        panel.axhline(50, color="#888888", lw=0.8, ls=":")
    panels[0].set_ylabel("%")
    panels[0].legend(frameon=False)
    return figure


def variants(results: Results) -> plt.Figure:
    """Draws the effects of the variants of the regulariser, measure by measure."""
    measures = {
        "share_probability": "audio share", "behaviour": "behaviour", "accuracy": "accuracy",
        "audio_corrupted": "sound\ncorrupted", "video_corrupted": "picture\ncorrupted",
        "probe_audio": "probe\naudio", "probe_video": "probe\nvideo",
    }  # fmt: skip
    figure, panel = plt.subplots(figsize=(9.5, 4), layout="constrained")
    panel.axhline(50, color="#888888", lw=0.8, ls=":")
    for i, amr in enumerate(("", "probability", "all_variables", "per_sample")):
        found = [results.mean(StudyRun("moderate", amr=amr), name) for name in measures]
        dots(panel, np.arange(len(measures)) + 0.18 * (i - 1.5), found, i, VARIANT_TITLES[amr])
    panel.set_xticks(range(len(measures)), measures.values())
    panel.set_ylabel("%")
    panel.legend(frameon=False, ncols=2, fontsize=9)
    return figure


ALL = {
    "where": where, "severity": severity, "logit": logit, "pushed": pushed, "variants": variants
}  # fmt: skip


def _point(panel: plt.Axes, value: Estimate | None, y: float, filled: bool, marker: str) -> None:
    if value is None:
        return
    panel.plot([value.low, value.high], [y, y], color="black", lw=1)
    face = "black" if filled else "white"
    panel.plot(value.mean, y, marker, color="black", markerfacecolor=face, ms=6)
