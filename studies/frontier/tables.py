"""The tables of the study, in Markdown."""

import itertools
from collections.abc import Sequence

from amr_tf.analysis import within
from amr_tf.measures import MEASURES
from studies.frontier import plan
from studies.frontier.estimates import PICTURE, SOUND, Results, best_ratio, outcomes
from studies.frontier.plan import FrontierRun
from studies.page import markdown, plain, signed

MARGIN = 1.0  # points of accuracy that do not matter
NUMBERS = {
    "share_audio": "audio share", "shapley_audio": "Shapley share", "behaviour_audio": "behaviour",
    "accuracy": "clean", SOUND: "sound corrupted", PICTURE: "picture corrupted",
    "worst": "worse of the two", "mean_corrupted": "mean of the two",
    "without_audio": "without sound", "without_video": "without picture",
}  # fmt: skip
PROBES = {"probe_audio": "probe, sound", "probe_video": "probe, picture"}
NOTHING = "No run of this is finished."


def preregistered(results: Results, names: Sequence[str]) -> str:
    """The table of all preregistered comparisons."""
    titles = NUMBERS | PROBES | {"worst_missing": "one missing, the worse"}
    rows = []
    for comparison, found in outcomes(results, names).items():
        seeds = len(found.difference.points) if found.difference else 0
        ps = [f"{p:.2g}" if p == p else "-" for p in (found.p, found.corrected)]
        rows.append([comparison.question, comparison.told, titles[comparison.measure], str(seeds),
                     signed(found.difference), *ps, "yes" if found.stands else ""])  # fmt: skip
    head = ["question", "comparison", "of", "seeds", "difference", "p", "p, Holm", "stands"]
    return markdown(head, rows)


def methods(results: Results, names: Sequence[str], name: str) -> str:
    """The table of all methods on a set, in the layout of the paper."""
    rows = []
    share = "largest_share" if name == plan.MANY else "share_audio"
    numbers = ("mAP", "accuracy", share)
    kinds = [FrontierRun(name, m) for m in plan.fused(name)]
    for run in kinds:
        cells = [
            plain(results.mean(run.but(weight=w), n))
            for w in (plan.NONE, plan.ONE, plan.AUTO) for n in numbers
        ]  # fmt: skip
        changes = [
            results.difference(run.but(weight=w), run, "accuracy") for w in (plan.ONE, plan.AUTO)
        ]
        for change in changes:
            cells += [signed(change), within(change, MARGIN) if change else "-"]
        rows.append([run.method, *cells])
    rest = ["-"] * (len(rows[0]) - 4)
    ensemble = FrontierRun(name, plan.ENSEMBLE)
    rows.append([plan.ENSEMBLE, *(plain(results.mean(ensemble, n)) for n in numbers), *rest])
    alone = {run.modality for run in results.measured if run.set == name and run.modality}
    for modality in sorted(alone):
        run = FrontierRun(name, plan.ALONE, modality=modality)
        rows.append(
            [f"{modality} alone", *(plain(results.mean(run, n)) for n in numbers[:2]), "-", *rest]
        )
    if all(cell == "-" for row in rows for cell in row[1:]):
        return NOTHING
    head = ["method"]
    for weight in ("without", "weight 1", "auto"):
        head += [f"{weight}: mAP", "accuracy", "largest share" if name == plan.MANY else "audio"]
    for weight in ("weight 1", "auto"):
        head += [f"{weight}: change in accuracy", "within 1 point"]
    return markdown(head, rows)


def reached(results: Results, names: Sequence[str], name: str) -> str:
    """The table of how far the largest share is from an even one, on train and on test clips."""
    rows = []
    for run in (FrontierRun(name, m) for m in plan.fused(name)):
        cells = [
            plain(results.mean(run.but(weight=w), n))
            for w in (plan.NONE, plan.ONE, plan.AUTO) for n in ("missed_train", "missed")
        ]  # fmt: skip
        rows.append([run.method, *cells])
    if all(cell == "-" for row in rows for cell in row[1:]):
        return NOTHING
    head = ["method"]
    for weight in ("without", "weight 1", "auto"):
        head += [f"{weight}: train", "test"]
    return markdown(head, rows)


