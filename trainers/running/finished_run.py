"""A finished run, read again: its configuration, its selected model, and a check of records."""

import dataclasses
import pathlib

import keras

from amr_tf import saving
from tfrecords.reading.pipeline import Pipeline
from trainers.config.run_config import Config


def load_config(
    model_dir: pathlib.Path,
    data_dir: str = "",
    batch_size: int = 0,
    skip_corrupt: bool | None = None,
) -> Config:
    """The run's configuration, for reading records without augmentation or cache.

    Args:
        model_dir: Path, the run's directory.
        data_dir: String, the directory of the records if it is not the run's.
        batch_size: Integer, the clips of a step; 0 for as many as in the run.
        skip_corrupt: Boolean, whether to skip corrupt records; None to do as the run did.

    Returns:
        The configuration.

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
        model_dir: Path, the run's directory.
        compile: Boolean, whether to restore the optimizers, too.

    Returns:
        The model.

    Raises:
        FileNotFoundError: The run is not finished.
        ValueError: The file is damaged, or no run wrote it.
    """
    path = model_dir / "model.keras"
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: finish the run with `trainers.fit` first")
    return saving.load_model(path, compile)


def load_classes(model_dir: pathlib.Path) -> tuple[str, ...]:
    """The run's class names by id.

    Args:
        model_dir: Path, the run's directory.

    Returns:
        The names.

    Raises:
        OSError: They cannot be read.
    """
    return tuple((model_dir / "classes.txt").read_text().splitlines())


def check_classes(model: keras.Model, data: Pipeline) -> None:
    """Refuses records of other classes, or of another task, than the model's.

    Args:
        model: Model, the run's.
        data: Pipeline, the records that it is to be evaluated on.

    Raises:
        ValueError: The records have more or fewer classes than the model, or other labels.
    """
    if data.info.task != model.task.name:
        raise ValueError(
            f"{data.records.directory} holds records of task {data.info.task}, the model learnt "
            f"{model.task.name}: give the records that it was trained for as --data_dir"
        )
    outputs, classes = model.head.output_shape[-1], len(data.info.classes)
    if outputs != classes:
        raise ValueError(
            f"{data.records.directory} holds records of {classes} classes, the model knows "
            f"{outputs}: give the records that it was trained for as --data_dir"
        )
