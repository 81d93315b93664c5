"""The runs that make the study, the most important first."""

import dataclasses
import itertools
from typing import Any

LEVELS = ("even", "moderate", "large")
SEEDS = tuple(range(5))
COMPARED_METHODS = ("naive", "dropout", "modality_dropout", "umt", "ogm")
MODALITIES = ("audio", "video")

# What AMR is: "" for none, the target that is attributed, or a variant of the regulariser.
VARIANTS = ("", "probability", "logit", "all_variables", "per_sample")
DECAYS = (0.03, 0.3, 1.0)
RATES = (0.2, 0.8)


@dataclasses.dataclass(frozen=True)
class StudyRun:
    """One training run.

    Attributes:
        level: String, the level of the data, see `data.LEVELS`.
        method: String, of `COMPARED_METHODS`, or a modality's name for a unimodal model.
        amr: String, of `VARIANTS`.
        seed: Integer, the seed of weights and order.
        weight_decay: Float, the decoupled weight decay of all variables.
        rate: Float, the rate of dropout.
    """

    level: str
    method: str = "naive"
    amr: str = ""
    seed: int = 0
    weight_decay: float = 0.0
    rate: float = 0.5

    @property
    def name(self) -> str:
        """The name of the run's file."""
        parts = [self.level, self.method, self.amr or "plain"]
        parts += [f"decay{self.weight_decay:g}"] * bool(self.weight_decay)
        parts += [f"rate{self.rate:g}"] * (self.method == "dropout")
        return "-".join([*parts, f"seed{self.seed}"])

    @property
    def graph(self) -> tuple:
        """The fields in which runs must agree to share one traced train step."""
        return self.method, self.amr, self.weight_decay, self.rate

    def but(self, **changes: Any) -> "StudyRun":
        """The run with other values in some fields.

        Args:
            **changes: Values, the new ones of some fields.

        Returns:
            Another run.
        """
        return dataclasses.replace(self, **changes)


def teachers() -> list[StudyRun]:
    """The unimodal runs: yardsticks, and UMT's teachers."""
    return [StudyRun(*key) for key in itertools.product(LEVELS, MODALITIES, ("",), SEEDS)]


def fused() -> list[StudyRun]:
    """All other runs, those that share a train step in a row."""
    product = itertools.product
    main = [
        StudyRun(level, method, amr, seed)
        for method, amr, level, seed in product(COMPARED_METHODS, VARIANTS[:2], LEVELS, SEEDS)
    ]
    logit = [StudyRun(level, "naive", "logit", seed) for level, seed in product(LEVELS, SEEDS)]
    variants = [
        StudyRun(LEVELS[1], "naive", amr, seed) for amr, seed in product(VARIANTS[3:], SEEDS)
    ]
    decayed = [
        StudyRun(LEVELS[1], "naive", "", seed, weight_decay=decay)
        for decay, seed in product(DECAYS, SEEDS)
    ]
    dropped = [
        StudyRun(LEVELS[1], "dropout", "", seed, rate=rate) for rate, seed in product(RATES, SEEDS)
    ]
    naive = [run for run in main if run.method == "naive"]
    return [*naive, *logit, *variants, *decayed, *main[len(naive) :], *dropped]


def everything() -> list[StudyRun]:
    """All runs, each once; those that others learn from come first."""
    return [*teachers(), *fused()]
