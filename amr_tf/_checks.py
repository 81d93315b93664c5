"""What a classifier refuses, and with which words."""

from collections.abc import Mapping
from typing import Any

import keras

from amr_tf import _compat, heads
from amr_tf.methods.base import Method
from amr_tf.modalities import FeaturesLayer


def check_parts(encoders: Mapping[str, Any], head: keras.Model, method: Method) -> None:
    """Refuses parts that can't make a classifier.

    Raises:
        ValueError: No encoder, modalities that the method can't train with (or too few), a part
            without variables yet, or a head that mixes samples.
    """
    if not encoders:
        raise ValueError("a model needs at least one encoder: encoders={'audio': ...}")
    names = tuple(encoders)
    method.check_modalities(names)
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


def check_features(features: Mapping[str, Any], encoders: Mapping[str, Any]) -> None:
    """Refuses features layers of modalities without an encoder, and other layers.

    Raises:
        ValueError: There is no such modality, or it is no layer of features.
    """
    for name, layer in features.items():
        if name not in encoders:
            raise ValueError(f"features: there is no encoder of {name!r}: {', '.join(encoders)}")
        if not isinstance(layer, FeaturesLayer):
            raise ValueError(
                f"features: {name} is {type(layer).__name__}: give an amr_tf.modalities."
                "FeaturesLayer, or put other layers into the encoder"
            )


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
