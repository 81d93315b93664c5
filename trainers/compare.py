"""Trains methods side by side, without and with AMR: `python -m trainers.compare --help`.

Makes the table of the paper (mAP, accuracy, dominance; without | with AMR, a block of columns for
each weight in --amr_weight) over several seeds: table.md, table.csv, table.png and runs.csv in
--output_dir, dominance.png (over training) and accuracy-dominance.png beside them, every run in
--output_dir/runs, and TensorBoard's HParams page in --output_dir/tensorboard. It takes all flags of
`trainers.fit`, which hold for every run. The same command goes on where it was interrupted; a run
that failed is named and tried again, the others are not repeated. More seeds, methods and weights
may be added later.
"""

import pathlib
import sys

from absl import flags

from trainers.comparison import asked, plan
from trainers.comparison.comparison import Comparison
from trainers.config import flags as trainer_flags
from trainers.config.methods import flag_aliases
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
        "The methods to compare, with options: naive,ogm(alpha=0.5) (default: every method, and "
        "each modality alone).",
    )
    flags.DEFINE_string(
        asked.WEIGHT,
        "1",
        "Weights of AMR, e.g. 1,auto: each method is compared without AMR and with each of them, "
        "a block of columns for each; auto finds the force that holds the ratio.",
    )
    flags.DEFINE_integer("seeds", 3, "Runs of each, with the seeds 0, 1, ...", lower_bound=1)
    flags.DEFINE_multi_string(
        "sweep",
        [],
        "Values of a flag to go through, a row for each: epochs=8,16, or amr_weight=0.1,1,10 in "
        "place of --amr_weight; repeat for a grid.",
    )
    flags.DEFINE_string("output_dir", "", "Where it is kept (default: runs/compare-DATA[-PRESET]).")
    flags.DEFINE_integer("jobs", 1, "Runs at once; they share the devices.", lower_bound=1)
    trainer_flags.define(without=(*_OWN, asked.WEIGHT))


def compare() -> None:
    """Compares as the flags say."""
    values = flags.FLAGS
    with command.user_errors():
        weights = asked.parse_weights(values.amr_weight)
        config = asked.shared_config(values)
        sweepable = [name for name in (*config.to_json(), *flag_aliases()) if name not in _OWN]
        sweeps = asked.parse_sweeps(values.sweep, sweepable)
        if values[asked.WEIGHT].present and any(asked.WEIGHT in dict(sweep) for sweep in sweeps):
            raise ValueError(
                "--amr_weight and --sweep=amr_weight=... both name weights: give only one"
            )
        names = config.names
        default = asked.default_methods(names, trainer_flags.task_name(config))
        methods = asked.parse_methods(values.methods or default, names)
        table = plan.rows(methods, range(values.seeds), names, sweeps, weights)
        output = pathlib.Path(
            values.output_dir or f"runs/compare-{config.data_name}{config.suffix}"
        )
        comparison = Comparison(output, config, asked.shared_flags(values))
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


def main() -> None:
    """The command, also as `amr-compare`."""
    command.run(define, compare)


if __name__ == "__main__":
    main()
