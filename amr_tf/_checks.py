"""What a classifier refuses, and with which words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from amr_tf import _compat, heads

if TYPE_CHECKING:
    from amr_tf.methods import Method


def check_parts(encoders: Mapping[str, Any], head: keras.Model, method: "Method") -> None:
    """Refuses parts that can't make a classifier.

    Raises:
        ValueError: No encoder, modalities that the method can't train with (or too few), a part
            without variables yet, or a head that mixes samples.
    """
    if not encoders:
        raise ValueError("a model needs at least one encoder: encoders={'audio': ...}")
    names = tuple(encoders)
    if method.needs_several and len(names) < 2:
        raise ValueError(
            f"{type(method).__name__} compares modalities: it needs at least two encoders, "
            f"there is {names[0]}"
        )
    wanted = method.modalities(names)
    if wanted != names:
        raise ValueError(
            f"{type(method).__name__} trains {', '.join(wanted)} alone: "
            f"give it no encoder of another modality (there are {', '.join(names)})"
        )
    for name, part in {**encoders, "head": head}.items():
        if isinstance(part, keras.Model) and not part.built:
            raise ValueError(
                f"the {name} model has no variables yet: make it a functional model, "
                "or call it once on a batch"
            )
    heads.check_head(head)


def check_parts_of_batch(parts: int, encoders: Mapping[str, Any]) -> None:
    """Refuses encoders that can't take a batch in several parts.

    Raises:
        ValueError: Less than one part, or a layer whose random draws can't be repeated.
    """
    if parts < 1:
        raise ValueError(f"accumulate is 1 or more, got {parts}")
    for name, encoder in encoders.items() if parts > 1 else ():
        for layer in _compat.unrepeatable_layers(encoder):
            raise ValueError(
                f"accumulate={parts} runs encoders twice, and {layer.name} of the {name} encoder "
                "draws anew each time: take amr_tf.layers.StatelessDropout"
            )


def inputs_by_name(inputs: Any, modalities: tuple[str, ...]) -> dict[str, tf.Tensor]:
    """A batch's inputs as a dict by modality; further keys stay.

    Args:
        inputs: A dict, a list in the modalities' order, or one tensor for one modality.
        modalities: Their names.

    Raises:
        ValueError: A modality is missing, or the list has another length.
    """
    if isinstance(inputs, Mapping):
        missing = [name for name in modalities if name not in inputs]
        if missing:
            raise ValueError(
                f"the input lacks {', '.join(missing)}: it has {', '.join(inputs)}, "
                f"the model was made for {', '.join(modalities)}"
            )
        return dict(inputs)
    inputs = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if len(inputs) != len(modalities):
        raise ValueError(
            f"{len(inputs)} inputs for the {len(modalities)} modalities {', '.join(modalities)}"
        )
    return dict(zip(modalities, inputs, strict=True))


def class_ids(labels: Any) -> tf.Tensor:
    """Labels as class ids `[B]`; `[B, 1]` is flattened.

    Raises:
        ValueError: No labels, or something else: one-hot vectors, numbers that aren't integers.
    """
    if labels is None:
        raise ValueError("a batch is (inputs, class ids [B]); there are no labels")
    labels = tf.convert_to_tensor(labels)
    if not labels.dtype.is_integer or (labels.shape.rank == 2 and labels.shape[1] != 1):
        raise ValueError(
            f"labels are integer class ids [B], got {labels.dtype.name} {labels.shape}; "
            "for one-hot labels use tf.argmax(labels, axis=-1)"
        )
    return tf.reshape(labels, [-1])
