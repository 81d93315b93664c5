"""The full evaluation of one run, or of two clip by clip; see `trainers.evaluate`.

Writes `report.html` (self-contained), `report.json`, a PNG a figure, and TensorBoard's scalars and
images into MODEL_DIR/evaluation/<split>/.
"""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from amr_tf.analysis import bootstrap
from amr_tf.analysis.subject import Subject
from tfrecords.datasets import find as find_dataset
from tfrecords.datasets.base import Votes
from tfrecords.progress import Progress
from tfrecords.reading.pipeline import Pipeline
from trainers.config.run_config import Config
from trainers.reporting import report_files
from trainers.reporting.annotation_sections import annotation_sections, read_marks
from trainers.reporting.report_sections import report_sections
from trainers.reporting.run_subject import EvaluatedRun, passes, run_names, subject_of_run
from trainers.running import assembly, command, inputs
from trainers.running.finished_run import check_classes, load_config, load_model


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """A run that is about to be evaluated.

    Attributes:
        name: String, what tells it from the other one; empty for a single run.
        config: Config, the run's.
        data: Pipeline, the run's records.
        model: Model, the run's.
    """

    name: str
    config: Config
    data: Pipeline
    model: keras.Model


def run(
    model_dir: pathlib.Path,
    against: pathlib.Path | None,
    split: str,
    votes: pathlib.Path | None = None,
    **options: Any,
) -> pathlib.Path:
    """Evaluates and writes the report.

    Args:
        model_dir: Path, the directory of a finished run.
        against: Path, the directory of another run to compare with; None for none.
        split: String, the split to evaluate on.
        votes: Path, a file of people's votes on the clips; None for none.
        **options: `data_dir`, `batch_size` and `skip_corrupt` of `finished_run.load_config`.

    Returns:
        The path of `report.html`.
    """
    with command.user_errors():
        if against and against.resolve() == model_dir.resolve():
            raise ValueError(f"--against={against} is the run itself")
        loaded = _load([model_dir, *filter(None, [against])], split, options)
        dataset = loaded[0].data.info.dataset
        if votes and not loaded[0].model.task.one_class:
            raise ValueError("--votes are on one class a clip: the model's task is another")
        voted = find_dataset(dataset)().votes(votes) if votes else None
    evaluated: list[EvaluatedRun] = []
    steps = sum(passes(run.data) for run in loaded) + len(loaded)
    with Progress("full evaluation", steps) as progress:
        for run in loaded:
            evaluated.append(_evaluated(run, split, voted, evaluated, progress))
    output = model_dir / "evaluation" / split
    output.mkdir(parents=True, exist_ok=True)
    return report_files.write(output, split, evaluated)


def _load(
    directories: Sequence[pathlib.Path], split: str, options: dict[str, Any]
) -> list[LoadedRun]:
    """The runs of the directories, all of them with the first one's records."""
    configs = [load_config(directory, **options) for directory in directories]
    # on the same clips
    configs = [dataclasses.replace(config, data_dir=configs[0].data_dir) for config in configs]
    assembly.setup(configs[0])
    strategy = assembly.strategy(configs[0])
    pipelines = [
        assembly.pipeline(config, inputs.load(directory).modalities)
        for config, directory in zip(configs, directories, strict=True)
    ]
    with strategy.scope():
        models = [load_model(directory) for directory in directories]
    for data, model in zip(pipelines, models, strict=True):
        check_classes(model, data)
        for name in (split, "train"):  # on train probes are fitted
            data.records.split(name)
    names = run_names(*configs) if len(configs) > 1 else ("",)
    return [LoadedRun(*parts) for parts in zip(names, configs, pipelines, models, strict=True)]


def _evaluated(
    run: LoadedRun,
    split: str,
    votes: Votes | None,
    before: Sequence[EvaluatedRun],
    progress: Progress,
) -> EvaluatedRun:
    """The run's sections, from the same resamples of the same clips as those of runs before it."""
    with command.data_errors(run.data):
        subject = subject_of_run(run.config, run.data, run.model, split, progress.advance)
        marks = read_marks(run.data.records.shards(split))
    one_class = run.model.task.one_class
    with command.user_errors():
        check_same_clips([*(other.subject for other in before), subject])
        boots = bootstrap.shared(len(subject.test.labels))
        annotated = annotation_sections(subject, boots, marks, votes) if one_class else []
    sections = (*report_sections(subject, boots), *annotated)
    progress.advance("intervals")
    return EvaluatedRun(run.name, run.config, subject, sections)


def check_same_clips(subjects: Sequence[Subject]) -> None:
    """Refuses to compare models on different clips or classes.

    Args:
        subjects: Sequence of subjects, one or more.

    Raises:
        ValueError: The first and the last one differ.
    """
    first, last = subjects[0], subjects[-1]
    if first.classes != last.classes or first.clip_names != last.clip_names:
        raise ValueError(
            "--against: both models need the same classes, and clips that have all modalities of "
            "both; their records differ"
        )
