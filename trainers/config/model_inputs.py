"""A model's inputs, made of flags and of what records hold."""

from typing import Any

from amr_tf.methods import METHODS
from amr_tf.modalities import MODALITIES, FeaturesConfig, Modality
from amr_tf.ratios import EvidenceRatio
from amr_tf.tasks import Task, find_task
from tfrecords.description import DatasetInfo
from trainers.config.run_config import Config


def inputs_of_records(config: Config, info: DatasetInfo) -> dict[str, Modality]:
    """The inputs of a run's model.

    Args:
        config: Config of the run.
        info: DatasetInfo, the description of its records.

    Returns:
        Modality -> input, in the model's order.

    Raises:
        ValueError: A size or rate is impossible, or belongs to something that the records do not
            hold.
    """
    inputs = {name: _input(config, info, name) for name in config.model_modalities}
    features = [m for m in inputs.values() if isinstance(m, FeaturesConfig)]
    if config.feature_steps and features and not any(m.sequence for m in features):
        raise ValueError(
            f"--feature_steps={config.feature_steps} has no effect: the records hold features "
            "without steps. Leave it out"
        )
    return inputs


def task_of_records(info: DatasetInfo) -> Task:
    """The task that a model of the records learns, with the mean and scale of their numbers.

    Args:
        info: DatasetInfo, the description of the records.
    """
    task = find_task(info.task)
    return type(task)(info.mean, info.scale) if info.mean else task


def check_task(config: Config, info: DatasetInfo) -> None:
    """Refuses a run that the records' labels can't have.

    Args:
        config: Config of the run.
        info: DatasetInfo, the description of its records.

    Raises:
        ValueError: The method, a ratio, a target or weights of classes are not defined for them.
    """
    task = task_of_records(info)
    try:
        config.make_method().check_task(task.name)
    except ValueError as error:
        suited = [name for name, method in METHODS.items() if method.suits(task.name)]
        raise ValueError(
            f"--method={config.method}: {error}. For {task.name} there are {', '.join(suited)}"
        ) from error
    needs = f"is defined only for multiclass, and the task of {config.data_dir} is {task.name}"
    if not task.one_class and config.class_weights != Config.class_weights:
        raise ValueError(f"--class_weights={config.class_weights} {needs}")
    if not task.one_class and config.ratio == EvidenceRatio.kind:
        raise ValueError(f"--amr_ratio={config.ratio} {needs}: name the ratio in numbers")
    if config.amr_target not in (Config.amr_target, *task.targets):
        raise ValueError(
            f"--amr_target={config.amr_target} is not a target of {task.name}: it attributes "
            f"{' or '.join(task.targets)}"
        )


def _input(config: Config, info: DatasetInfo, name: str) -> Modality:
    kind = MODALITIES.find(config.kinds[name])
    try:
        return kind.of_records(info.modalities[name], _options(config, name))
    except TypeError as error:
        raise ValueError(f"--modalities: {config.asked[name].text}: {error}") from error


def _options(config: Config, name: str) -> dict[str, Any]:
    """The sizes and rates that are wanted of a modality, by the names of its kind's fields."""
    flags = {
        "sample_rate": config.audio_rate,
        "seconds": config.audio_seconds,
        "tile_seconds": config.tile_seconds,
        "fft_length": config.fft_length,
        "hop": config.hop,
        "frames": config.frames,
        "size": config.frame_size,
        "length": config.text_length,
        "steps": config.feature_steps,
    }
    return {**flags, **config.asked[name].options}
