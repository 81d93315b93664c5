"""Trains methods side by side, without and with AMR: `python -m trainers.compare --help`.

Makes the table of the paper (mAP, accuracy, dominance; without | with AMR) over several seeds:
table.md, table.csv, table.png and runs.csv in --output_dir, dominance.png (over training) and
accuracy-dominance.png beside them, every run in --output_dir/runs, and
TensorBoard's HParams page in --output_dir/tensorboard. All flags of `trainers.fit` are taken and
hold for every run. The same command goes on where it was interrupted; a run that failed is named
and tried again, the others are not repeated. More --seeds or --methods may be added later.
"""

import pathlib
import sys
from typing import Any

from absl import flags

from trainers.comparison import plan
from trainers.comparison.comparison import Comparison
from trainers.config import flags as trainer_flags
from trainers.config.methods import flag_aliases
from trainers.config.run_config import Config
from trainers.running import assembly, command, preflight

# What a comparison decides for each run.
_OWN = (
    "method", "method_options", "seed", "model_dir", "teachers", "overwrite", "export"
)  # fmt: skip


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string(
        "methods",
        "",
        "What to compare; with options: naive,ogm(alpha=0.5) (default: every method, and each "
        "modality alone).",
    )
    flags.DEFINE_integer("seeds", 3, "Runs of each, with the seeds 0, 1, ...", lower_bound=1)
    flags.DEFINE_multi_string(
        "sweep", [], "Values of a flag to go through, amr_weight=0.1,1,10; repeat for a grid."
    )
    flags.DEFINE_string("output_dir", "", "Where it is kept (default: runs/compare-DATA[-PRESET]).")
    flags.DEFINE_integer("jobs", 1, "Runs at once; they share the devices.", lower_bound=1)
    trainer_flags.define(without=_OWN)


def compare() -> None:
    """Compares as the flags say."""
    values = flags.FLAGS
    with command.user_errors():
        config = trainer_flags.config(values, aliases=False)
        if not config.amr_weight:
            raise ValueError("--amr_weight=0: runs without AMR are made anyway; give the other")
        sweepable = [name for name in (*config.to_json(), *flag_aliases()) if name not in _OWN]
        sweeps = plan.parse_sweeps(values.sweep, sweepable)
        names = config.names
        methods = plan.parse_methods(values.methods or plan.default_methods(names), names)
        table = plan.rows(methods, range(values.seeds), names, sweeps)
        comparison = Comparison(output_dir(values.output_dir, config), config, shared_flags(values))
        runs = plan.in_order(table, config.names)
        comparison.check(runs)
        comparison.claim()
        assembly.make_records(config)
        preflight.check_records(config)
    failed = comparison.run(runs, table, values.jobs)
    comparison.write(table)
    comparison.show()
    if failed:
        sys.exit(f"error: {len(failed)} of {len(runs)} runs failed: {', '.join(failed)}")


def output_dir(given: str, config: Config) -> pathlib.Path:
    """Where the comparison is kept."""
    return pathlib.Path(given or f"runs/compare-{config.data_name}{config.suffix}")


def shared_flags(values: flags.FlagValues) -> dict[str, Any]:
    """The flags of `trainers.fit` that were given, but for the weight, which half the runs lack."""
    given = trainer_flags.given_flags(values) | trainer_flags.given_aliases(values)
    return {name: value for name, value in given.items() if name != "amr_weight"}


def main() -> None:
    """The command, also as `amr-compare`."""
    command.run(define, compare)


if __name__ == "__main__":
    main()
