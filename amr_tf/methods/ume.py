"""UME: the mean of the trained unimodal models' logits; nothing is trained jointly."""

from collections.abc import Callable, Mapping, Sequence

import keras

from amr_tf.methods.base import ANY_TASK, TEACHERS, Method


@keras.saving.register_keras_serializable(package="amr_tf")
class UME(Method):
    """Unimodal ensemble (Du et al. 2023, arXiv 2305.01233), a reference without any training.

    `z = 1/M sum_m z^m`, z^m the logits of a trained unimodal model.

    Example:
        >>> method = amr_tf.methods.UME(teachers={"audio": audio_model, "video": video_model})
        >>> encoders, head = method.parts(("audio", "video"), build=None)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.predict(inputs, verbose=0).shape
        (12, 3)

    Args:
        teachers: Mapping, modality -> trained `MultimodalClassifier` of that modality alone. A
            saved ensemble holds their encoders and heads as its own, and needs none.
    """

    help = "the mean of the unimodal models' logits; nothing is trained (Du 2023)"
    requires = (TEACHERS,)
    min_modalities = 2
    tasks = ANY_TASK
    trains = False

    def __init__(self, teachers: Mapping[str, keras.Model] | None = None) -> None:
        self.teachers = dict(teachers or {})

    def parts(
        self, modalities: Sequence[str], build: Callable[[], tuple[dict, keras.Model]]
    ) -> tuple[dict[str, keras.Model], keras.Model]:
        """The unimodal models' encoders, and the mean of their heads."""
        del build
        encoders = {m: self.teachers[m].encoders[m] for m in modalities}
        return encoders, ensemble_head({m: self.teachers[m].head for m in modalities})


def ensemble_head(heads: Mapping[str, keras.Model]) -> keras.Model:
    """Averages unimodal heads.

    Args:
        heads: Mapping, modality -> functional head, list of one encoding -> logits `[B, C]`.

    Returns:
        A functional head, list of M encodings -> `[B, C]`.

    Raises:
        ValueError: The heads differ in their number of classes.
    """
    classes = {m: head.output_shape[-1] for m, head in heads.items()}
    if len(set(classes.values())) > 1:
        raise ValueError(f"the unimodal models differ in their classes: {classes}")
    inputs = [
        keras.Input(tuple(head.inputs[0].shape[1:]), name=f"encoding_{m}")
        for m, head in heads.items()
    ]
    logits = []
    for (m, head), encoding in zip(heads.items(), inputs, strict=True):
        # a name of its own: two parts called "head" would clash
        branch = type(head).from_config({**head.get_config(), "name": f"{m}_head"})
        branch.set_weights(head.get_weights())
        logits.append(branch([encoding]))
    return keras.Model(inputs, keras.layers.Average()(logits), name="head")
