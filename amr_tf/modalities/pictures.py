"""The parts that video and images share: JPEG files, crops, scaling, normalised pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf.modalities import attempts, jpeg
from amr_tf.modalities.base import Augment, Modality, fields_of
from amr_tf.modalities.checks import after

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MAX_PIXELS = 8192 * 4320  # of a stored frame; larger ones are refused by their headers


class PictureModality(Modality):
    """The base of video and images as kinds of modalities; a subclass has a size, mean and std."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of_records(cls, stored: Any, options: Mapping[str, Any]) -> "PictureModality":
        """The input, whatever the size of what is stored."""
        del stored
        return cls(**fields_of(cls, options))

    @property
    def raw(self) -> tf.TensorSpec:
        """Pixels of the features' shape, uint8."""
        return tf.TensorSpec(self.shape, tf.uint8)

    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """Normalised pixels `[B, *shape]`."""
        return normalize_frames(raw, self.mean, self.std)

    def draws(self, augment: Augment) -> int:
        """The number of draws: one, which decides whether to mirror."""
        return int(augment.flip)

    def augmented(self, features: tf.Tensor, augment: Augment, draws: tf.Tensor) -> tf.Tensor:
        """Mirrors half of the samples."""
        del augment
        return mirrored(features, draws)

    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether there is a frame."""
        return tf.shape(stored["frames"])[0] > 0

    def absent(self) -> tf.Tensor:
        """Black, of the raw shape, uint8."""
        return tf.zeros(self.shape, tf.uint8)


def scale(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Scales frames to `size` x `size` pixels, whatever their aspect ratio.

    Reducing averages areas, which does not alias and takes a quarter of an antialiased filter's
    time; enlarging is bilinear.

    Args:
        frames: Tensor `[T, H, W, 3]` uint8.
        size: Integer, pixels.

    Returns:
        `[T, size, size, 3]` float32, from 0 to 255, not rounded.
    """
    pixels = tf.cast(frames, tf.float32)  # scaling bytes takes twice as long
    smaller = tf.reduce_min(tf.shape(frames)[1:3]) >= size
    scaled = tf.cond(
        smaller,
        lambda: tf.image.resize(pixels, (size, size), "area"),
        lambda: tf.image.resize(pixels, (size, size), "bilinear"),
    )
    return tf.ensure_shape(scaled, [None, size, size, 3])


def resize(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Scales as `scale`, to uint8; frames of the right size stay as they are."""
    there = tf.reduce_all(tf.shape(frames)[1:3] == size)
    resized = tf.cond(
        there, lambda: frames, lambda: tf.cast(tf.round(scale(frames, size)), tf.uint8)
    )
    return tf.ensure_shape(resized, [None, size, size, 3])


def center_window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The middle square of a frame, `[y, x, height, width]` int32."""
    side = tf.minimum(height, width)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def resize_center(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Scales the middle square of each frame to `size` x `size` pixels.

    Args:
        frames: Tensor `[..., H, W, 3]` uint8, one or more leading dimensions.
        size: Integer, pixels; frames that have it stay as they are.

    Returns:
        `[..., size, size, 3]` uint8.
    """
    shape = tf.shape(frames)
    y, x, height, width = tf.unstack(center_window(shape[-3], shape[-2]))
    square = frames[..., y : y + height, x : x + width, :]
    flat = tf.reshape(square, tf.stack([-1, height, width, 3]))
    scaled = tf.reshape(resize(flat, size), tf.concat([shape[:-3], [size, size, 3]], 0))
    return tf.ensure_shape(scaled, [*frames.shape[:-3], size, size, 3])


def normalize_frames(
    frames: tf.Tensor, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
) -> tf.Tensor:
    """`(frames / 255 - mean) / std` of `[..., W, 3]` uint8 with a known W, as float32.

    Args:
        frames: `[..., H, W, 3]` uint8.
        mean: Three numbers, the mean of each channel of pixels in [0, 1].
        std: Three numbers, the standard deviation of each channel.
    """
    width = frames.shape[-2]
    # a row of pixels at a time: broadcasting over three channels takes three times as long
    scale = np.tile(1 / (255 * np.array(std, np.float32)), width)
    offset = np.tile(np.array(mean, np.float32) / np.array(std, np.float32), width)
    rows = tf.cast(tf.reshape(frames, [-1, 3 * width]), tf.float32) * scale - offset
    return tf.ensure_shape(tf.reshape(rows, tf.shape(frames)), frames.shape)


def decode_frames(stored: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Decodes all frames of a stored clip, which may then be kept in memory.

    Args:
        stored: Mapping, `frames`, `[T]` JPEG files, and `size`, their height and width `[2]` int32.

    Returns:
        The same with `frames` `[T, H, W, 3]` uint8.
    """

    def pixels() -> tf.Tensor:
        return tf.map_fn(
            lambda jpeg: tf.io.decode_jpeg(_checked([jpeg], stored)[0], channels=3),
            stored["frames"],
            fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
        )

    nothing = tf.zeros([0, 0, 0, 3], tf.uint8)
    decoded = tf.cond(tf.size(stored["frames"]) > 0, pixels, lambda: nothing)
    return {**stored, "frames": decoded}


def random_window(size: tf.Tensor, augment: Augment, key: tf.Tensor) -> tf.Tensor:
    """A random window, `[y, x, height, width]` int32, of a frame of `size` (height, width)."""
    if augment.crop_scale == (1, 1):
        return center_window(size[0], size[1])
    begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.concat([tf.maximum(size, 1), [3]], 0),
        tf.zeros([1, 0, 4]),
        key,
        min_object_covered=0.0,
        aspect_ratio_range=augment.crop_ratio,
        area_range=augment.crop_scale,
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], extent[:2]], 0)


