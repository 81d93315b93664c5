"""The figures of the study, readable in black and white."""

from collections.abc import Sequence

from matplotlib import pyplot as plt

from amr_tf.modalities.corruption import SEVERITIES
from studies.drawing import curve
from studies.frontier import plan, tables
from studies.frontier.estimates import PICTURE, SOUND, Results
from studies.frontier.plan import FrontierRun

CURVES = {SOUND: "sound corrupted", PICTURE: "picture corrupted"}
SUMMARIES = {"worst": "worse of the two", "mean_corrupted": "mean of the two", "accuracy": "clean"}


def dial(results: Results, names: Sequence[str]) -> plt.Figure:
    """Draws accuracy under corruption of either modality against the audio share, naive fusion."""
    return _dials(results, _naive(names), CURVES)


def summaries(results: Results, names: Sequence[str]) -> plt.Figure:
    """Draws the worse of the two, their mean and clean accuracy against the audio share."""
    return _dials(results, _naive(names), SUMMARIES)


def methods(results: Results, names: Sequence[str]) -> plt.Figure:
    """Draws the dial on top of other methods."""
    sets = [name for name in plan.REAL if name in names]
    return _dials(results, [[FrontierRun(n, m) for n in sets] for m in plan.DIALLED], CURVES)


def severity(results: Results, names: Sequence[str]) -> plt.Figure:
    """Draws naive fusion's accuracy as sound or picture gets worse, at the ends of the dial."""
    sets = [name for name in plan.PAIRS if name in names]
    figure, panels = _panels(1, len(sets))
    x = [*(-s for s in reversed(SEVERITIES)), 0, *SEVERITIES]
    measures = [f"video_corrupted{s}" for s in reversed(SEVERITIES)]
    measures += ["accuracy", *(f"audio_corrupted{s}" for s in SEVERITIES)]
    for panel, name in zip(panels[0], sets, strict=False):
        run = FrontierRun(name)
        kinds = {"no AMR": run}
        kinds |= {r: run.amr(ratio=r) for r in (plan.RATIOS[0], plan.EVEN, plan.RATIOS[-1])}
        for i, (title, kind) in enumerate(kinds.items()):
            curve(panel, x, [results.mean(kind, m) for m in measures], i, title)
        panel.set(title=plan.TITLES[name], xlabel="← picture worse   severity   sound worse →")
        panel.set_xticks(x, [str(abs(v)) for v in x])
        _finish(panel)
    panels[0][0].set_ylabel("accuracy, %")
    return figure


def conflicts(results: Results, names: Sequence[str]) -> plt.Figure:
    """Draws behaviour in conflicts against clean accuracy."""
    return _frontier(results, names, "behaviour_{m}", "conflicts that the dominant one wins, %")


def corrupted(results: Results, names: Sequence[str]) -> plt.Figure:
    """Draws accuracy with the dominant modality corrupted against clean accuracy."""
    return _frontier(results, names, "{m}_corrupted", "accuracy, dominant one corrupted, %")


def missing(results: Results, names: Sequence[str]) -> plt.Figure:
    """Draws accuracy without the dominant modality against clean accuracy."""
    return _frontier(results, names, "without_{m}", "accuracy, dominant one missing, %")


ALL = {
    "dial": dial, "summaries": summaries, "methods": methods, "severity": severity,
    "conflicts": conflicts, "corrupted": corrupted, "missing": missing,
}  # fmt: skip


def dominant(results: Results, name: str) -> str:
    """The modality of the larger share in naive fusion without AMR."""
    share = results.mean(FrontierRun(name), "share_audio")
    return "video" if share is not None and share.mean < 50 else "audio"


def _naive(names: Sequence[str]) -> list[list[FrontierRun]]:
    sets = [name for name in plan.PAIRS if name in names]
    real = [name for name in plan.REAL if name in names]
    return [[FrontierRun(n) for n in sets], [FrontierRun(n, inputs="clips") for n in real]]


