"""Trains a model: `python -m trainers.fit --help`.

Everything that a run writes is in --model_dir: config.json, classes.txt, history.csv, train/ and
validation/ (TensorBoard), checkpoints/, model.keras, export/<version>/ (SavedModel), MODEL_CARD.md,
results.json.
The same command goes on from the last checkpoint of a run that was interrupted.
"""

import os
import sys

from absl import flags

from trainers.config import flags as run_flags
from trainers.running import assembly, command, multi_worker
from trainers.running.introduction import show_results
from trainers.running.run import run


def train() -> None:
    """Trains as the flags say."""
    with command.user_errors():
        config = run_flags.config(flags.FLAGS)
        assembly.setup(config)
        strategy = assembly.strategy(config)
    try:
        results = run(config, strategy)
    except multi_worker.LOST as error:
        if config.strategy != "multi_worker":
            raise
        print(f"another worker is gone ({error.message.splitlines()[0][:120]})", file=sys.stderr)
        sys.stderr.flush()
        os._exit(multi_worker.AGAIN)  # threads that wait for the other one would keep us
    if multi_worker.is_chief(strategy):
        show_results(config, results)


def main() -> None:
    """The command, also as `amr-fit`."""
    command.run(run_flags.define, train)


if __name__ == "__main__":
    main()
