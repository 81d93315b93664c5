"""A model's inputs, made of flags and of what records hold."""

from amr_tf.modalities import MODALITIES, Modality
from tfrecords.description import DatasetInfo
from trainers.config.run_config import Config


def inputs_of_records(config: Config, info: DatasetInfo) -> dict[str, Modality]:
    """The inputs of a run's model.

    Args:
        config: The run.
        info: The description of its records.

    Returns:
        Modality -> input, in the model's order.

    Raises:
        ValueError: A size or rate is impossible.
    """
    return {name: _input(config, info, name) for name in config.model_modalities}


def _input(config: Config, info: DatasetInfo, name: str) -> Modality:
    kind = MODALITIES.find(config.kinds[name])
    try:
        return kind.of_records(info.modalities[name], config.input_options(name))
    except TypeError as error:
        raise ValueError(f"--modalities: {config.asked[name].text}: {error}") from error
