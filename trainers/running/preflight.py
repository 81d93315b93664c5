"""Checks before the first step of a run, so that no hours are spent on one that must fail."""

import math
import pathlib
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from typing import Any

from amr_tf.modalities import Modality
from amr_tf.ratios import WorstCaseRatio
from tfrecords.description import SPLITS
from tfrecords.reading.records import RecordSet
from trainers.config.model_inputs import task_of_records
from trainers.config.run_config import Config
from trainers.reporting.report_sections import possible_corruptions

_KEPT_BESIDE = 3  # the best, the one being written, and `model.keras`


def check_records(config: Config) -> None:
    """Checks that the records can be trained and evaluated on.

    Args:
        config: Config, the run.

    Raises:
        ValueError: A split is empty, there is but one class, or a batch is larger than the
            training split.
        FileNotFoundError: There are no records.
    """
    records = RecordSet(config.data_dir)
    splits = {name: records.split(name) for name in SPLITS}
    classes = records.info.classes
    task = task_of_records(records.info)
    if len(classes) < 2 and task.one_class:
        raise ValueError(
            f"all clips of {config.data_dir} are of one class, {classes[0]!r}: there is nothing "
            "to tell apart"
        )
    clips = splits["train"].clips
    if clips < config.batch_size:
        smaller = 2 ** max(clips.bit_length() - 2, 0)
        raise ValueError(
            f"--batch_size={config.batch_size} exceeds the {clips} training clips of "
            f"{config.data_dir}: choose a smaller batch, e.g. --batch_size={smaller}"
        )
    counts = splits["train"].class_counts if task.probabilistic else (1,) * len(classes)
    unseen = [name for name, count in zip(classes, counts, strict=True) if not count]
    if unseen and len(unseen) < len(classes):
        named = ", ".join(unseen[:5]) + (", ..." if len(unseen) > 5 else "")
        warnings.warn(
            f"{len(unseen)} of {len(classes)} classes have no training clip: {named}", stacklevel=2
        )


def check_outputs(config: Config, model: Any) -> None:
    """Checks that the run's directory can be written, and has room for its checkpoints.

    Args:
        config: Config, the run.
        model: MultimodalClassifier, compiled.

    Raises:
        OSError: The directory cannot be written.
        ValueError: There is too little room.
    """
    directory = pathlib.Path(config.model_dir)
    with tempfile.TemporaryFile(dir=directory):
        pass
    needed = 4 * _values(model) * (config.keep_checkpoints + _KEPT_BESIDE)
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise ValueError(
            f"{directory} has {free / 1e9:.2f} GB of room; the run's checkpoints take "
            f"{needed / 1e9:.2f} GB: free some, or give another --model_dir or fewer "
            "--keep_checkpoints"
        )


def _values(model: Any) -> int:
    """The numbers in a checkpoint: the weights, and what the optimizers keep."""
    optimizers = [o for o in (model.optimizer, model.amr_optimizer) if o is not None]
    kept = [o.variables() if callable(o.variables) else o.variables for o in optimizers]
    return sum(math.prod(v.shape) for some in (model.variables, *kept) for v in some)


def check_ratio(config: Config, inputs: Mapping[str, Modality]) -> None:
    """Refuses a ratio that takes corrupted clips where nothing can corrupt a modality.

    Raises:
        ValueError: There are no corruptions of one of the modalities.
    """
    for name, modality in inputs.items() if config.ratio == WorstCaseRatio.kind else ():
        if not possible_corruptions(modality):
            raise ValueError(
                f"--amr_ratio=worst_case takes corrupted clips, and there are no corruptions of "
                f"{name}, of the kind {modality.kind}"
            )
