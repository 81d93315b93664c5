"""The baseline of every claim about cost: a plain Keras model of the same encoders and head."""

from collections.abc import Mapping

import keras


def plain_keras(
    encoders: Mapping[str, keras.Model | None],
    head: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    xla: bool = False,
) -> keras.Model:
    """A compiled model with Keras' own training step, which knows nothing of attribution.

    Args:
        encoders: Mapping, modality -> its encoder, None where the inputs are encodings already.
        head: Keras model, from the list of encodings to logits.
        optimizer: Optimizer of all variables.
        xla: Boolean, whether XLA compiles the step.

    Returns:
        The model, which takes a dict of inputs and gives logits.
    """
    inputs, encodings = {}, []
    for (name, encoder), there in zip(encoders.items(), head.inputs, strict=True):
        shape = there.shape if encoder is None else encoder.inputs[0].shape
        inputs[name] = keras.Input(tuple(shape)[1:], name=name)
        encodings.append(inputs[name] if encoder is None else encoder(inputs[name]))
    model = keras.Model(inputs, head(encodings))
    model.compile(
        optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=xla,
    )
    return model
