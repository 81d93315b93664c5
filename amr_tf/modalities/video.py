"""Pictures that move: stored frames -> normalised pixels. Optical flow is video, too."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities import jpeg, pictures
from amr_tf.modalities.attempts import first_problem
from amr_tf.modalities.base import Augment
from amr_tf.modalities.corrupted_frames import frame_corruptions
from amr_tf.modalities.corruption import Corruption
from amr_tf.modalities.panel import Image, Panel
from amr_tf.modalities.pictures import PictureModality


@dataclasses.dataclass(frozen=True)
class VideoConfig(PictureModality):
    """The settings by which stored frames become the model's input.

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
    example_name: ClassVar[str] = "CLIP.mp4"
    example_code: ClassVar[str] = "[[jpeg, jpeg]]"
    default_encoder: ClassVar[str] = "small"
    word: ClassVar[str] = "picture"
    nothing: ClassVar[str] = "black frames"
    rules: ClassVar[Mapping[str, str]] = {
        "choice": "of n frames those with the indices (2 k + 1) n // (2 frames), k = 0 ... "
        "frames - 1",
        "crop": "the middle square",
        "resize": "averaged areas where larger than size, bilinear where smaller, rounded to uint8",
        "value": "(RGB / 255 - mean) / std",
        "file": f"JPEG, at most {jpeg.MAX_PIXELS} pixels a frame, upright by EXIF; empty for none",
    }

    frames: int = 3
    size: int = 64
    mean: tuple[float, float, float] = pictures.IMAGENET_MEAN
    std: tuple[float, float, float] = pictures.IMAGENET_STD

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if self.frames < 1 or self.size < 1 or min(self.std) <= 0:
            raise ValueError(f"frames, size and std must be positive: {self}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of a clip: (frames, height, width, 3)."""
        return self.frames, self.size, self.size, 3

    @property
    def told(self) -> str:
        """The input in words, for people."""
        return f"{self.frames} frames of {self.size} x {self.size} pixels"

    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Evenly spaced frames, their middle square, `[frames, size, size, 3]` uint8."""
        indices = even_frames(tf.shape(stored["frames"])[0], self.frames)
        window = pictures.center_window(stored["size"][0], stored["size"][1])
        return self._frames(stored, indices, window, training=False)

    def cut_randomly(
        self, stored: Mapping[str, tf.Tensor], augment: Augment, keys: tf.Tensor
    ) -> tf.Tensor:
        """Random frames in their order, one random crop of them all."""
        count = tf.shape(stored["frames"])[0]
        indices = even_frames(count, self.frames)
        if augment.random_frames:
            indices = random_frames(count, self.frames, keys[1])
        window = pictures.random_window(stored["size"], augment, keys[2])
        return self._frames(stored, indices, window, training=True)

    def _frames(
        self,
        stored: Mapping[str, tf.Tensor],
        indices: tf.Tensor,
        window: tf.Tensor,
        training: bool,
    ) -> tf.Tensor:
        return pictures.cut_frames(stored, indices, window, self.frames, self.size, training)

    @property
    def file_input(self) -> tf.TensorSpec:
        """`[B, T]` strings, each a JPEG file's bytes, in order, where "" fills up rows."""
        return tf.TensorSpec([None, None], tf.string)

    def of_files(self, files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Decodes those JPEG files of each clip that the model sees, and no others."""
        chosen, there = _chosen(files, self.frames)
        pixels, problems = pictures.read_files(tf.reshape(chosen, [-1]), self.size)
        problems = first_problem(tf.reshape(problems, [-1, self.frames]))
        return tf.reshape(pixels, [-1, *self.shape]), there, problems

    def packed(self, files: Sequence[Any]) -> np.ndarray:
        """JPEG files `[B, T]`, rows filled up with ""."""
        rows = [list(frames or ()) for frames in files]
        longest = max(map(len, rows))
        filled = [[*row, *[b""] * (longest - len(row))] for row in rows]
        return np.array(filled, object).reshape(len(rows), longest)

    def example_file(self) -> tuple[bytes, ...]:
        """JPEG files of black frames."""
        return (tf.io.encode_jpeg(self.absent()[0]).numpy(),) * self.frames

    def corruptions(self, others: Sequence[np.ndarray] = ()) -> tuple[Corruption, ...]:
        """Blur, JPEG artefacts, occlusion, darkness and lost frames."""
        del others
        return frame_corruptions()

    def panel(self, features: np.ndarray, attribution: np.ndarray) -> Panel:
        """The frames above how much each of their pixels matters."""
        pixels = pictures.shown(features, self.mean, self.std)
        strength = np.abs(attribution).sum(axis=-1)
        most = float(np.quantile(strength, 0.995))
        return Panel(
            (
                tuple(Image(f"frame {t + 1}", frame) for t, frame in enumerate(pixels)),
                tuple(Image("", frame, most=most) for frame in strength),
            ),
            "Brightness: how much a pixel matters, either way.",
        )


def even_frames(num_frames: tf.Tensor | int, wanted: int) -> tf.Tensor:
    """Indices of the middles of `wanted` equal parts of a clip.

    Args:
        num_frames: Integer, the frames that the clip has, 1 or more.
        wanted: Integer, the number of indices; they repeat where the clip has fewer frames.

    Returns:
        `[wanted]` int32, not decreasing.
    """
    return (2 * tf.range(wanted) + 1) * num_frames // (2 * wanted)


def random_frames(count: tf.Tensor, wanted: int, key: tf.Tensor) -> tf.Tensor:
    """`wanted` different frames in their order; evenly repeated where there are fewer.

    Args:
        count: Scalar int32, the frames that the clip has.
        wanted: Integer, the number of frames.
        key: Tensor `[2]` int64, the key of the draw.

    Returns:
        `[wanted]` int32.
    """
    drawn = tf.random.stateless_uniform(tf.reshape(tf.maximum(count, wanted), [1]), key)
    chosen = tf.sort(tf.argsort(drawn)[:wanted])
    return chosen * count // tf.maximum(count, wanted)


def _chosen(frames: tf.Tensor, wanted: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The frames that the model sees, `[B, wanted]`, and whether a clip has any, `[B]`."""
    found = tf.ragged.boolean_mask(frames, tf.not_equal(frames, ""))
    counts = tf.cast(found.row_lengths(), tf.int32)
    # a last column of "", for rows without frames
    rows = tf.concat([found.to_tensor(""), tf.fill([tf.shape(frames)[0], 1], "")], axis=1)
    indices = even_frames(counts[:, tf.newaxis], wanted)
    return tf.gather(rows, indices, batch_dims=1), counts > 0
