"""Numbers that were computed before: arrays of one shape, or sequences of varying length."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities.base import Modality
from amr_tf.modalities.corruption import Corruption
from amr_tf.modalities.panel import Bars, Image, Panel

_MOST_BARS = 64


@dataclasses.dataclass(frozen=True)
class FeaturesConfig(Modality):
    """The settings by which stored numbers become the model's input: `(x - mean) / std`.

    NaN marks what is not there: the steps that fill up a short sequence, or all of a sample. It
    becomes 0, the training split's mean.

    Example:
        >>> config = amr_tf.modalities.FeaturesConfig((2,), mean=(1.0, 2.0), std=(2.0, 1.0))
        >>> config.features(tf.constant([[5.0, 3.0]])).numpy().tolist()
        [[2.0, 1.0]]
        >>> steps = amr_tf.modalities.FeaturesConfig((3, 2), sequence=True)
        >>> steps.cut({"values": tf.constant([1.0, 2.0])}).numpy().tolist()
        [[1.0, 2.0], [nan, nan], [nan, nan]]

    Attributes:
        dimensions: Integers, the shape of one sample, e.g. `(76,)`; of a sequence the number of
            steps that the model sees and the shape of a step, e.g. `(20, 76)`.
        mean: Numbers, the mean of each feature over the training split, in row-major order; empty
            for 0. The steps of a sequence share them.
        std: Numbers, the standard deviation of each feature; empty for 1. A feature that is
            constant (standard deviation 0) becomes 0.
        sequence: Boolean, whether clips have different numbers of steps: a longer one is cut to
            its middle, a shorter one filled up with NaN.
    """

    kind: ClassVar[str] = "features"
    example_name: ClassVar[str] = "NUMBERS.npy"
    example_code: ClassVar[str] = "[numbers]"
    default_encoder: ClassVar[str] = "mlp"
    word: ClassVar[str] = "features"
    nothing: ClassVar[str] = "the training split's mean"
    rules: ClassVar[Mapping[str, str]] = {
        "value": "(x - mean) / std, 0 where std is 0 or x is NaN",
        "steps": "of a sequence the middle ones; NaN after the last where there are fewer",
        "file": "the numbers themselves, float32; NaN for none",
    }

    dimensions: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    sequence: bool = False

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if not self.dimensions or min(self.dimensions) < 1:
            raise ValueError(f"dimensions must be positive, not {self.dimensions}")
        if self.sequence and len(self.dimensions) < 2:
            raise ValueError(f"a sequence has steps and features, not {self.dimensions}")
        for name in ("mean", "std"):
            count = len(getattr(self, name))
            if count not in (0, math.prod(self._standardised)):
                raise ValueError(f"{name} has {count} numbers for features {self._standardised}")

    @classmethod
    def of_records(cls, stored: Any, options: Mapping[str, Any]) -> "FeaturesConfig":
        """The input of the records' shape, standardised as their training split is."""
        dimensions, sequence = stored.dimensions, stored.dimensions[0] is None
        if sequence:
            dimensions = (options.get("steps") or stored.max_steps, *dimensions[1:])
        return cls(dimensions, stored.mean, stored.std, sequence)

    @property
    def _standardised(self) -> tuple[int, ...]:
        """The shape of the features that `mean` and `std` describe."""
        return self.dimensions[1:] if self.sequence else self.dimensions

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.dimensions

    @property
    def told(self) -> str:
        """The input in words, for people."""
        steps = ", of a sequence's middle" if self.sequence else ""
        return f"numbers of the shape {list(self.shape)}{steps}, standardised"

    @property
    def raw(self) -> tf.TensorSpec:
        """Numbers `[*dimensions]` float32."""
        return tf.TensorSpec(self.dimensions, tf.float32)

    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The numbers, float32; of a sequence the middle steps, NaN where there are no more."""
        values = tf.reshape(stored["values"], [-1, *self._standardised])
        wanted = self.dimensions[0] if self.sequence else 1
        spare = tf.shape(values)[0] - wanted
        start = tf.maximum(spare, 0) // 2
        values = values[start : start + wanted]
        missing = [[0, tf.maximum(-spare, 0)]] + [[0, 0]] * len(self._standardised)
        return tf.reshape(tf.pad(values, missing, constant_values=np.nan), self.dimensions)

    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """Standardised numbers `[B, *dimensions]` float32, 0 for NaN."""
        size = math.prod(self._standardised)
        mean = np.array(self.mean or [0.0] * size, np.float32).reshape(self._standardised)
        std = np.array(self.std or [1.0] * size, np.float32).reshape(self._standardised)
        # a feature that never varied in training has nothing to say
        factor = np.divide(1, std, out=np.zeros_like(std), where=std > 0)
        return tf.where(tf.math.is_nan(raw), 0.0, (raw - mean) * factor)

    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether there are numbers."""
        return tf.size(stored["values"]) > 0

    def absent(self) -> tf.Tensor:
        """NaN, which becomes 0."""
        return tf.fill(self.dimensions, np.float32(np.nan))

    @property
    def file_input(self) -> tf.TensorSpec:
        """`[B, *dimensions]` float32: there is no file, the numbers are sent."""
        return tf.TensorSpec([None, *self.dimensions], tf.float32)

    def of_files(self, files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The numbers; a sample of nothing but NaN has none."""
        there = tf.reduce_any(~tf.math.is_nan(files), axis=list(range(1, files.shape.rank)))
        return files, there, tf.zeros_like(there, tf.string)

    def packed(self, files: Sequence[Any]) -> np.ndarray:
        """Numbers `[B, *dimensions]` float32; a sequence may have any number of steps."""
        nothing = self.absent().numpy()
        return np.stack([nothing if file is None else self._fitted(file) for file in files])

    def _fitted(self, numbers: np.ndarray) -> np.ndarray:
        numbers = np.asarray(numbers, np.float32)
        steps = numbers.shape[1:] == self._standardised and len(numbers) > 0
        if not (steps if self.sequence else numbers.shape == self.dimensions):
            wanted = f"[steps, {', '.join(map(str, self._standardised))}]"
            wanted = wanted if self.sequence else str(list(self.dimensions))
            raise ValueError(
                f"features of the shape {list(numbers.shape)}: the model takes {wanted}"
            )
        return self.cut({"values": tf.constant(numbers.reshape(-1))}).numpy()

    def example_file(self) -> np.ndarray:
        """An array of zeros."""
        return np.zeros(self.dimensions, np.float32)

    def corruptions(self, others: Sequence[np.ndarray] = ()) -> tuple[Corruption, ...]:
        """Noise, in units of each feature's standard deviation, and lost features."""
        del others
        size = math.prod(self._standardised)
        mean = np.reshape(self.mean or [0.0] * size, self._standardised)
        std = np.reshape(self.std or [1.0] * size, self._standardised)

        def noisy(x: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
            return (x + level * std * rng.standard_normal(x.shape)).astype(x.dtype)

        def lost(x: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
            gone = (rng.random(x.shape) < level) & ~np.isnan(x)
            return np.where(gone, mean, x).astype(x.dtype)

        return (
            Corruption("noise", (0.25, 0.5, 1, 2, 4), "standard deviations of each feature", noisy),
            Corruption("lost features", (0.1, 0.25, 0.4, 0.6, 0.8), "become the mean", lost),
        )

    def panel(self, features: np.ndarray, attribution: np.ndarray) -> Panel:
        """Bars of a short vector, maps of everything longer."""
        note = "Red speaks for the label, blue against it."
        if features.size <= _MOST_BARS and features.ndim == 1:
            names = tuple(str(k) for k in range(len(features)))
            value = Bars("standardised feature", names, features)
            note = "A bar to the right speaks for the label, to the left against it."
            return Panel(((value,), (Bars("Grad⊙Input", names, attribution),)), note)
        # steps from left to right
        maps = [x.reshape(len(x), -1).T if x.ndim > 1 else x[None] for x in (features, attribution)]
        first = Image("standardised features", maps[0], signed=True)
        return Panel(((first,), (Image("Grad⊙Input", maps[1], signed=True),)), note)
