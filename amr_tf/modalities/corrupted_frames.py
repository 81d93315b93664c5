"""Corruptions of pictures in uint8: blur, artefacts, occlusion, darkness, lost frames.

The kinds follow Hendrycks and Dietterich (2019); levels are this project's own.
"""

import dataclasses

import numpy as np
import tensorflow as tf
from scipy import ndimage

from amr_tf.modalities.corruption import Corruption, Distortion

GREY = 128


def frame_corruptions() -> tuple[Corruption, ...]:
    """The corruptions of video, on frames `[T, H, W, 3]`.

    Returns:
        The corruptions.
    """
    shares = (0.1, 0.2, 0.35, 0.5, 0.75)
    light = (0.6, 0.4, 0.25, 0.12, 0.05)
    lost = (0.1, 0.3, 0.5, 0.7, 0.9)
    deviations = (0.01, 0.02, 0.04, 0.07, 0.12)
    return (
        Corruption("blur", deviations, "of the height, standard deviation", _blur),
        Corruption("JPEG artefacts", (40, 20, 10, 5, 2), "quality", _jpeg),
        Corruption("occlusion", shares, "of the area is covered", _occlude),
        Corruption("darkening", light, "of the light is left", _darken),
        Corruption("frame drops", lost, "of the frames are lost, on average", _drop),
    )


def image_corruptions() -> tuple[Corruption, ...]:
    """The corruptions of an image `[H, W, 3]`: those of video, except lost frames.

    Returns:
        The corruptions.
    """
    return tuple(
        dataclasses.replace(corruption, change=_of_one(corruption.change))
        for corruption in frame_corruptions()
        if corruption.change is not _drop
    )


def _of_one(change: Distortion) -> Distortion:
    return lambda image, level, rng: change(image[np.newaxis], level, rng)[0]


def _blur(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur; the level is its standard deviation."""
    deviation = level * frames.shape[1]
    blurred = ndimage.gaussian_filter(
        frames.astype(np.float32), (0, deviation, deviation, 0), mode="nearest"
    )
    return np.rint(blurred).astype(np.uint8)


def _jpeg(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    with tf.device("CPU"):
        return np.stack([_through_jpeg(frame, int(level)) for frame in frames])


def _through_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    return tf.io.decode_jpeg(tf.io.encode_jpeg(frame, quality=quality), channels=3).numpy()


def _occlude(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """A grey rectangle, one for all frames, that covers `level` of the area."""
    place = rng.random(2)
    extent = np.rint(np.sqrt(level) * np.array(frames.shape[1:3])).astype(int)
    top, left = np.rint(place * (np.array(frames.shape[1:3]) - extent)).astype(int)
    covered = frames.copy()
    covered[:, top : top + extent[0], left : left + extent[1]] = GREY
    return covered


def _darken(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return np.rint(level * frames).astype(np.uint8)


def _drop(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Each frame is lost, and black, with probability `level`."""
    lost = rng.random(len(frames)) < level
    return np.where(lost[:, None, None, None], 0, frames).astype(np.uint8)
