"""The runs that make the study, the most important first."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from amr_tf.measures import MEASURES
from studies.frontier.data import NOISY, SYNTHETIC

SEEDS, TABLE_SEEDS, CLIP_SEEDS, LATER_SEEDS = range(10), range(5), range(10), range(3)
NONE, AUTO, ONE = "0", "auto", "1"
RATIOS = ("1:4", "1:2", "1:1", "2:1", "4:1")  # audio : video
EVEN = "1:1"
ALONE = "unimodal"
# The methods that were decided upon; those that came later are not among them.
FUSED = (
    "naive", "dropout", "modality_dropout", "umt", "ogm", "ogm_ge", "gradient_blending", "gge",
    "mmpareto", "agm", "dgl",
)  # fmt: skip
# The methods that came later, on the smallest set, without AMR and with `auto`.
LATER = (
    "mmcosine", "cml", "opm", "pmr", "mslr", "mses", "relearning", "lfm", "lfm_learned", "mla",
    "reconboost", "cggm", "inforeg", "modality_valuation", "g2d",
)  # fmt: skip
SMALL = "digits"
# What the dial is turned on, beside naive fusion.
DIALLED = ("modality_dropout", "mmpareto", "dgl")
SCOPES = ("head", "all", "weaker")
ENSEMBLE = "ume"
# Sets with a sound and a picture; the noisy one is for checking.
PAIRS = ("words", "frame", "digits", SYNTHETIC, NOISY)
REAL = ("words", "frame", "digits")
MANY = "views"
TITLES = {
    "words": "GRID words, mouth", "frame": "GRID words, whole picture",
    "digits": "spoken and written digits", "views": "digits, six views",
    SYNTHETIC: "synthetic, large", NOISY: "GRID words, noise in training",
}  # fmt: skip
PARTS = ("dial", "tables", "variants", "clips", "later")


@dataclasses.dataclass(frozen=True)
class FrontierRun:
    """One training run.

    Attributes:
        set: String, the set of clips.
        method: String, of `amr_tf.methods.METHODS`.
        weight: String, the weight of AMR: `0` for none, `1` or `auto`.
        ratio: String, the wanted ratio of the shares, audio : video; `1:1` is even for any number.
        measure: String, the measure of the shares that are held at the ratio.
        scope: String, the variables that AMR trains.
        modality: String, the modality of the method `unimodal`.
        seed: Integer, the seed of weights and order.
        inputs: String, `components` or `clips`.
    """

    set: str
    method: str = "naive"
    weight: str = NONE
    ratio: str = EVEN
    measure: str = MEASURES[0]
    scope: str = SCOPES[0]
    modality: str = ""
    seed: int = 0
    inputs: str = "components"

    @property
    def name(self) -> str:
        """The name of the run's file."""
        parts = [self.inputs, self.set, self.modality or self.method]
        if self.weight != NONE:
            parts += [f"amr{self.weight}", self.ratio.replace(":", "to")]
            parts += [part for part in (self.measure, self.scope) if part not in _DEFAULTS]
        return "-".join([*parts, f"seed{self.seed}"])

    @property
    def graph(self) -> tuple:
        """The fields in which runs must agree to share one traced train step.

        It holds the seeds of the masks of dropout, which encoders of clips take from the run's; and
        methods that came later may hold on to their model.
        """
        of_one_seed = self.inputs == "clips" or self.method in LATER
        return dataclasses.astuple(self if of_one_seed else self.but(seed=0))

    def but(self, **changes: Any) -> "FrontierRun":
        """The run with other values in some fields.

        Args:
            **changes: Values, the new ones of some fields.

        Returns:
            Another run.
        """
        return dataclasses.replace(self, **changes)

    def amr(self, **changes: Any) -> "FrontierRun":
        """The run with AMR of the weight `auto`, and other changes."""
        return self.but(**({"weight": AUTO} | changes))


_DEFAULTS = (MEASURES[0], SCOPES[0])


def dial(names: Sequence[str]) -> list[FrontierRun]:
    """Naive fusion without AMR and at each ratio; fewer seeds where it is only looked at."""
    runs = []
    for name in (n for n in PAIRS if n in names):
        seeds = SEEDS if name in REAL else TABLE_SEEDS
        kinds = [FrontierRun(name), *(FrontierRun(name).amr(ratio=r) for r in RATIOS)]
        runs += _each(kinds, seeds)
    return runs