def _dials(results: Results, rows: list[list[FrontierRun]], measures: dict) -> plt.Figure:
    """A panel a run: against the audio share, a curve a number; crosses are without AMR."""
    figure, panels = _panels(len(rows), max(map(len, rows)))
    for line, row in zip(panels, rows, strict=True):
        for panel, run in zip(line, row, strict=False):
            kinds = [run.amr(ratio=r) for r in plan.RATIOS]
            shares = [results.mean(kind, "share_audio") for kind in kinds]
            there = [(k, s.mean) for k, s in zip(kinds, shares, strict=True) if s is not None]
            for i, (measure, title) in enumerate(measures.items()):
                found = [results.mean(kind, measure) for kind, _ in there]
                curve(panel, [share for _, share in there], found, i, title)
                share, value = (results.mean(run, m) for m in ("share_audio", measure))
                if share is not None and value is not None:
                    panel.plot(share.mean, value.mean, "x", color="black", ms=8, mew=2)
            told = "end to end" if run.inputs == "clips" else run.method
            panel.set(title=f"{plan.TITLES[run.set]}\n{told}", xlabel="audio share, %")
            _finish(panel)
        line[0].set_ylabel("accuracy, %")
    return figure


def _frontier(results: Results, names: Sequence[str], pattern: str, told: str) -> plt.Figure:
    """A panel a set, a point a setting, with its intervals."""
    sets = [name for name in (*plan.REAL, plan.SYNTHETIC) if name in names]
    figure, panels = _panels(1, len(sets), height=5)
    for panel, name in zip(panels[0], sets, strict=False):
        measure = pattern.format(m=dominant(results, name))
        for marker, face, label, runs in _settings(name):
            for k, (short, run) in enumerate(runs.items()):
                x, y = (results.mean(run, m) for m in ("accuracy", measure))
                if x is None or y is None:
                    continue
                errors = [v.half_width if len(v.points) > 1 else 0 for v in (y, x)]
                panel.errorbar(
                    x.mean, y.mean, *errors, fmt=marker, color="black", ecolor="#bbbbbb",
                    markerfacecolor=face, ms=5, lw=0.8, label="" if k else label,
                )  # fmt: skip
                panel.annotate(short, (x.mean, y.mean), (3, 3), textcoords="offset points",
                               fontsize=6)  # fmt: skip
        panel.set(title=f"{plan.TITLES[name]}: {dominant(results, name)}")
        panel.set(xlabel="clean accuracy, %", ylabel=told)
        _finish(panel)
    return figure


def _settings(name: str) -> list[tuple[str, str, str, dict[str, FrontierRun]]]:
    """Marker, face, label and runs of each series of a frontier."""
    run = FrontierRun(name)
    methods = {m: FrontierRun(name, m) for m in plan.FUSED}
    auto = {m: r.amr() for m, r in methods.items()}
    ratios = {r: run.amr(ratio=r) for r in plan.RATIOS}
    shared = {run, *auto.values(), *ratios.values()}
    variants = {t: r for t, r in tables.variant_kinds(name).items() if r not in shared}
    return [
        ("o", "white", "methods without AMR", methods), ("o", "black", "methods, even AMR", auto),
        ("s", "#999999", "naive, by ratio", ratios), ("^", "#dddddd", "naive, variants", variants),
    ]  # fmt: skip


def _panels(rows: int, columns: int, height: float = 3.4) -> tuple[plt.Figure, list]:
    figure, panels = plt.subplots(
        rows, max(columns, 1), figsize=(3.8 * max(columns, 1), height * rows), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for panel in panels.flat:
        panel.set_visible(False)
    return figure, panels


def _finish(panel: plt.Axes) -> None:
    panel.set_visible(True)
    panel.grid(color="#dddddd", lw=0.6)
    if panel.get_legend_handles_labels()[0]:
        panel.legend(frameon=False, fontsize=7)
