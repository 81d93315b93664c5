"""Files, as clients and commands send them, -> a model's raw inputs, as graph operations.

The served model and the commands that read media files share it.
"""

from collections.abc import Mapping

import tensorflow as tf

from amr_tf._presence import PRESENCE
from amr_tf.modalities import Modality
from amr_tf.modalities.checks import checked


def raw_of_files(
    files: Mapping[str, tf.Tensor], inputs: Mapping[str, Modality]
) -> dict[str, tf.Tensor]:
    """A model's inputs of encoded clips, which may differ in length, size and what they have.

    What a clip lacks counts as absent, as in the training pipeline: 0 in `presence`.

    Args:
        files: Mapping, modality -> a batch of files as `Modality.file_input` says.
        inputs: Mapping, modality -> the model's input, in its order.

    Returns:
        Modality -> raw tensors `[B, ...]`, and `presence` `[B, M]` float32.

    Raises:
        tf.errors.InvalidArgumentError: A file is broken, of another sample rate, or over the
            limits; a clip that has nothing for the model.
    """
    found, there = {}, []
    for name, modality in inputs.items():
        found[name], has = modality.of_files(files[name])
        there.append(has)
    presence = tf.cast(tf.stack(there, axis=1), tf.float32)
    message = (
        f"each clip needs {' or '.join(inputs)}: a clip of this batch has nothing for the model"
    )
    something = tf.reduce_all(tf.reduce_any(presence > 0, axis=1))
    return {**found, PRESENCE: checked(presence, something, message)}
