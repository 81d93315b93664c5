"""What all kinds of modalities have in common."""

import abc
import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Augment:
    """What training changes at random; evaluation changes nothing.

    Example:
        >>> augment = amr_tf.modalities.Augment(crop_scale=(0.6, 1.0), flip=False)
        >>> augment.time_shift
        True

    Attributes:
        crop_scale: Two numbers, the least and the greatest part of a frame's area that a crop
            covers; (1, 1) for the middle square. All frames of a clip share the crop.
        crop_ratio: Two numbers, the least and the greatest width / height of a crop.
        flip: Boolean, whether half of the clips are mirrored.
        time_shift: Boolean, whether the audio is cut at a random place, or else in its middle.
        random_frames: Boolean, whether frames are chosen at random, or else evenly.
        spec_augment_time: Integer, the most time steps that SpecAugment masks; 0 for none. It
            needs tensorflow-io.
        spec_augment_freq: Integer, the most frequency bins that SpecAugment masks; 0 for none.
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True
    time_shift: bool = True
    random_frames: bool = True
    spec_augment_time: int = 0
    spec_augment_freq: int = 0

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        for name, most in (("crop_scale", 1.0), ("crop_ratio", float("inf"))):
            low, high = getattr(self, name)
            if not 0 < low <= high <= most:
                raise ValueError(f"{name} must be 0 < least <= greatest <= {most}: {self}")
        if self.spec_augment_time < 0 or self.spec_augment_freq < 0:
            raise ValueError(f"SpecAugment's masks must not be negative: {self}")


class Modality(abc.ABC):
    """How one input of a model is made of what a record stores of it.

    A subclass is a frozen dataclass of the sizes and rates that the model was trained with. All its
    methods are graph code: the pipeline, the evaluation and the served model call the same ones.

    Example:
        >>> modality = amr_tf.modalities.MODALITIES["features"](dimensions=(2,), mean=(1.0, 2.0))
        >>> modality.features(modality.absent()[None]).numpy().tolist()
        [[0.0, 0.0]]

    Attributes:
        kind: String, the kind's name, which records and flags use.
    """

    kind: ClassVar[str]

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample as the encoder takes it."""

    @property
    @abc.abstractmethod
    def raw_bytes(self) -> int:
        """The size of one sample that was cut for evaluation."""

    @abc.abstractmethod
    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Cuts what is stored of a clip to the model's size, without any random draw.

        Args:
            stored: The tensors that a record holds of this modality; empty where it lacks it.

        Returns:
            The raw tensor of one sample.
        """

    @abc.abstractmethod
    def cut_randomly(
        self, stored: Mapping[str, tf.Tensor], augment: Augment, keys: tf.Tensor
    ) -> tf.Tensor:
        """Cuts what is stored of a clip for training.

        Args:
            stored: As for `cut`.
            augment: What is random.
            keys: `[4, 2]` int64; every draw is a function of one of the four keys.

        Returns:
            The raw tensor of one sample.
        """

    @abc.abstractmethod
    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """Makes the encoder's input of a batch of raw tensors.

        Args:
            raw: `[B, ...]`, a batch of what `cut` or `cut_randomly` gives.

        Returns:
            `[B, *shape]` float32.
        """

    @abc.abstractmethod
    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether a clip has this modality, a boolean scalar."""

    @abc.abstractmethod
    def absent(self) -> tf.Tensor:
        """What stands for this modality where it is absent, raw: silence, black frames, zeros."""

    def describe(self) -> dict[str, Any]:
        """The numbers of this input, for descriptions in JSON."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


def after(condition: tf.Tensor, message: str) -> contextlib.AbstractContextManager:
    """Makes what follows wait for a check.

    The bare operation: `tf.debugging`'s branch around it costs more than decoding a small frame.
    """
    check = tf.raw_ops.Assert(condition=condition, data=[message])
    return tf.control_dependencies([] if check is None else [check])
