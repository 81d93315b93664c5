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
from trainers.config.run_config import Config
from trainers.running import assembly, command

# What a comparison decides for each run.
_OWN = (
    "method", "method_options", "seed", "model_dir", "teachers", "overwrite", "export"
)  # fmt: skip
DEFAULT_METHODS = (
    "naive,dropout,modality_dropout,umt,ogm,ogm_ge,gradient_blending(estimate_epochs=5),gge,"
    "mmpareto,agm,dgl,ume,audio,video"
)


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string(
        "methods", DEFAULT_METHODS, "What to compare; with options: naive,ogm(alpha=0.5)."
    )
    flags.DEFINE_integer("seeds", 3, "Runs of each, with the seeds 0, 1, ...", lower_bound=1)
    flags.DEFINE_multi_string(
        "sweep", [], "Values of a flag to go through, amr_weight=0.1,1,10; repeat for a grid."
    )
    flags.DEFINE_string("output_dir", "", "Default: runs/compare-DATASET[-PRESET].")
    flags.DEFINE_integer("jobs", 1, "Runs at once; they share the devices.", lower_bound=1)
    trainer_flags.define(without=_OWN)


def main() -> None:
    """The command."""
    values = flags.FLAGS
    with command.user_errors():
        config = trainer_flags.config(values)
        if not config.amr_weight:
            raise ValueError("--amr_weight=0: runs without AMR are made anyway; give the other")
        sweepable = [name for name in config.to_json() if name not in _OWN]
        sweeps = plan.parse_sweeps(values.sweep, sweepable)
        table = plan.rows(plan.parse_methods(values.methods), range(values.seeds), sweeps)
        comparison = Comparison(output_dir(values.output_dir, config), config, shared_flags(values))
        comparison.claim()
        assembly.make_synthetic(config)
    runs = plan.in_order(table)
    failed = comparison.run(runs, table, values.jobs)
    comparison.write(table)
    print(f"\n{(comparison.output / 'table.md').read_text()}")
    print(f"tables       {comparison.output}/table.md, table.csv, table.png, runs.csv")
    print(f"figures      {comparison.output}/dominance.png, accuracy-dominance.png")
    print(f"every run    {comparison.output / 'runs'}")
    print(f"HParams      tensorboard --logdir={comparison.output / 'tensorboard'}")
    if failed:
        sys.exit(f"error: {len(failed)} of {len(runs)} runs failed: {', '.join(failed)}")


def output_dir(given: str, config: Config) -> pathlib.Path:
    """Where the comparison is kept."""
    suffix = "" if config.preset == "full" else f"-{config.preset}"
    return pathlib.Path(given or f"runs/compare-{config.dataset}{suffix}")


def shared_flags(values: flags.FlagValues) -> dict[str, Any]:
    """The flags of `trainers.fit` that were given, but for the weight, which half the runs lack."""
    given = trainer_flags.given_flags(values)
    return {name: value for name, value in given.items() if name != "amr_weight"}


if __name__ == "__main__":
    command.run(define, main)
