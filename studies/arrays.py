"""Arrays that runs read: features of clips, written once as .npy files, and corrupted clips."""

import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfrecords import atomic

LABEL = "label"


def corrupted_name(modality: str, severity: int) -> str:
    """The name of the array of corrupted test clips."""
    return f"test-{modality}-corrupted{severity}"


def write(
    where: pathlib.Path,
    names: dict[str, str],
    dataset: Callable[[], tf.data.Dataset],
    made: Callable[[str, np.ndarray], np.ndarray],
) -> None:
    """Writes a dataset's clips as .npy files, unless they are there.

    Args:
        where: Path, a directory that is there.
        names: Dictionary, modality or `label` -> the name of its file, without the suffix.
        dataset: Function that gives the dataset of (inputs, class ids).
        made: Function, (modality, raw tensors `[B, ...]`) -> the array to keep of them.
    """
    if all((where / f"{name}.npy").exists() for name in names.values()):
        return
    found: dict[str, list[np.ndarray]] = {key: [] for key in names}
    for inputs, labels in dataset().as_numpy_iterator():
        for key in names:
            found[key].append(labels if key == LABEL else made(key, inputs[key]))
    for key, name in names.items():
        save(where / f"{name}.npy", np.concatenate(found[key]))


def save(path: pathlib.Path, array: np.ndarray) -> None:
    """Writes an array as a .npy file; under its name it is whole."""
    part = path.with_name(f".{path.stem}.part")
    with atomic.writing(path, part), part.open("wb") as file:
        np.save(file, array)
