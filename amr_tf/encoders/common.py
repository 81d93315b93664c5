"""What the encoders share: initial weights from a seed, an image encoder for each frame."""

import zlib
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from amr_tf.layers import FoldFrames, MeanOverFrames


class Initializers:
    """Hands out initializers, each with a seed of its own.

    Args:
        seed: Of all of them.
        name: Of the model: two encoders made with one seed start with different weights.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._random = np.random.default_rng((seed, zlib.crc32(name.encode())))

    def kaiming(self, mode: str = "fan_in") -> keras.initializers.Initializer:
        """He et al. (2015): normal, of variance 2 / fan."""
        return keras.initializers.VarianceScaling(
            scale=2.0,
            mode=mode,
            distribution="untruncated_normal",
            seed=int(self._random.integers(2**31)),
        )


def per_frame(
    trunk: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, ...], name: str
) -> keras.Model:
    """A model of an image encoder, applied to each frame where samples have frames.

    Args:
        trunk: Images `[B, H, W, channels]` -> encodings `[B, D]`, as symbolic tensors.
        shape: Of one sample, `[H, W, channels]` or `[T, H, W, channels]`.
        name: Of the model.

    Returns:
        A functional model, `[B, *shape]` -> `[B, D]`, the mean over the frames.

    Raises:
        ValueError: The shape is neither.
    """
    if len(shape) not in (3, 4) or None in shape[:1] + shape[-1:]:
        raise ValueError(
            f"{name}: expected samples of shape [H, W, channels] or [T, H, W, channels] with "
            f"known T and channels, not {tuple(shape)}"
        )
    inputs = keras.Input(shape, name="inputs")
    if len(shape) == 3:
        return keras.Model(inputs, trunk(inputs), name=name)
    encodings = trunk(FoldFrames(name="fold")(inputs))
    mean = MeanOverFrames(shape[0], name="mean_over_frames")(encodings)
    return keras.Model(inputs, mean, name=name)
