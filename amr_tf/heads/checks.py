"""Checks of a head, which must not mix samples, nor give probabilities instead of logits."""

from typing import Any

import keras

from amr_tf import _compat

# Activations, layers and functions of Keras and TensorFlow, by name, after which numbers are
# probabilities. The logarithm of a softmax is none: its softmax is what it is the logarithm of.
_GIVE_PROBABILITIES = ("softmax", "sigmoid", "hard_sigmoid")
# Layers after which they still are: of several inputs, if all are.
_KEEP_PROBABILITIES = (
    "Activation", "ActivityRegularization", "Average", "Dropout", "Flatten", "Identity", "Maximum",
    "Minimum", "Multiply", "Reshape", "StatelessDropout",
)  # fmt: skip


def check_head(head: keras.Model) -> None:
    """Refuses a head that mixes samples, or that ends in probabilities.

    Example:
        >>> inputs = [keras.Input((4,)), keras.Input((6,))]
        >>> x = keras.layers.BatchNormalization(name="norm")(keras.layers.Concatenate()(inputs))
        >>> amr_tf.heads.check_head(keras.Model(inputs, keras.layers.Dense(3)(x)))
        Traceback (most recent call last):
        ValueError: the head's layer 'norm' is batch normalisation, which mixes samples: ...

    Raises:
        ValueError: The head contains batch normalisation: the gradient of the summed score would
            then no longer be each sample's own. Or its last layer is a softmax or a sigmoid: the
            loss takes logits, and a softmax of probabilities learns next to nothing.
    """
    for layer in head._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            raise ValueError(
                f"the head's layer {layer.name!r} is batch normalisation, which mixes samples: "
                "attributions would not be per sample. Use LayerNormalization, or move it into "
                "an encoder"
            )
    name = _end_in_probabilities(head)
    if name is not None:
        raise ValueError(
            f"the head ends in probabilities, by its layer {name!r}: it must give logits, of which "
            "loss, attributions and served probabilities are made. Leave out the softmax or "
            "sigmoid (activation=None)"
        )


def _end_in_probabilities(model: Any) -> str | None:
    """The name of the layer by which a functional model gives probabilities; None if none does."""
    outputs = getattr(model, "outputs", None)  # a model of another kind does not say
    return _source(outputs[0]) if outputs else None


def _source(tensor: Any) -> str | None:
    layer, inputs = _compat.origin(tensor)
    if isinstance(layer, keras.Model):
        return _end_in_probabilities(layer)
    kind = type(layer).__name__
    functions = [getattr(layer, name, None) for name in ("activation", "function", "symbol")]
    names = {getattr(f, "__name__", str(f)).split(".")[-1] for f in functions if f is not None}
    if {kind.lower(), *names} & set(_GIVE_PROBABILITIES):
        return layer.name
    if kind not in _KEEP_PROBABILITIES or not names <= {"linear"}:
        return None
    found = [_source(x) for x in inputs]
    return found[0] if found and None not in found else None
