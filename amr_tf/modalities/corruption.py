"""Corruptions of a modality, on raw clips and in five severities.

Each is a function of (clip, level, random generator) on a raw tensor, before features are made of
it. The generator comes from (seed, corruption, clip) and not from the severity: a clip's noise,
gaps or occluded place stay where they are and grow. Severity 0 changes nothing. Nothing is random
where nothing is there: empty clips and silence stay as they are.
"""

import dataclasses
import functools
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

SEVERITIES = (1, 2, 3, 4, 5)
MIXED = 32  # clips that corruptions mix in, e.g. as babble

Distortion = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
GraphDistortion = Callable[[tf.Tensor, dict[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One way in which a modality goes wrong.

    Example:
        >>> noise = amr_tf.modalities.AudioConfig().corruptions()[0]
        >>> waveform = (1_000 * np.sin(np.arange(400))).astype(np.int16)
        >>> noise.name, noise(waveform, severity=3).shape
        ('white noise', (400,))

    Attributes:
        name: String, for people.
        levels: Tuple of five floats, what the severities are, the mildest first.
        unit: String, the unit of the levels.
        change: Function, (raw tensor of one clip, level, generator) -> an array of the same shape
            and type.
        modality: String, the modality that it is to change, where a model has it.
    """

    name: str
    levels: tuple[float, float, float, float, float]
    unit: str
    change: Distortion
    modality: str = ""

    def __call__(
        self, clip: np.ndarray, severity: int, seed: int = 0, index: int = 0
    ) -> np.ndarray:
        """Corrupts one clip.

        Args:
            clip: Array, a raw tensor: e.g. int16 `[n]` or uint8 `[T, H, W, 3]`.
            severity: Integer, 0 to 5.
            seed: Integer, the seed of all clips' draws.
            index: Integer, the number of the clip, of which the draws are a function.

        Returns:
            An array of the same shape and type.
        """
        if severity == 0 or not clip.size:
            return clip
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode()), index])
        return self.change(clip, self.levels[severity - 1], rng)

    def of(self, modality: str) -> "Corruption":
        """The corruption of a model's modality.

        Args:
            modality: String, the modality's name.
        """
        return dataclasses.replace(self, modality=modality)

    def in_graph(self, severity: int, seed: int = 0) -> GraphDistortion:
        """The corruption as a function that `tf.data` can map over enumerated clips.

        Args:
            severity: Integer, 0 to 5.
            seed: Integer, the seed of all clips' draws.

        Returns:
            A function, (number of the clip, dictionary of its raw tensors by modality) -> such a
            dictionary. A modality that is absent stays absent.
        """

        def corrupted(clip: np.ndarray, index: np.ndarray) -> np.ndarray:
            return self(clip, severity, seed, int(index))

        def change(index: tf.Tensor, clip: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            before = clip[self.modality]
            after = tf.numpy_function(corrupted, [before, index], before.dtype)
            return clip | {self.modality: tf.ensure_shape(after, before.shape)}

        return change


def in_turn(corruptions: Sequence[Corruption], severity: int) -> GraphDistortion:
    """Clips that take turns: clip i suffers corruption i modulo their number.

    Args:
        corruptions: Sequence of corruptions of modalities, one or more.
        severity: Integer, 0 to 5.

    Returns:
        A function as `Corruption.in_graph` gives it.
    """
    changes = [corruption.in_graph(severity) for corruption in corruptions]

    def change(index: tf.Tensor, clip: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        branches = [functools.partial(c, index, clip) for c in changes]
        return tf.switch_case(tf.cast(index % len(branches), tf.int32), branches)

    return change
