"""Files, as clients and commands send them, -> a model's raw inputs, as graph operations.

The served model and the commands that read media files share it.
"""

from collections.abc import Mapping

import tensorflow as tf

from amr_tf._presence import PRESENCE
from amr_tf.modalities import Modality
from amr_tf.modalities.attempts import first_problem, refused
from amr_tf.modalities.checks import checked


def read_files(
    files: Mapping[str, tf.Tensor], inputs: Mapping[str, Modality]
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Makes a model's inputs of encoded clips, which may differ in length, size and modalities.

    What a clip lacks counts as absent, as in the training pipeline: 0 in `presence`.

    Args:
        files: Mapping, modality -> a batch of files as `Modality.file_input` says.
        inputs: Mapping, modality -> the model's input, in its order.

    Returns:
        Modality -> raw tensors `[B, ...]`, and `presence` `[B, M]` float32; and `[B]` strings, why
        a clip cannot be answered: a file is broken, of another sample rate or over the limits, or
        there is none for the model; "" where nothing is wrong.
    """
    found, there, problems = {}, [], []
    for name, modality in inputs.items():
        found[name], has, problem = modality.of_files(files[name])
        there.append(has)
        problems.append(tf.where(problem == "", "", name + ": " + problem))
    nothing = f"the clip has nothing for the model: it needs {' or '.join(inputs)}"
    problems.append(refused((~tf.reduce_any(there, axis=0), nothing)))
    presence = tf.cast(tf.stack(there, axis=1), tf.float32)
    return {**found, PRESENCE: presence}, first_problem(tf.stack(problems, axis=1))


def raw_of_files(
    files: Mapping[str, tf.Tensor], inputs: Mapping[str, Modality]
) -> dict[str, tf.Tensor]:
    """Reads files as `read_files`, for batches in which nothing may be wrong.

    Args:
        files: Mapping, modality -> a batch of files as `Modality.file_input` says.
        inputs: Mapping, modality -> the model's input, in its order.

    Returns:
        Modality -> raw tensors `[B, ...]`, and `presence` `[B, M]` float32.

    Raises:
        tf.errors.InvalidArgumentError: Something is wrong with a clip; the message says what.
    """
    found, problems = read_files(files, inputs)
    message = first_problem(tf.concat([problems, [""]], 0)[tf.newaxis])[0]
    return found | {PRESENCE: checked(found[PRESENCE], message == "", message)}
