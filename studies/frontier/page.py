"""Writes docs/frontier.md: the prose of template.md, its tables and numbers from the finished runs.

In the template `{{table NAME ARGUMENT ...}}` is a table, `{{tables NAME}}` one a set,
`{{answer QUESTION}}` the outcomes of a question's comparisons in sentences, `{{gains}}` the
settings that gain or lose robustness, `{{place SET}}` where AMR stands; the others are counts and
times.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from studies import drawing
from studies.frontier import figures, plan, tables, train
from studies.frontier.estimates import Results, comparisons, outcomes
from studies.frontier.plan import FrontierRun
from studies.page import filled, markdown, plain, runs_csv, signed

TEMPLATE = pathlib.Path(__file__).with_name("template.md")


def write(work: pathlib.Path, docs: pathlib.Path, modalities: dict[str, Sequence[str]]) -> None:
    """Writes frontier.md, frontier/*.png and frontier/runs.csv from what is finished.

    Args:
        work: Path, the directory of the study.
        docs: Path, the directory to write to.
        modalities: Dictionary, set -> its modalities; the sets that there are.
    """
    planned = [run for wave in plan.waves(modalities, plan.PARTS) for run in wave]
    results = Results.load(work, planned)
    names = list(modalities)
    directory = docs / "frontier"
    directory.mkdir(parents=True, exist_ok=True)
    drawing.write(directory, figures.ALL, results, names)
    (directory / "runs.csv").write_text(runs_csv(FrontierRun, results))
    fields = FIELDS | {"all": lambda *_: str(len(planned)), "missing": lambda *_: _missing(
        results, planned, names)}  # fmt: skip
    (docs / "frontier.md").write_text(filled(TEMPLATE.read_text(), fields, results, names))


def _missing(results: Results, planned: Sequence[FrontierRun], names: Sequence[str]) -> str:
    """The sets and runs that the page lacks, in sentences; nothing if it lacks none."""
    lines = []
    absent = [plan.TITLES[n] for n in plan.TITLES if n not in names]
    if absent:
        lines.append(f"These sets were not given and are left out: {'; '.join(absent)}.")
    left = [run for run in planned if run not in results.measured]
    if left:
        counts: dict[str, int] = {}
        for run in left:
            kind = f"{plan.TITLES[run.set]} ({run.inputs})"
            counts[kind] = counts.get(kind, 0) + 1
        told = "; ".join(f"{count} of {kind}" for kind, count in counts.items())
        lines.append(f"These runs are not finished: {told}.")
    return "\n".join(lines)


def _answer(results: Results, names: Sequence[str], question: str) -> str:
    """The outcomes of a question's comparisons, in sentences."""
    found = {c: o for c, o in outcomes(results, names).items()
             if c.question.split(",")[0] == question}  # fmt: skip
    there = {c: o for c, o in found.items() if o.difference is not None}
    if not there:
        return f"None of the {len(found)} comparisons has two finished runs of a pair yet."
    stand = [o for o in there.values() if o.stands]
    text = (
        f"Of {len(found)} comparisons {len(there)} have runs, and {len(stand)} differences are "
        "told from zero after the correction."
    )
    titles = tables.NUMBERS | tables.PROBES | {"worst_missing": "one missing, the worse"}
    lines = [text, ""]
    for c, o in there.items():
        mark = " (stands)" if o.stands else ""
        lines.append(f"- {c.told}; {titles[c.measure]}: {signed(o.difference)}{mark}")
    return "\n".join(lines)


def _tables(results: Results, names: Sequence[str], kind: str) -> str:
    """A table for each set that has one, under its title."""
    parts = []
    for name in (n for n in (*plan.PAIRS, plan.MANY) if n in names):
        if kind == "methods" and name in (*plan.REAL, plan.MANY):
            parts.append((plan.TITLES[name], tables.methods(results, names, name)))
        elif kind == "reached" and name in (*plan.REAL, plan.MANY):
            parts.append((plan.TITLES[name], tables.reached(results, names, name)))
        elif kind == "variants" and name in (*plan.REAL, plan.SYNTHETIC):
            parts.append((plan.TITLES[name], tables.variants(results, names, name)))
        elif kind == "dial" and name != plan.MANY:
            for inputs, method in (("components", "naive"), ("clips", "naive"), *(
                ("components", m) for m in plan.DIALLED)):  # fmt: skip
                table = tables.dial(results, names, name, method, inputs)
                if table != tables.NOTHING:
                    parts.append((f"{plan.TITLES[name]}, {inputs}, {method}", table))
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts) or tables.NOTHING


def _gains(results: Results, names: Sequence[str]) -> str:
    """The settings that gain robustness at no clean cost, and those that cost and gain nothing.

    A gain is an interval of a difference from naive fusion without AMR that lies above 0.
    """
    robust = {"worst": "worse of the two", "mean_corrupted": "mean of the two",
              "worst_missing": "one missing, the worse"}  # fmt: skip
    rows = []
    for name in (n for n in (*plan.REAL, plan.SYNTHETIC) if n in names):
        naive = FrontierRun(name)
        kinds = {f"naive, {t}": r for t, r in tables.variant_kinds(name).items() if r != naive}
        kinds |= {f"naive, {r}": naive.amr(ratio=r) for r in plan.RATIOS if r != plan.EVEN}
        for method in plan.FUSED:
            run = FrontierRun(name, method)
            pairs = (("", run), (", even AMR", run.amr())) if run != naive else ()
            kinds |= {f"{method}{told}": one for told, one in pairs}
        for told, run in kinds.items():
            clean = results.difference(run, naive, "accuracy")
            found = {m: results.difference(run, naive, m) for m in robust}
            if clean is None or None in found.values():
                continue
            gains = [m for m, d in found.items() if d.low > 0]
            verdict = ""
            if gains and clean.low > -tables.MARGIN:
                verdict = "gains, clean cost under 1 point"
            elif clean.high < 0 and not gains:
                verdict = "costs, gains nothing"
            if verdict:
                cells = [signed(found[m]) for m in robust]
                rows.append([plan.TITLES[name], told, signed(clean), *cells, verdict])
    if not rows:
        return "No setting is of either kind among the finished runs."
    return markdown(["set", "setting", "clean", *robust.values(), "what it does"], rows)


def _place(results: Results, names: Sequence[str]) -> str:
    """The place of AMR among other methods: clean accuracy and robustness, with and without it."""
    rows = []
    numbers = ("accuracy", "worst", "mean_corrupted", "worst_missing", "behaviour_audio")
    for name in (n for n in plan.REAL if n in names):
        for method in ("naive", *plan.DIALLED):
            for told, run in (("", FrontierRun(name, method)), (
                ", even AMR", FrontierRun(name, method).amr())):  # fmt: skip
                cells = [plain(results.mean(run, n)) for n in numbers]
                rows.append([plan.TITLES[name], method + told, *cells])
    head = ["set", "method", "clean", "worse of the two", "mean of the two", "one missing, the "
            "worse", "behaviour"]  # fmt: skip
    return markdown(head, rows) if rows else tables.NOTHING


def _seconds(results: Results, names: Sequence[str], inputs: str) -> str:
    found = [m["seconds"] for run, m in results.measured.items() if run.inputs == inputs]
    return f"{np.median(found):.0f}" if found else "-"


def _recipe(results: Results, names: Sequence[str], inputs: str) -> str:
    recipe = train.RECIPES[inputs]
    return (
        f"width {recipe.width}, {recipe.epochs} epochs, batches of {recipe.batch}, AdamW at "
        f"{recipe.rate:g} falling along a cosine, weight decay {recipe.decay:g}"
    )


FIELDS = {
    "table": lambda results, names, name: getattr(tables, name)(results, names),
    "tables": _tables,
    "answer": _answer,
    "gains": _gains,
    "place": _place,
    "seconds": _seconds,
    "recipe": _recipe,
    "count": lambda results, names: str(len(results.measured)),
    "comparisons": lambda results, names: str(len(comparisons(names))),
    "stand": lambda results, names: str(sum(o.stands for o in outcomes(results, names).values())),
    "hours": lambda results, names: (
        f"{sum(m['seconds'] for m in results.measured.values()) / 3600:.1f}"
    ),
}  # fmt: skip
