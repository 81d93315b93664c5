"""Measures what a training step costs: `python -m benchmarks.step --help`.

Our step without and with AMR against a plain Keras model of the same encoders and head, AMR's own
options against none, every method against naive fusion, or XLA against none, on random batches in
memory: the models take turns, so that other work of the machine slows all of them alike. Our step
    computes
the shares in any case, for its metrics; a plain Keras step computes none.
"""

from collections.abc import Callable

from tfrecords import quiet  # noqa: F401  isort: skip

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import amr_tf
from amr_tf import heads, methods
from benchmarks import paired, sizes
from benchmarks.keras_steps import KerasSteps, encoder, ours, plain
from benchmarks.sizes import Sizes
from benchmarks.steps import PRECISIONS

sizes.define_flags()
flags.DEFINE_integer("rounds", 20, "Rounds; in each, every model has its turn.")
flags.DEFINE_integer("steps", 0, "Steps of a turn; by default 10 on a GPU and 1 on a CPU.")
flags.DEFINE_enum("compare", "amr", ["amr", "options", "methods", "xla"], "What takes turns.")
flags.DEFINE_enum("precision", "float32", PRECISIONS, "Keras' policy.")
flags.DEFINE_bool("jit_compile", False, "Whether XLA compiles the steps.")


class Compared(KerasSteps):
    """The steps that `--compare` asks for, by their names."""

    def __init__(self, task: Sizes) -> None:
        super().__init__(task)
        self.makers = candidates(task, flags.FLAGS.jit_compile)

    def build(self, name: str) -> Callable[[], tf.Tensor]:
        """The step of that name."""
        return self.step_of(self.makers[name]())


def candidates(task: Sizes, xla: bool) -> dict[str, Callable[[], keras.Model]]:
    """The steps that take turns; the others are compared with the first."""
    if flags.FLAGS.compare == "amr":
        return {
            "plain Keras": lambda: plain(task, xla),
            "ours without AMR": lambda: ours(task, xla=xla),
            "ours with AMR": lambda: ours(task, weight=1.0, xla=xla),
        }
    if flags.FLAGS.compare == "options":
        options = {
            "weight 1": {},
            "auto": {"weight": "auto"},
            "measure integrated": {"amr_measure": "integrated"},
            "measure shapley": {"amr_measure": "shapley"},
            "scope weaker": {"amr_scope": "weaker"},
            "scope all": {"amr_scope": "all"},
        }
        return {"without AMR": lambda: ours(task, xla=xla)} | {
            name: lambda given=given: ours(task, xla=xla, **{"weight": 1.0, **given})
            for name, given in options.items()
        }
    if flags.FLAGS.compare == "xla":
        return {"without XLA": lambda: ours(task), "with XLA": lambda: ours(task, xla=True)}
    made = {
        "dropout": methods.Dropout,
        "modality_dropout": methods.ModalityDropout,
        "umt": lambda: methods.UMT(teachers(task)),
        "ogm": methods.OGM,
        "ogm_ge": methods.OGMGE,
        "ogm (ablation)": lambda: methods.OGM(score="ablation"),
        "gradient_blending, between estimates": methods.GradientBlending,
        "gge": methods.GGE,
        "mmpareto": methods.MMPareto,
        "agm": methods.AGM,
        "dgl": methods.DGL,
        "mmcosine": methods.MMCosine,
        "cml": methods.CML,
        "opm": lambda: methods.OPM(start=0),
        "pmr": methods.PMR,
        "mslr, between epochs": methods.MSLR,
        "mses, between epochs": methods.MSES,
        "relearning, between epochs": methods.Relearning,
        "lfm": methods.LFM,
        "lfm_learned, between epochs": methods.LearnedLFM,
        "mla": methods.MLA,
        "reconboost, all modalities' turn": methods.ReconBoost,
        "cggm": methods.CGGM,
        "inforeg": methods.InfoReg,
        "modality_valuation": lambda: methods.ModalityValuation(warm_up=0),
        "g2d": lambda: methods.G2D(teachers(task)),
    }
    return {"naive": lambda: ours(task, xla=xla)} | {
        name: lambda make=make: ours(task, make(), xla=xla) for name, make in made.items()
    }


def teachers(task: Sizes) -> dict[str, keras.Model]:
    """Untrained unimodal models: what they know costs nothing."""
    found = {}
    for m in task.shapes:
        part = encoder(task, m)
        head = heads.concat([tuple(part.output_shape[1:])], task.classes)
        found[m] = amr_tf.MultimodalClassifier({m: part}, head)
    return found


def main(_: list[str]) -> None:
    """The command."""
    values = flags.FLAGS
    keras.mixed_precision.set_global_policy(values.precision)
    steps = Compared(sizes.of_flags())
    memory = {name: steps.make(name) for name in steps.makers}
    times: dict[str, list] = {name: [] for name in steps.makers}
    count = values.steps or (10 if steps.gpu else 1)
    names = list(times)
    for turn in paired.rounds(values.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(steps.turn(name, count))
    free = {name: [one for one, _ in found] for name, found in times.items()}
    head = ["", "ms a step (median)", f"against {names[0]}"]
    rows = [
        [name, f"{1000 * np.median(found):.1f}", paired.ratio(found, free[names[0]])]
        for name, found in free.items()
    ]
    if steps.gpu:
        head += ["ms, each waited for", "peak memory, GB"]
        for row in rows:
            waited = np.median([one for _, one in times[row[0]]])
            row += [f"{1000 * waited:.1f}", f"{memory[row[0]]['later'] / 1e9:.2f}"]
    print(f"{paired.machine()}; {values.precision}; {values.rounds} rounds\n")
    print(paired.table(head, rows))
    if not steps.gpu:
        print("\nThe peak memory is told on a GPU only.")


if __name__ == "__main__":
    app.run(main)
