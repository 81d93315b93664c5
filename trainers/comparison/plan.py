"""Which runs a comparison is made of: methods x seeds x sweeps, without and with AMR."""

import dataclasses
import itertools
import re
from collections.abc import Sequence

from amr_tf.methods.base import TEACHERS
from trainers.config.methods import flag_aliases, method_names, method_of
from trainers.config.run_config import UNUSED_BY_ONE_MODALITY

_METHOD = re.compile(r"(?P<name>[a-z_][a-z0-9_]*)(?:\((?P<options>[^()]*)\))?")
# Sweeping these changes nothing in a run without AMR.
_AMR_ONLY = (
    "amr_weight", "amr_ratio", "amr_target", "amr_measure", "amr_optimizer", "amr_learning_rate",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Run:
    """One call of `trainers.fit`.

    Attributes:
        method: String, the method or a modality.
        options: Its `--method_options`.
        swept: Flag -> value, of the sweep.
        amr: Whether with AMR.
        seed: Of everything.
    """

    method: str
    options: str = ""
    swept: tuple[tuple[str, str], ...] = ()
    amr: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        """A name for its directory."""
        label = _label(self.method, self.options, self.swept)
        slug = re.sub(r"[^A-Za-z0-9.=]+", "-", label).strip("-")
        return f"{slug}-{'amr' if self.amr else 'plain'}-seed{self.seed}"

    @property
    def flags(self) -> dict[str, str]:
        """What it gives to `trainers.fit` beyond what all runs share."""
        flags = {"method": self.method, "seed": str(self.seed), **dict(self.swept)}
        if self.options:
            flags["method_options"] = self.options
        return flags


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        label: Method, its options and the swept values.
        method: String, the method or a modality.
        plain: Its runs without AMR, by seed.
        amr: Its runs with AMR, by seed; empty where there is nothing to balance or to train.
    """

    label: str
    method: str
    plain: tuple[Run, ...]
    amr: tuple[Run, ...]


def default_methods(modalities: Sequence[str]) -> str:
    """Every registered method that is defined for the modalities, and each modality alone.

    Args:
        modalities: Strings, the modalities of the runs.
    """
    found = []
    for name in method_names(modalities if len(modalities) > 1 else ()):
        method = method_of(name, modalities)
        if len(modalities) >= method.min_modalities:
            found.append(f"{name}({method.demo_options})" if method.demo_options else name)
    return ",".join(found)


def parse_methods(text: str, modalities: Sequence[str]) -> list[tuple[str, str]]:
    """Reads `naive,ogm(alpha=0.5,score=ablation),audio` as (method, options) pairs.

    Args:
        text: String, what was given.
        modalities: Strings, the modalities of the runs.

    Raises:
        ValueError: Something else, or an unknown method.
    """
    found, position = [], 0
    while position < len(text):
        match = _METHOD.match(text, position)
        end = match.end() if match else position
        if not match or (end < len(text) and text[end] != ","):
            raise ValueError(
                f"--methods={text}: write names, with options in brackets where you want them: "
                "naive,ogm(alpha=0.5)"
            )
        known = method_names(modalities)
        if match["name"] not in known:
            raise ValueError(
                f"--methods={text}: no method {match['name']!r}; there are {', '.join(known)}"
            )
        found.append((match["name"], match["options"] or ""))
        position = end + 1
    if not found:
        raise ValueError("--methods is empty: name at least one")
    return list(dict.fromkeys(found))


def parse_sweeps(texts: Sequence[str], known: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Reads `amr_weight=0.1,1,10` lists, one a flag.

    Args:
        texts: As given.
        known: Flags that can be swept.

    Returns:
        Per flag its (flag, value) pairs.

    Raises:
        ValueError: Not of that form, or an unknown flag.
    """
    sweeps = []
    for text in texts:
        flag, equals, values = text.partition("=")
        if not equals or not all(values.split(",")):
            raise ValueError(f"--sweep={text}: write FLAG=VALUE,VALUE,...")
        if flag not in known:
            raise ValueError(f"--sweep={text}: {flag!r} is no flag of trainers.fit to sweep")
        sweeps.append([(flag, value) for value in values.split(",")])
    return sweeps


def rows(
    methods: Sequence[tuple[str, str]],
    seeds: Sequence[int],
    modalities: Sequence[str],
    sweeps: Sequence[Sequence[tuple[str, str]]] = (),
) -> list[Row]:
    """The table's rows.

    Args:
        methods: (method, options) pairs.
        seeds: Integers, the seeds of the runs.
        modalities: Strings, the modalities of the runs.
        sweeps: Per swept flag its (flag, value) pairs; all combinations become rows.
    """
    made: dict[str, Row] = {}
    for (method, options), swept in itertools.product(methods, itertools.product(*sweeps)):
        kind = method_of(method, modalities)
        alone = method in modalities or not kind.trains
        # options of other methods
        swept = _without(swept, [flag for flag in flag_aliases() if flag not in kind.flags])
        always = _without(swept, UNUSED_BY_ONE_MODALITY if alone else (), _AMR_ONLY)
        label = _label(method, options, always if alone else swept)
        made[label] = Row(
            label,
            method,
            plain=tuple(Run(method, options, always, False, seed) for seed in seeds),
            amr=() if alone else tuple(Run(method, options, swept, True, seed) for seed in seeds),
        )
    return list(made.values())


def in_order(table: Sequence[Row], modalities: Sequence[str]) -> list[Run]:
    """All runs, each once, seed by seed, the unimodal ones first: others learn from them.

    Args:
        table: The rows.
        modalities: Strings, the modalities of the runs.
    """
    runs = {run for row in table for run in (*row.plain, *row.amr)}
    runs |= {needed for run in list(runs) for needed in teachers(run, modalities).values()}
    place = {row.method: index for index, row in enumerate(table)}
    return sorted(
        runs,
        key=lambda run: (
            run.seed, run.method not in modalities, place.get(run.method, -1), run.amr, run.name
        ),
    )  # fmt: skip


def teachers(run: Run, modalities: Sequence[str]) -> dict[str, Run]:
    """Modality -> the unimodal run that a run learns from; empty where it learns from none."""
    if TEACHERS not in method_of(run.method, modalities).requires:
        return {}
    swept = _without(run.swept, UNUSED_BY_ONE_MODALITY, _AMR_ONLY, tuple(flag_aliases()))
    return {name: Run(name, "", swept, False, run.seed) for name in modalities}


def _without(swept: Sequence[tuple[str, str]], *flags: Sequence[str]) -> tuple:
    gone = {flag for some in flags for flag in some}
    return tuple(pair for pair in swept if pair[0] not in gone)


def _label(method: str, options: str, swept: Sequence[tuple[str, str]]) -> str:
    label = f"{method}({options})" if options else method
    return " ".join([label, *(f"{flag}={value}" for flag, value in swept)])
