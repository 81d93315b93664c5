"""The runs that make a comparison: methods x weights of AMR x seeds x sweeps."""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence

from amr_tf._multipliers import AUTO
from amr_tf.methods.base import TEACHERS
from trainers.comparison.asked import WEIGHT
from trainers.config.methods import flag_aliases, method_of
from trainers.config.run_config import UNUSED_BY_ONE_MODALITY

WITHOUT = "0"  # the weight of a run without AMR
# Sweeping these changes nothing in a run without AMR.
_AMR_ONLY = (
    WEIGHT, "amr_ratio", "amr_scope", "amr_target", "amr_measure", "amr_optimizer",
    "amr_learning_rate",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Run:
    """One call of `trainers.fit`.

    Attributes:
        method: String, the method or a modality.
        options: String, its `--method_options`.
        swept: Pairs of a flag and its value, of the sweep; the weight of AMR is not among them.
        amr_weight: String, the weight of AMR: a number, `auto`, or `WITHOUT`.
        seed: Integer, the seed of everything.
    """

    method: str
    options: str = ""
    swept: tuple[tuple[str, str], ...] = ()
    amr_weight: str = WITHOUT
    seed: int = 0

    @property
    def name(self) -> str:
        """A name for its directory."""
        label = _label(self.method, self.options, self.swept)
        slug = re.sub(r"[^A-Za-z0-9.=]+", "-", label).strip("-")
        return f"{slug}-amr{self.amr_weight}-seed{self.seed}"

    @property
    def flags(self) -> dict[str, str]:
        """The flags that it gives to `trainers.fit` beyond those that all runs share."""
        flags = {
            "method": self.method, WEIGHT: self.amr_weight, "seed": str(self.seed),
            **dict(self.swept),
        }  # fmt: skip
        if self.options:
            flags["method_options"] = self.options
        return flags


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        label: String, the method, its options and the swept values.
        method: String, the method or a modality.
        runs: Mapping, weight of AMR -> its runs, by seed; `WITHOUT` comes first, and stands there
            by itself where there is nothing to balance or to train.
    """

    label: str
    method: str
    runs: Mapping[str, tuple[Run, ...]]


def rows(
    methods: Sequence[tuple[str, str]],
    seeds: Sequence[int],
    modalities: Sequence[str],
    sweeps: Sequence[Sequence[tuple[str, str]]] = (),
    weights: Sequence[str] = ("1",),
) -> list[Row]:
    """The table's rows.

    Args:
        methods: Sequence of (method, options) pairs.
        seeds: Integers, the seeds of the runs.
        modalities: Strings, the modalities of the runs.
        sweeps: Sequence of the (flag, value) pairs of each swept flag; all combinations become
            rows.
        weights: Strings, the weights of AMR that each row has beside `WITHOUT`; a row of a swept
            weight has that one.
    """
    made: dict[str, Row] = {}
    for (method, options), swept in itertools.product(methods, itertools.product(*sweeps)):
        kind = method_of(method, modalities)
        alone = method in modalities or not kind.trains
        # options of other methods
        swept = _without(swept, [flag for flag in flag_aliases() if flag not in kind.flags])
        always = _without(swept, UNUSED_BY_ONE_MODALITY if alone else (), _AMR_ONLY)
        runs = {WITHOUT: tuple(Run(method, options, always, seed=seed) for seed in seeds)}
        others = _without(swept, (WEIGHT,))
        for weight in () if alone else [v for flag, v in swept if flag == WEIGHT] or weights:
            runs[weight] = tuple(Run(method, options, others, weight, seed) for seed in seeds)
        label = _label(method, options, always if alone else swept)
        made[label] = Row(label, method, runs)
    return list(made.values())


def titles(table: Sequence[Row]) -> list[str]:
    """Names the blocks of runs that the rows have: without AMR, then one for each weight.

    Args:
        table: Sequence of rows.

    Returns:
        A title for each place in the rows' `runs`; it names the weight, unless that differs from
        row to row.
    """
    found = ["without AMR"]
    for place in range(1, max(len(row.runs) for row in table)):
        weights = {list(row.runs)[place] for row in table if len(row.runs) > place}
        weight = weights.pop()
        found.append("with AMR" if weights else weight if weight == AUTO else f"weight {weight}")
    return found


def in_order(table: Sequence[Row], modalities: Sequence[str]) -> list[Run]:
    """All runs, each once, seed by seed, the unimodal ones first: others learn from them.

    Args:
        table: Sequence of rows.
        modalities: Strings, the modalities of the runs.
    """
    planned = [run for row in table for some in row.runs.values() for run in some]
    needed = [teacher for run in planned for teacher in teachers(run, modalities).values()]
    place = {row.method: index for index, row in enumerate(table)}
    return sorted(
        dict.fromkeys([*needed, *planned]),
        key=lambda run: (
            run.seed, run.method not in modalities, place.get(run.method, -1),
            run.amr_weight != WITHOUT,
        ),
    )  # fmt: skip


def teachers(run: Run, modalities: Sequence[str]) -> dict[str, Run]:
    """Modality -> the unimodal run that a run learns from; empty where it learns from none."""
    if TEACHERS not in method_of(run.method, modalities).requires:
        return {}
    swept = _without(run.swept, UNUSED_BY_ONE_MODALITY, _AMR_ONLY, tuple(flag_aliases()))
    return {name: Run(name, "", swept, seed=run.seed) for name in modalities}


def _without(swept: Sequence[tuple[str, str]], *flags: Sequence[str]) -> tuple:
    gone = {flag for some in flags for flag in some}
    return tuple(pair for pair in swept if pair[0] not in gone)


def _label(method: str, options: str, swept: Sequence[tuple[str, str]]) -> str:
    label = f"{method}({options})" if options else method
    return " ".join([label, *(f"{flag}={value}" for flag, value in swept)])
