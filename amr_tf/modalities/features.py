"""Numbers that were computed before: vectors or arrays of a fixed shape, one a sample."""

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities.base import Augment, Modality


@dataclasses.dataclass(frozen=True)
class FeaturesConfig(Modality):
    """How stored numbers become the model's input: `(x - mean) / std`, feature by feature.

    Example:
        >>> config = amr_tf.modalities.FeaturesConfig((2,), mean=(1.0, 2.0), std=(2.0, 1.0))
        >>> config.features(tf.constant([[5.0, 3.0]])).numpy().tolist()
        [[2.0, 1.0]]

    Attributes:
        dimensions: Integers, the shape of one sample, e.g. `(76,)`.
        mean: Numbers, the mean of each feature over the training split, in row-major order; empty
            for 0.
        std: Numbers, the standard deviation of each feature; empty for 1. A feature that is
            constant (standard deviation 0) becomes 0.
    """

    kind: ClassVar[str] = "features"

    dimensions: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if not self.dimensions or min(self.dimensions) < 1:
            raise ValueError(f"dimensions must be positive, not {self.dimensions}")
        for name in ("mean", "std"):
            count = len(getattr(self, name))
            if count not in (0, math.prod(self.dimensions)):
                raise ValueError(f"{name} has {count} numbers for features {self.dimensions}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.dimensions

    @property
    def raw_bytes(self) -> int:
        """The size of one sample."""
        return 4 * math.prod(self.dimensions)

    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The numbers as they are, float32; zeros where there are none."""
        values = stored["values"]
        there = tf.size(values) > 0
        values = tf.cond(there, lambda: values, lambda: tf.zeros([math.prod(self.dimensions)]))
        return tf.reshape(values, self.dimensions)

    def cut_randomly(
        self, stored: Mapping[str, tf.Tensor], augment: Augment, keys: tf.Tensor
    ) -> tf.Tensor:
        """As `cut`: nothing is random here."""
        del augment, keys
        return self.cut(stored)

    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """Standardised numbers `[B, *dimensions]` float32."""
        size = math.prod(self.dimensions)
        mean = np.array(self.mean or [0.0] * size, np.float32).reshape(self.dimensions)
        std = np.array(self.std or [1.0] * size, np.float32).reshape(self.dimensions)
        # a feature that never varied in training has nothing to say
        factor = np.divide(1, std, out=np.zeros_like(std), where=std > 0)
        return (raw - mean) * factor

    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether there are numbers."""
        return tf.size(stored["values"]) > 0

    def absent(self) -> tf.Tensor:
        """The training split's mean, which becomes 0 when it is standardised."""
        size = math.prod(self.dimensions)
        values = np.array(self.mean or [0.0] * size, np.float32)
        return tf.constant(values.reshape(self.dimensions))
