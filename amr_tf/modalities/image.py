"""A picture that does not move: one stored frame -> normalised pixels."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities import jpeg, pictures
from amr_tf.modalities.base import Augment
from amr_tf.modalities.corrupted_frames import image_corruptions
from amr_tf.modalities.corruption import Corruption
from amr_tf.modalities.panel import Image, Panel
from amr_tf.modalities.pictures import PictureModality


@dataclasses.dataclass(frozen=True)
class ImageConfig(PictureModality):
    """The settings by which a stored picture becomes the model's input.

    Example:
        >>> image = amr_tf.modalities.ImageConfig(size=16)
        >>> image.features(image.absent()[None]).shape  # a black picture
        TensorShape([1, 16, 16, 3])

    Attributes:
        size: Integer, the height and width in pixels.
        mean: Three numbers, the mean of each channel (RGB) of pixels in [0, 1].
        std: Three numbers, the standard deviation of each channel.
    """

    kind: ClassVar[str] = "image"
    example_name: ClassVar[str] = "PICTURE.jpg"
    example_code: ClassVar[str] = "[jpeg]"
    default_encoder: ClassVar[str] = "small"
    word: ClassVar[str] = "image"
    nothing: ClassVar[str] = "a black picture"
    rules: ClassVar[Mapping[str, str]] = {
        "crop": "the middle square",
        "resize": "averaged areas where larger than size, bilinear where smaller, rounded to uint8",
        "value": "(RGB / 255 - mean) / std",
        "file": f"JPEG, at most {jpeg.MAX_PIXELS} pixels, upright by EXIF; empty for none",
    }

    size: int = 64
    mean: tuple[float, float, float] = pictures.IMAGENET_MEAN
    std: tuple[float, float, float] = pictures.IMAGENET_STD

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if self.size < 1 or min(self.std) <= 0:
            raise ValueError(f"size and std must be positive: {self}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a picture: (height, width, 3)."""
        return self.size, self.size, 3

    @property
    def told(self) -> str:
        """The input in words, for people."""
        return f"{self.size} x {self.size} pixels"

    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The middle square."""
        window = pictures.center_window(stored["size"][0], stored["size"][1])
        return pictures.cut_frames(stored, tf.constant([0]), window, 1, self.size, False)[0]

    def cut_randomly(
        self, stored: Mapping[str, tf.Tensor], augment: Augment, keys: tf.Tensor
    ) -> tf.Tensor:
        """A random crop, which is that of the clip's videos, too."""
        window = pictures.random_window(stored["size"], augment, keys[2])
        return pictures.cut_frames(stored, tf.constant([0]), window, 1, self.size, True)[0]

    @property
    def file_input(self) -> tf.TensorSpec:
        """`[B]` strings, each a JPEG file's bytes; "" for a clip without a picture."""
        return tf.TensorSpec([None], tf.string)

    def of_files(self, files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Decodes JPEG files."""
        pixels, problems = pictures.read_files(files, self.size)
        return pixels, tf.not_equal(files, ""), problems

    def packed(self, files: Sequence[Any]) -> np.ndarray:
        """JPEG files `[B]`; of a sequence the first."""
        first = (file if isinstance(file, bytes | None) else file[0] for file in files)
        return np.array([file or b"" for file in first], object)

    def example_file(self) -> bytes:
        """A black JPEG file."""
        return tf.io.encode_jpeg(self.absent()).numpy()

    def corruptions(self, others: Sequence[np.ndarray] = ()) -> tuple[Corruption, ...]:
        """Blur, JPEG artefacts, occlusion and darkness."""
        del others
        return image_corruptions()

    def panel(self, features: np.ndarray, attribution: np.ndarray) -> Panel:
        """The picture above how much each of its pixels matters."""
        strength = np.abs(attribution).sum(axis=-1)
        return Panel(
            (
                (Image("picture", pictures.shown(features, self.mean, self.std)),),
                (Image("", strength, most=float(np.quantile(strength, 0.995))),),
            ),
            "Brightness: how much a pixel matters, either way.",
        )
