"""Evaluates a trained model on a split: `python -m trainers.evaluate --model_dir=DIR`.

Prints the table of `trainers.fit` and writes, into MODEL_DIR/evaluation/<split>/, `results.json`,
`per_class.csv` (accuracy, average precision and dominance of each class) and `shares.png` (how
the attribution's shares are distributed over the clips).

With `--suite=full` it writes `report.html`, `report.json` and figures there instead: missing,
corrupted and conflicting modalities, all measures of contribution, linear probes, calibration, with
bootstrap intervals; `--against=DIR` compares with a second run clip by clip.
"""

import dataclasses
import pathlib

import keras
from absl import flags

from amr_tf import saving
from amr_tf.analysis.evaluation import Evaluator
from tfrecords.reading.pipeline import Pipeline
from tfrecords.schema import SPLITS
from trainers.config.run_config import Config
from trainers.reporting import run_results
from trainers.running import assembly, command


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
        "votes", "", "CREMA-D's summaryTable.csv: people as reference; with --suite=full."
    )


def main() -> None:
    """The command."""
    values = flags.FLAGS
    if values.suite == "full":
        full(values)
        return
    with command.user_errors():
        model_dir = command.required_directory("model_dir", values.model_dir)
        if values.against or values.votes:
            raise ValueError("--against and --votes are for the full report: add --suite=full")
        config = load_config(model_dir, values.data_dir, values.batch_size, values.skip_corrupt)
        assembly.setup(config)
        data = assembly.pipeline(config)
        with assembly.strategy(config).scope():
            model = load_model(model_dir)
        check_classes(model, data)
        dataset = data.evaluate(values.split)
    with command.data_errors(data):
        predictions = Evaluator(model)(dataset)
    summary = predictions.summary()
    output = model_dir / "evaluation" / values.split
    output.mkdir(parents=True, exist_ok=True)
    results = {"split": values.split, **summary, "method": config.method, "seed": config.seed}
    results["amr_weight"] = config.effective_amr_weight
    if config.skip_corrupt:
        results["corrupt_skipped"] = data.records.num_skipped
    run_results.write_json(output / "results.json", results)
    run_results.per_class_csv(output / "per_class.csv", predictions, data.info.classes)
    title = f"{config.dataset}, {config.method}, AMR weight {config.effective_amr_weight:g}"
    run_results.results_table(title, results, model.modalities)
    print(f"results      {output / 'results.json'}\nper class    {output / 'per_class.csv'}")
    if predictions.shares and predictions.complete.any():
        run_results.share_plot(output / "shares.png", predictions, f"{title}, {values.split}")
        print(f"shares       {output / 'shares.png'}")


def full(values: flags.FlagValues) -> None:
    """`--suite=full`."""
    from trainers.reporting import full_evaluation  # imports from here

    with command.user_errors():
        model_dir = command.required_directory("model_dir", values.model_dir)
        against = command.required_directory("against", values.against) if values.against else None
    path = full_evaluation.run(
        model_dir,
        against,
        values.split,
        pathlib.Path(values.votes) if values.votes else None,
        data_dir=values.data_dir,
        batch_size=values.batch_size,
        skip_corrupt=values.skip_corrupt,
    )
    print(f"report       {path}\nnumbers      {path.with_suffix('.json')}")


def load_config(
    model_dir: pathlib.Path,
    data_dir: str = "",
    batch_size: int = 0,
    skip_corrupt: bool | None = None,
) -> Config:
    """The run's configuration, for reading records without augmentation or cache.

    Args:
        model_dir: Of the run.
        data_dir: Of the records, if not the run's.
        batch_size: If not the run's.
        skip_corrupt: If not as in the run.

    Raises:
        FileNotFoundError: There is no run.
    """
    config = Config.load(model_dir)
    return dataclasses.replace(
        config,
        data_dir=data_dir or config.data_dir,
        batch_size=batch_size or config.batch_size,
        model_dir=str(model_dir),
        cache="no",
        # what several machines trained, one evaluates
        strategy="auto" if config.strategy == "multi_worker" else config.strategy,
        skip_corrupt=config.skip_corrupt if skip_corrupt is None else skip_corrupt,
    )


def load_model(model_dir: pathlib.Path, compile: bool = True) -> keras.Model:
    """The run's selected model.

    Args:
        model_dir: Of the run.
        compile: Whether to restore the optimizers, too.

    Raises:
        FileNotFoundError: The run is not finished.
        ValueError: The file is damaged, or not as a run leaves it.
    """
    path = model_dir / "model.keras"
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: finish the run with `trainers.fit` first")
    return saving.load_model(path, compile)


def check_classes(model: keras.Model, data: Pipeline) -> None:
    """Refuses records of other classes than the model's by a ValueError."""
    outputs, classes = model.head.output_shape[-1], len(data.info.classes)
    if outputs != classes:
        raise ValueError(
            f"{data.records.directory} holds records of {classes} classes, the model knows "
            f"{outputs}: give the records that it was trained for as --data_dir"
        )


if __name__ == "__main__":
    command.run(define, main)
