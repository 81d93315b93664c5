"""Pictures that move: stored frames -> normalised pixels."""

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities.base import Augment, Modality, after

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MAX_PIXELS = 8192 * 4320  # of a frame; larger ones are refused by their headers


@dataclasses.dataclass(frozen=True)
class VideoConfig(Modality):
    """How stored frames become the model's input.

    Example:
        >>> video = amr_tf.modalities.VideoConfig(frames=2, size=16)
        >>> video.shape  # frames, height, width, channels
        (2, 16, 16, 3)
        >>> video.features(video.absent()[None]).shape  # black frames
        TensorShape([1, 2, 16, 16, 3])

    Attributes:
        frames: Integer, the frames of a clip that the model sees.
        size: Integer, their height and width in pixels.
        mean: Three numbers, the mean of each channel (RGB) of pixels in [0, 1].
        std: Three numbers, the standard deviation of each channel.
    """

    kind: ClassVar[str] = "video"

    frames: int = 3
    size: int = 64
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if self.frames < 1 or self.size < 1 or min(self.std) <= 0:
            raise ValueError(f"frames, size and std must be positive: {self}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of a clip: (frames, height, width, 3)."""
        return self.frames, self.size, self.size, 3

    @property
    def raw_bytes(self) -> int:
        """The size of a clip's cut frames."""
        return math.prod(self.shape)

    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Evenly spaced frames, their middle square, `[frames, size, size, 3]` uint8."""
        count = tf.shape(stored["frames"])[0]
        window = center_window(stored["size"][0], stored["size"][1])
        # whole frames are decoded: the served model gets them, and must see what evaluation saw
        return _frames(stored, even_frames(count, self.frames), window, self, training=False)

    def cut_randomly(
        self, stored: Mapping[str, tf.Tensor], augment: Augment, keys: tf.Tensor
    ) -> tf.Tensor:
        """Random frames in their order, one random crop of them all, mirrored or not.

        Returns:
            `[frames, size, size, 3]` float32, normalised: rounding to bytes would take as long as
            it saves.
        """
        count = tf.shape(stored["frames"])[0]
        indices = even_frames(count, self.frames)
        if augment.random_frames:
            indices = random_frames(count, self.frames, keys[1])
        window = _random_window(stored["size"], augment, keys[2])
        pixels = _frames(stored, indices, window, self, training=True)
        if augment.flip:
            mirrored = tf.random.stateless_uniform([], keys[3]) < 0.5
            rows = tf.reshape(pixels, [-1, *self.shape[2:]])  # in 3-D it is five times faster
            pixels = tf.cond(mirrored, lambda: tf.reverse(rows, [1]), lambda: rows)
            pixels = tf.reshape(pixels, self.shape)
        return normalize_frames(pixels, self)

    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """Normalised pixels; what was cut for training is normalised already."""
        return normalize_frames(raw, self) if raw.dtype == tf.uint8 else raw

    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether there are frames."""
        return tf.shape(stored["frames"])[0] > 0

    def absent(self) -> tf.Tensor:
        """Black frames, `[frames, size, size, 3]` uint8."""
        return tf.zeros(self.shape, tf.uint8)


def even_frames(num_frames: tf.Tensor | int, wanted: int) -> tf.Tensor:
    """Indices of the middles of `wanted` equal parts of a clip.

    Args:
        num_frames: Frames the clip has, 1 or more.
        wanted: Indices asked for; they repeat where the clip has fewer frames.

    Returns:
        `[wanted]` int32, not decreasing.
    """
    return (2 * tf.range(wanted) + 1) * num_frames // (2 * wanted)


def scale(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Scales frames to `size` x `size` pixels, whatever their aspect ratio.

    Reducing averages areas, which does not alias and takes a quarter of an antialiased filter's
    time; enlarging is bilinear.

    Args:
        frames: `[T, H, W, 3]` uint8.
        size: Pixels.

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
    """Scales as `scale`, to uint8; frames of the right size are left alone."""
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
        frames: `[..., H, W, 3]` uint8, one or more leading dimensions.
        size: Pixels; frames that have it are left alone.

    Returns:
        `[..., size, size, 3]` uint8.
    """
    shape = tf.shape(frames)
    y, x, height, width = tf.unstack(center_window(shape[-3], shape[-2]))
    square = frames[..., y : y + height, x : x + width, :]
    flat = tf.reshape(square, tf.stack([-1, height, width, 3]))
    scaled = tf.reshape(resize(flat, size), tf.concat([shape[:-3], [size, size, 3]], 0))
    return tf.ensure_shape(scaled, [*frames.shape[:-3], size, size, 3])


def normalize_frames(frames: tf.Tensor, config: VideoConfig) -> tf.Tensor:
    """`(frames / 255 - mean) / std` of `[..., W, 3]` uint8 with a known W, as float32."""
    width = frames.shape[-2]
    # a row of pixels at a time: broadcasting over three channels takes three times as long
    scale = np.tile(1 / (255 * np.array(config.std, np.float32)), width)
    offset = np.tile(np.array(config.mean, np.float32) / np.array(config.std, np.float32), width)
    rows = tf.cast(tf.reshape(frames, [-1, 3 * width]), tf.float32) * scale - offset
    return tf.ensure_shape(tf.reshape(rows, tf.shape(frames)), frames.shape)


def random_frames(count: tf.Tensor, wanted: int, key: tf.Tensor) -> tf.Tensor:
    """`wanted` different frames in their order; evenly repeated where there are fewer.

    Args:
        count: Frames the clip has, int32 scalar.
        wanted: Frames asked for.
        key: `[2]` int64.

    Returns:
        `[wanted]` int32.
    """
    drawn = tf.random.stateless_uniform(tf.reshape(tf.maximum(count, wanted), [1]), key)
    chosen = tf.sort(tf.argsort(drawn)[:wanted])
    return chosen * count // tf.maximum(count, wanted)


def decode_frames(stored: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Decodes all frames of a stored clip, which may then be kept in memory.

    Args:
        stored: `frames`, `[T]` JPEG files, and `size`, their height and width `[2]` int32.

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


def _random_window(size: tf.Tensor, augment: Augment, key: tf.Tensor) -> tf.Tensor:
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


def _frames(
    stored: Mapping[str, tf.Tensor],
    indices: tf.Tensor,
    window: tf.Tensor,
    video: VideoConfig,
    training: bool,
) -> tf.Tensor:
    """The chosen frames' window, scaled; black where the clip has no frames.

    In training they are float32, not rounded, and JPEG frames are decoded little further than the
    window: faster, but colours at the window's left and right edges may differ a little, where a
    JPEG's half-size colour planes are interpolated.
    """
    resized = scale if training else resize

    def pixels() -> tf.Tensor:
        chosen = tf.gather(stored["frames"], indices)
        if chosen.dtype == tf.string:
            jpegs = _checked(tf.unstack(chosen, video.frames), stored)
            if training:
                crops = [tf.io.decode_and_crop_jpeg(j, window, channels=3) for j in jpegs]
                return resized(tf.stack(crops), video.size)
            chosen = tf.stack([tf.io.decode_jpeg(j, channels=3) for j in jpegs])
        y, x, height, width = tf.unstack(window)
        return resized(chosen[:, y : y + height, x : x + width], video.size)

    black = tf.zeros(video.shape, tf.float32 if training else tf.uint8)
    found = tf.cond(tf.shape(stored["frames"])[0] > 0, pixels, lambda: black)
    return tf.ensure_shape(found, video.shape)


def _checked(jpegs: list[tf.Tensor], stored: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
    """JPEGs, refused by their headers where they are giant, or not of their record's size."""
    sizes = tf.stack([tf.io.extract_jpeg_shape(jpeg)[:2] for jpeg in jpegs])
    pixels = tf.reduce_prod(tf.cast(stored["size"], tf.int64))
    fits = tf.reduce_all(sizes == stored["size"]) & (pixels <= MAX_PIXELS)
    with after(fits, "a JPEG claims too many pixels, or others than its record says"):
        return [tf.identity(jpeg) for jpeg in jpegs]
