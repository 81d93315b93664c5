"""Compares the step with an independent PyTorch one: `python -m benchmarks.torch_step --help`.

Two processes, one with TensorFlow and one with PyTorch, take turns: the same two ResNet-18, sizes,
threads and precision, naive fusion by one linear layer, SGD with momentum, with and without AMR;
see `benchmarks/torch_steps.py`. On a GPU, where there is one.
"""

import sys

from absl import app, flags

from benchmarks import paired, sizes
from benchmarks.comparison import Comparison, StepWorker
from benchmarks.steps import PRECISIONS, Candidate
from benchmarks.workers import Failed

sizes.define_flags()
flags.DEFINE_integer("rounds", 15, "Rounds; in each, every model has its turn.")
flags.DEFINE_integer("steps", 0, "Steps of a turn; by default 10 on a GPU and 1 on a CPU.")
flags.DEFINE_integer("threads", 2, "Threads of each framework; 0 for their choice.")
flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras' policy, and PyTorch's autocast.")
flags.DEFINE_bool("compiled", False, "Whether XLA's steps and torch.compile's take turns, too.")


def candidates(precision: str, compiled: bool) -> list[Candidate]:
    """The steps that take turns."""
    found = []
    for how in (False, True) if compiled else (False,):
        found += [Candidate("PyTorch", k, precision, how) for k in ("without AMR", "with AMR")]
        kinds = ("plain", "without AMR", "with AMR")
        found += [Candidate("TensorFlow", k, precision, how) for k in kinds]
    return found


def main(_: list[str]) -> None:
    """The command."""
    values = flags.FLAGS
    task = sizes.of_flags()
    workers = {name: StepWorker(name, task, values.threads) for name in ("TensorFlow", "PyTorch")}
    day = 24 * 3600
    try:
        about = [worker.ask("describe", seconds=day) for worker in workers.values()]
        count = values.steps or (10 if about[0]["gpu"] else 1)
        compared = Comparison(candidates(values.precision, values.compiled), task.batch)
        compared.measure(workers, day, values.rounds, count)
    except Failed as error:
        sys.exit(f"error: {error}")
    finally:
        for worker in workers.values():
            worker.close()
    versions = ", ".join(one["versions"] for one in about)
    print(f"{about[0]['gpu'] or 'no GPU'}; {paired.processor()}; {versions}")
    print(f"{values.precision}, {values.rounds} rounds of {count} steps\n")
    print(compared.table())


if __name__ == "__main__":
    app.run(main)
