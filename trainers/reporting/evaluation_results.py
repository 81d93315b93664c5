"""The results of an evaluation as a table on the terminal, `results.json`, a CSV and a plot."""

import csv
import math
import pathlib
from typing import Any

import matplotlib
import numpy as np
import rich.box
import rich.console
import rich.table

from amr_tf.analysis import metrics
from amr_tf.analysis.evaluation import Predictions
from amr_tf.tasks import find_task
from tfrecords import atomic
from tfrecords.reading.pipeline import Pipeline
from trainers.config.run_config import Config

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def write(
    output: pathlib.Path, config: Config, data: Pipeline, split: str, predictions: Predictions
) -> None:
    """Prints the results of a run on a split, writes their files and says where these are.

    Args:
        output: Path, the directory of the files, which is made.
        config: Config, the run's.
        data: Pipeline, the records that were read.
        split: String, the split that was evaluated.
        predictions: Predictions, the model's on that split.
    """
    output.mkdir(parents=True, exist_ok=True)
    results = {
        "split": split,
        **predictions.summary(),
        "task": predictions.task.name,
        "method": config.method,
        "seed": config.seed,
        "amr_weight": config.effective_amr_weight,
    }
    if config.skip_corrupt:
        results["corrupt_skipped"] = data.records.num_skipped
    write_json(output / "results.json", results)
    per_class_csv(output / "per_class.csv", predictions, data.info.classes)
    title = f"{config.data_name}, {config.method}, AMR weight {config.amr_text}"
    results_table(title, results, predictions.modalities)
    print(f"results      {output / 'results.json'}\nper class    {output / 'per_class.csv'}")
    if predictions.shares and predictions.complete.any():
        share_plot(output / "shares.png", predictions, f"{title}, {split}")
        print(f"shares       {output / 'shares.png'}")


def results_table(title: str, results: dict[str, Any], modalities: tuple[str, ...]) -> None:
    """Prints the task's metrics and dominance as a table.

    Args:
        title: String, the table's title.
        results: Dictionary, the content of `results.json`.
        modalities: Tuple of strings, the names of the modalities.
    """
    table = rich.table.Table(title=title, box=rich.box.ROUNDED, title_justify="left")
    task = find_task(results["task"])
    for column in ("split", "clips", *(metric.name for metric in task.metrics)):
        table.add_column(column, justify="left" if column == "split" else "right")
    cells = [
        results["split"],
        f"{results['samples']:,}",
        *(metric.shown(results[metric.name]) for metric in task.metrics),
    ]
    names = metrics.dominance_title(modalities)
    if len(modalities) > 1:
        for target, values in results["dominance_by_target"].items():
            suffix = "" if target == task.reported[0] else f" ({target})"
            table.add_column(names + suffix, justify="right")
            cells.append(metrics.format_dominance(values))
    else:
        table.add_column("dominance", justify="right")
        cells.append(metrics.format_dominance(None))
    table.add_row(*cells)
    rich.console.Console(highlight=False).print(table)


def write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    """Writes a JSON file that is whole if it is there.

    Numbers that are not finite become null: JSON has no NaN.

    Args:
        path: Path, the file.
        content: Dictionary, of what JSON can hold.
    """
    atomic.write_json(path, _finite(content))


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def per_class_csv(path: pathlib.Path, predictions: Predictions, classes: tuple[str, ...]) -> None:
    """Writes a row a class: clips, what the task says of it, dominance by target.

    Of one class a clip that is accuracy (recall) and average precision. Numbers have a row each,
    and neither clips nor dominance of their own.

    Args:
        path: Path, the CSV file.
        predictions: Predictions, the model's on a split.
        classes: Tuple of strings, the class names.
    """
    task, labels = predictions.task, predictions.labels
    columns, members = task.by_class(labels, predictions.logits), task.members(labels, len(classes))
    shares = (
        {}
        if members is None
        else {
            f"{m}_share" if target == task.reported[0] else f"{m}_share_{target}": values[:, i]
            for target, values in predictions.shares.items()
            for i, m in enumerate(predictions.modalities)
        }
    )
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        first = ["number"] if members is None else ["class", "clips"]
        rows.writerow([*first, *columns, *shares])
        for c, name in enumerate(classes):
            cells = [_number(values[c]) for values in columns.values()]
            if members is not None:
                here = members[:, c] & predictions.complete
                cells = [members[:, c].sum(), *cells]
                cells += [_mean(values[here]) for values in shares.values()]
            rows.writerow([name, *cells])


def share_plot(path: pathlib.Path, predictions: Predictions, title: str) -> None:
    """Draws a histogram of the clips' shares of the first modality, a panel a target.

    Args:
        path: Path, the PNG file.
        predictions: Predictions of a model of several modalities, with complete clips.
        title: String, the figure's title.
    """
    first, *others = predictions.modalities
    figure, panels = plt.subplots(
        1, len(predictions.shares), figsize=(5 * len(predictions.shares), 3.4), squeeze=False
    )
    for panel, (target, shares) in zip(panels[0], predictions.shares.items(), strict=True):
        values = 100 * shares[predictions.complete, 0]
        panel.hist(values, bins=np.arange(0, 101, 4), color="#3b6ea8")
        panel.axvline(values.mean(), color="#c8402f", label=f"mean {values.mean():.1f} %")
        panel.axvline(100 / len(predictions.modalities), color="gray", ls=":", label="equal shares")
        panel.set(
            xlim=(0, 100),
            xlabel=f"{first}'s share of the attribution, % (rest: {', '.join(others)})",
            ylabel="clips",
            title=f"target: {target}",
        )
        panel.legend(frameon=False)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _mean(values: np.ndarray) -> str:
    return _number(values.mean()) if len(values) else ""


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"