def dial(results: Results, names: Sequence[str], name: str, method: str, inputs: str) -> str:
    """The table of the dial on a set: no AMR, and AMR at each ratio."""
    run = FrontierRun(name, method, inputs=inputs)
    kinds = {"no AMR": run} | {r: run.amr(ratio=r) for r in plan.RATIOS}
    return _numbers(results, kinds, list(NUMBERS), "ratio")


def best(results: Results, names: Sequence[str]) -> str:
    """The table of the ratios at which a number is highest, and where the two curves cross."""
    rows = []
    for name in (n for n in plan.PAIRS if n in names):
        for inputs, method in (
            *(("components", m) for m in ("naive", *plan.DIALLED)), ("clips", "naive")
        ):  # fmt: skip
            run = FrontierRun(name, method, inputs=inputs)
            if best_ratio(results, run, "worst") is None:
                continue
            cells = []
            for measure in ("worst", "mean_corrupted", "accuracy"):
                ratio = best_ratio(results, run, measure)
                cells.append(f"{ratio}: {plain(results.mean(run.amr(ratio=ratio), measure))}")
            cross = crossing(results, run)
            without = [plain(results.mean(run, m)) for m in ("worst", "mean_corrupted")]
            rows.append([plan.TITLES[name], inputs, method, *cells, *without,
                         "none" if cross is None else f"{cross:.0f}"])  # fmt: skip
    head = ["set", "inputs", "method", "best for the worse", "best for the mean", "best clean",
            "no AMR: worse", "no AMR: mean", "curves cross at an audio share of"]  # fmt: skip
    return markdown(head, rows) if rows else NOTHING


def crossing(results: Results, run: FrontierRun) -> float | None:
    """The audio share, in percent, at which the two curves of the dial cross; None if they don't.

    Between two ratios the curves of the means are taken as straight.
    """
    points = []
    for ratio in plan.RATIOS:
        found = [results.mean(run.amr(ratio=ratio), m) for m in ("share_audio", SOUND, PICTURE)]
        if None not in found:
            share, sound, picture = (value.mean for value in found)
            points.append((share, sound - picture))
    for (a, over), (b, under) in itertools.pairwise(points):
        if over * under <= 0 and over != under:
            return a + (b - a) * over / (over - under)
    return None


def variants(results: Results, names: Sequence[str], name: str) -> str:
    """The table of variants of AMR on naive fusion."""
    numbers = [*list(NUMBERS)[:6], "worst", "worst_missing", *PROBES]
    return _numbers(results, variant_kinds(name), numbers, "variant")


def variant_kinds(name: str) -> dict[str, FrontierRun]:
    """Title -> run, of the variants of AMR on naive fusion."""
    run = FrontierRun(name)
    kinds = {"no AMR": run, "weight 1": run.but(weight=plan.ONE)}
    kinds |= {f"auto, {m}": run.amr(measure=m) for m in MEASURES}
    kinds |= {f"auto, scope {s}": run.amr(scope=s) for s in plan.SCOPES[1:]}
    for ratio in (plan.RATIOS[0], plan.RATIOS[-1]):
        kinds |= {f"auto, {m}, {ratio}": run.amr(measure=m, ratio=ratio) for m in MEASURES[::2]}
    return kinds


def _numbers(
    results: Results, kinds: dict[str, FrontierRun], numbers: Sequence[str], first: str
) -> str:
    titles = NUMBERS | PROBES | {"worst_missing": "one missing, the worse"}
    rows = [[title, *(plain(results.mean(run, n)) for n in numbers)] for title, run in
            kinds.items()]  # fmt: skip
    rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
    return markdown([first, *(titles[n] for n in numbers)], rows) if rows else NOTHING
