"""Earlier values of variables, as part of the model."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat


class Copy(keras.layers.Layer):
    """Values of variables at an earlier time, which are saved with the model; zeros at first.

    Args:
        variables: Sequence of variables, whose values it keeps.
        name: String, the name of the layer.
    """

    def __init__(self, variables: Sequence, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.originals = lambda: variables  # not the layer's own, for Keras
        self.values = [
            _compat.state(self, f"value_{i}", tuple(v.shape), tf.as_dtype(v.dtype).name)
            for i, v in enumerate(variables)
        ]
        self.built = True

    def pairs(self) -> list[tuple[Any, Any]]:
        """Each variable, and the weight that keeps its earlier value."""
        return list(zip(self.originals(), self.values, strict=True))

    def take(self) -> None:
        """Takes the values that the variables have now."""
        for variable, value in self.pairs():
            value.assign(variable.numpy())

    def put(self, share: float = 1.0) -> None:
        """Gives the variables `share * kept + (1 - share) * now`.

        Args:
            share: Number between 0 and 1; at 0 nothing changes.
        """
        if share == 0:
            return
        for variable, value in self.pairs():
            kept = value.numpy()
            if share < 1:
                kept = (share * kept + (1 - share) * variable.numpy()).astype(kept.dtype)
            variable.assign(kept)


def floats(variables: Sequence) -> list:
    """Those of the variables that hold floating-point numbers, and are not counters."""
    return [v for v in variables if tf.as_dtype(v.dtype).is_floating]
