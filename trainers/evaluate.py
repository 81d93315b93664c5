"""Evaluates a trained model on a split: `python -m trainers.evaluate --model_dir=DIR`.

Prints the table of `trainers.fit` and writes, into MODEL_DIR/evaluation/<split>/, `results.json`,
`per_class.csv` (accuracy, average precision and dominance of each class) and `shares.png` (the
distribution of the attribution's shares over the clips).

With `--suite=full` it writes `report.html`, `report.json` and figures there instead: missing,
corrupted and conflicting modalities, all measures of contribution, linear probes, calibration, with
bootstrap intervals; `--against=DIR` compares with a second run clip by clip.
"""

import pathlib

from absl import flags

from amr_tf.analysis.evaluation import Evaluator
from tfrecords.description import SPLITS
from trainers.reporting import evaluation_report, evaluation_results
from trainers.running import assembly, command, inputs
from trainers.running.finished_run import check_classes, load_config, load_model


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_enum("split", "test", list(SPLITS), "Split to evaluate on.")
    flags.DEFINE_string("data_dir", "", "Records to evaluate on (default: those of the training).")
    flags.DEFINE_integer("batch_size", 0, "Clips a step (default: as in training).")
    flags.DEFINE_bool(
        "skip_corrupt", None, "Skip and count corrupt records (default: as in training)."
    )
    flags.DEFINE_enum(
        "suite", "basic", ["basic", "full"], "basic: table and shares; full: report.html."
    )
    flags.DEFINE_string(
        "against", "", "Directory of another finished run to compare with; with --suite=full."
    )
    flags.DEFINE_string(
        "votes", "", "Published file of people's votes on the clips; with --suite=full."
    )


def evaluate() -> None:
    """Evaluates as the flags say."""
    values = flags.FLAGS
    if values.suite == "full":
        full(values)
    else:
        basic(values)


def basic(values: flags.FlagValues) -> None:
    """Evaluates one model: the table, `results.json`, `per_class.csv` and `shares.png`."""
    with command.user_errors():
        model_dir = command.required_directory("model_dir", values.model_dir)
        if values.against or values.votes:
            raise ValueError("--against and --votes are for the full report: add --suite=full")
        config = load_config(model_dir, values.data_dir, values.batch_size, values.skip_corrupt)
        assembly.setup(config)
        data = assembly.pipeline(config, inputs.load(model_dir).modalities)
        with assembly.strategy(config).scope():
            model = load_model(model_dir)
        check_classes(model, data)
        dataset = data.evaluate(values.split)
    with command.data_errors(data):
        predictions = Evaluator(model)(dataset)
    output = model_dir / "evaluation" / values.split
    evaluation_results.write(output, config, data, values.split, predictions)


def full(values: flags.FlagValues) -> None:
    """Writes the report of `--suite=full`."""
    with command.user_errors():
        model_dir = command.required_directory("model_dir", values.model_dir)
        against = command.required_directory("against", values.against) if values.against else None
    path = evaluation_report.run(
        model_dir,
        against,
        values.split,
        pathlib.Path(values.votes) if values.votes else None,
        data_dir=values.data_dir,
        batch_size=values.batch_size,
        skip_corrupt=values.skip_corrupt,
    )
    print(f"report       {path}\nnumbers      {path.with_suffix('.json')}")


def main() -> None:
    """The command, also as `amr-evaluate`."""
    command.run(define, evaluate)


if __name__ == "__main__":
    main()
