"""A wanted ratio that belongs to the model's state: training finds it, and files keep it."""

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat

LEAST = 0.05  # a wanted share


class MovingRatio(keras.layers.Layer):
    """The wanted shares `[M]` as a weight; equal at first.

    Args:
        count: Integer, the number of modalities, M.
    """

    def __init__(self, count: int) -> None:
        super().__init__(name="moving_ratio", dtype="float32")
        self.count = count
        self.values = _compat.state(self, "values", (count,))
        self.values.assign([1 / count] * count)
        self.built = True

    @property
    def numbers(self) -> tuple[float, ...]:
        """The shares as Python numbers."""
        return tuple(tf.convert_to_tensor(self.values).numpy().tolist())

    def move(self, wanted: np.ndarray) -> None:
        """Sets the shares, none below `LEAST`, of sum 1.

        Args:
            wanted: Array `[M]`, not negative, in any scale.
        """
        shares = np.asarray(wanted, np.float64)
        shares = shares / shares.sum() if shares.sum() > 0 else np.full(self.count, 1 / self.count)
        least = min(LEAST, 0.5 / self.count)
        low = np.zeros(self.count, bool)
        while ((shares < least) & ~low).any():  # what the low ones are given, the others pay
            low |= shares < least
            rest = np.where(low, 0, shares)
            shares = np.where(low, least, rest / rest.sum() * (1 - least * low.sum()))
        self.values.assign(shares.astype(np.float32))