def dialled(names: Sequence[str]) -> list[FrontierRun]:
    """The same on top of other methods."""
    return _each(
        [
            FrontierRun(name, method).amr(ratio=ratio)
            for name, method, ratio in itertools.product(
                (n for n in REAL if n in names), DIALLED, RATIOS
            )
        ],
        TABLE_SEEDS,
    )


def alone(modalities: dict[str, Sequence[str]], names: Sequence[str]) -> list[FrontierRun]:
    """The runs of each modality alone, which are yardsticks and teachers."""
    kinds = [
        FrontierRun(name, ALONE, modality=m) for name in names if name in _tabled(names)
        for m in modalities[name]
    ]  # fmt: skip
    return _each(kinds, TABLE_SEEDS)


def tables(names: Sequence[str]) -> list[FrontierRun]:
    """All methods with each weight, and the ensemble, which has nothing to train."""
    runs = []
    for weight, name in itertools.product((AUTO, NONE, ONE), _tabled(names)):
        runs += _each([FrontierRun(name, m, weight) for m in FUSED], TABLE_SEEDS)
    return runs + _each([FrontierRun(name, ENSEMBLE) for name in _tabled(names)], TABLE_SEEDS)


def variants(names: Sequence[str]) -> list[FrontierRun]:
    """Naive fusion with other measures, scopes and, at even shares, a constant weight."""
    kinds = []
    for name in (n for n in (*REAL, SYNTHETIC) if n in names):
        run = FrontierRun(name).amr()
        kinds += [run.but(measure=m) for m in MEASURES[1:]]
        kinds += [run.but(scope=s) for s in SCOPES[1:]]
        kinds += [run.but(measure="shapley", ratio=r) for r in (RATIOS[0], RATIOS[-1])]
        kinds += [run.but(weight=ONE)]
    return _each(kinds, TABLE_SEEDS)


def clips(names: Sequence[str]) -> list[FrontierRun]:
    """Naive fusion, end to end: without AMR, at the two ends and even; seed by seed."""
    kinds = []
    for name in (n for n in REAL if n in names):
        run = FrontierRun(name, inputs="clips")
        kinds += [run, *(run.amr(ratio=r) for r in (RATIOS[0], RATIOS[-1], EVEN))]
    return [run.but(seed=seed) for seed in CLIP_SEEDS for run in kinds]


def later(names: Sequence[str]) -> list[FrontierRun]:
    """The methods that came later, without AMR and with `auto`."""
    runs = [FrontierRun(SMALL, method) for method in LATER if SMALL in names]
    return _each([kind for run in runs for kind in (run, run.amr())], LATER_SEEDS)


def fused(name: str) -> tuple[str, ...]:
    """The methods of a set's tables.

    Args:
        name: String, the set.
    """
    return (*FUSED, *LATER) if name == SMALL else FUSED


def waves(modalities: dict[str, Sequence[str]], parts: Sequence[str]) -> list[list[FrontierRun]]:
    """The runs of some parts, each once, in their order; a wave needs those before it.

    Args:
        modalities: Dictionary, set -> its modalities; the sets that there are.
        parts: Sequence of strings, of `PARTS`.
    """
    names = list(modalities)
    found = [
        dial(names) if "dial" in parts else [],
        alone(modalities, names) if "tables" in parts else [],
        [
            *(tables(names) if "tables" in parts else []),
            *(variants(names) if "variants" in parts else []),
            *(dialled(names) if "dial" in parts else []),
            *(clips(names) if "clips" in parts else []),
            *(later(names) if "later" in parts else []),
        ],
    ]
    seen: set[FrontierRun] = set()
    return [[r for r in wave if not (r in seen or seen.add(r))] for wave in found]


def _tabled(names: Sequence[str]) -> list[str]:
    return [name for name in (*REAL, MANY) if name in names]


def _each(kinds: Sequence[FrontierRun], seeds: Sequence[int]) -> list[FrontierRun]:
    return [run.but(seed=seed) for run in kinds for seed in seeds]