def cut_frames(
    stored: Mapping[str, tf.Tensor],
    indices: tf.Tensor,
    window: tf.Tensor,
    count: int,
    size: int,
    training: bool,
) -> tf.Tensor:
    """The chosen frames' window, scaled, uint8; black where the clip has no frames.

    In training JPEG frames are decoded little further than the window: faster, but colours at the
    window's left and right edges may differ a little, where a JPEG's half-size colour planes are
    interpolated. In evaluation whole frames are: the served model gets them, and must see the same.

    Args:
        stored: `frames`, `[T]` JPEG files or `[T, H, W, 3]` uint8, and `size`, their height and
            width `[2]` int32.
        indices: Tensor `[count]` int32, the chosen frames.
        window: Tensor `[y, x, height, width]` int32.
        count: Integer, the number of frames.
        size: Integer, the height and width of the result.
        training: Boolean, whether to decode only the window.

    Returns:
        `[count, size, size, 3]` uint8.
    """

    def pixels() -> tf.Tensor:
        chosen = tf.gather(stored["frames"], indices)
        if chosen.dtype == tf.string:
            jpegs = _checked(tf.unstack(chosen, count), stored)
            if training:
                crops = [tf.io.decode_and_crop_jpeg(j, window, channels=3) for j in jpegs]
                return resize(tf.stack(crops), size)
            chosen = tf.stack([tf.io.decode_jpeg(j, channels=3) for j in jpegs])
        y, x, height, width = tf.unstack(window)
        return resize(chosen[:, y : y + height, x : x + width], size)

    black = tf.zeros([count, size, size, 3], tf.uint8)
    found = tf.cond(tf.shape(stored["frames"])[0] > 0, pixels, lambda: black)
    return tf.ensure_shape(found, black.shape)


def read_files(files: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The middle squares of JPEG files, upright and scaled; black for "".

    Args:
        files: Tensor `[N]` of strings, the files' bytes.
        size: Integer, pixels.

    Returns:
        `[N, size, size, 3]` uint8, black where there is a problem, and the problems `[N]`.
    """
    black = tf.zeros([size, size, 3], tf.uint8)

    def fit(frame: tf.Tensor) -> tf.Tensor:
        return resize_center(frame[tf.newaxis], size)[0]

    return attempts.each(
        lambda file: jpeg.read(file, fit, black), files, black, "a JPEG file is damaged"
    )


def mirrored(features: tf.Tensor, draws: tf.Tensor) -> tf.Tensor:
    """Half of the samples mirrored, by their first draw.

    Args:
        features: Tensor `[B, ..., W, 3]`.
        draws: Tensor `[B, K]`, uniform in [0, 1).
    """
    rows = tf.reshape(features, [-1, *features.shape[-2:]])  # in 3-D it is five times faster
    turned = tf.reshape(tf.reverse(rows, [1]), tf.shape(features))
    # chooses whole samples; `tf.where` would broadcast the condition to each pixel first, and take
    # six times as long
    return tf.compat.v1.where(draws[:, 0] < 0.5, turned, features)


def shown(features: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Pixels in [0, 1] of normalised ones `[..., 3]`."""
    return np.clip(features * np.array(std) + np.array(mean), 0, 1)


def _checked(jpegs: list[tf.Tensor], stored: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
    """JPEGs, refused by their headers where they are giant, or not of their record's size."""
    sizes = tf.stack([tf.io.extract_jpeg_shape(jpeg)[:2] for jpeg in jpegs])
    pixels = tf.reduce_prod(tf.cast(stored["size"], tf.int64))
    fits = tf.reduce_all(sizes == stored["size"]) & (pixels <= MAX_PIXELS)
    with after(fits, "a JPEG claims too many pixels, or others than its record says"):
        return [tf.identity(jpeg) for jpeg in jpegs]
