"""The base of all kinds of modalities."""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities.corruption import Corruption
from amr_tf.modalities.panel import Panel


@dataclasses.dataclass(frozen=True)
class Augment:
    """The random changes of training clips; evaluation changes nothing.

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
        spec_augment_time: Integer, the most time steps that SpecAugment masks; 0 for none.
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
    """One input of a model, and how it is made of what a record stores.

    A stored clip is *cut* to a raw tensor of a fixed size (int16 samples, uint8 pixels, int32
    tokens, float32 numbers), which is all that crosses to the device. There its *features* are
    made, as a layer of the model: `amr_tf.modalities.FeaturesLayer`.

    A subclass is a frozen dataclass of the sizes and rates that the model was trained with. Its
    methods from `cut` to `of_files` are graph code: the pipeline, the evaluation and the served
    model call the same ones.

    Example:
        >>> modality = amr_tf.modalities.MODALITIES["features"](dimensions=(2,), mean=(1.0, 2.0))
        >>> modality.features(modality.absent()[None]).numpy().tolist()
        [[0.0, 0.0]]

    Attributes:
        kind: String, the kind's name, which records and flags use.
        stored_as: String, the kind under which records hold it; empty for the kind itself.
        example_name: String, a file that may hold it, as help texts write it.
        example_code: String, a batch of one clip as code that calls a served model writes it.
        default_encoder: String, the encoder that takes its features unless another is named.
        word: String, what people call it, e.g. `sound`.
        nothing: String, what `absent` is called, e.g. `silence`.
        rules: Mapping, what its numbers leave open of how features are made, in words.
    """

    kind: ClassVar[str]
    stored_as: ClassVar[str] = ""
    example_name: ClassVar[str]
    example_code: ClassVar[str]
    default_encoder: ClassVar[str]
    word: ClassVar[str]
    nothing: ClassVar[str]
    rules: ClassVar[Mapping[str, str]]

    @classmethod
    @abc.abstractmethod
    def of_records(cls, stored: Any, options: Mapping[str, Any]) -> "Modality":
        """The input of a model that is to learn from records.

        Args:
            stored: Description of how the records store this modality, of `tfrecords.stored`.
            options: Mapping, the sizes and rates that are wanted, by the names of the fields;
                those of other kinds may be among them.

        Raises:
            ValueError: A size or rate is impossible.
        """

    @classmethod
    def stored(cls) -> str:
        """The kind under which records hold it."""
        return cls.stored_as or cls.kind

    def called(self, name: str) -> str:
        """The word for it in a model: its kind's word, or its name where that is its own.

        Args:
            name: String, the modality's name in the model.
        """
        return self.word if name == self.kind else name

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample as the encoder takes it."""

    @property
    @abc.abstractmethod
    def told(self) -> str:
        """The input in words, for people."""

    @property
    @abc.abstractmethod
    def raw(self) -> tf.TensorSpec:
        """The shape and type of the raw tensor of one sample."""

    @property
    def raw_bytes(self) -> int:
        """The size of the raw tensor of one sample."""
        return self.raw.shape.num_elements() * self.raw.dtype.size

    @property
    def given_to_encoder(self) -> dict[str, Any]:
        """The arguments that an encoder needs beside the shape, by their names."""
        return {}

    @property
    def tables(self) -> tuple[Any, ...]:
        """Objects with state outside of variables that a SavedModel has to keep; none for most."""
        return ()

    @abc.abstractmethod
    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Cuts what is stored of a clip to the model's size, without any random draw.

        Args:
            stored: Mapping, the tensors that a record holds of this modality; they are empty where
                the record lacks it.

        Returns:
            The raw tensor of one sample.
        """

    def cut_randomly(
        self, stored: Mapping[str, tf.Tensor], augment: Augment, keys: tf.Tensor
    ) -> tf.Tensor:
        """Cuts what is stored of a clip for training; as `cut` where nothing is random.

        Args:
            stored: Mapping, the tensors that a record holds of this modality, as for `cut`.
            augment: Augment, the random changes.
            keys: Tensor `[3, 2]` int64; every draw is a function of one of the three keys.

        Returns:
            The raw tensor of one sample.
        """
        del augment, keys
        return self.cut(stored)

    @abc.abstractmethod
    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """Makes the encoder's input of a batch of raw tensors.

        Args:
            raw: Tensor `[B, ...]`, a batch of what `cut` or `cut_randomly` gives.

        Returns:
            `[B, *shape]`, float32, or int32 for tokens.
        """

    def draws(self, augment: Augment) -> int:
        """The number of draws that `augmented` needs for each sample; 0 if it changes nothing."""
        del augment
        return 0

    def augmented(self, features: tf.Tensor, augment: Augment, draws: tf.Tensor) -> tf.Tensor:
        """Changes features at random, for training, on the device.

        Args:
            features: Tensor `[B, *shape]`.
            augment: Augment, the random changes.
            draws: Tensor `[B, K]` float32, uniform in [0, 1), K of `draws` or more.

        Returns:
            `[B, *shape]`.
        """
        del augment, draws
        return features

    @abc.abstractmethod
    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether a clip has this modality, a boolean scalar."""

    @abc.abstractmethod
    def absent(self) -> tf.Tensor:
        """The raw tensor that stands for an absent modality: silence, black frames, zeros."""

    @property
    @abc.abstractmethod
    def file_input(self) -> tf.TensorSpec:
        """The batch that `of_files` takes, e.g. `[B]` strings, each a WAV file's bytes."""

    @abc.abstractmethod
    def of_files(self, files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Reads files as a client or a command sends them; one that is broken spoils no other.

        Args:
            files: Batch of files' bytes (or of texts, of numbers), as `file_input` says.

        Returns:
            Raw tensors `[B, ...]`; `[B]` booleans, whether there is something; `[B]` strings, what
            is wrong with it, e.g. that it is broken or too large, "" where nothing is. See
            `amr_tf.modalities.attempts`.
        """

    @abc.abstractmethod
    def packed(self, files: Sequence[Any]) -> np.ndarray:
        """A batch for `of_files`.

        Args:
            files: Sequence of what is sent of each clip: the bytes of a file, a sequence of such,
                or an array; None for a clip that lacks this modality.
        """

    @abc.abstractmethod
    def example_file(self) -> Any:
        """An example of what can be sent of a clip, as `packed` takes it."""

    def corruptions(self, others: Sequence[np.ndarray] = ()) -> tuple[Corruption, ...]:
        """The ways in which this modality can go wrong, in five severities, on raw tensors.

        Args:
            others: Raw tensors of clips that are not to be corrupted, to be mixed in.

        Returns:
            The corruptions; none by default.
        """
        del others
        return ()

    @abc.abstractmethod
    def panel(self, features: np.ndarray, attribution: np.ndarray) -> Panel:
        """The drawing of one sample's features and their attributions.

        Args:
            features: Array of the features' shape, one sample's.
            attribution: Array of the same shape; zeros where nothing was attributed.
        """

    def describe(self) -> dict[str, Any]:
        """The numbers of this input, for descriptions in JSON."""
        fields: Any = self  # of the subclasses, which are the dataclasses
        return {"kind": self.kind, **dataclasses.asdict(fields)}


def fields_of(described: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are fields of a dataclass; lists, as JSON has them, become tuples."""
    names = {field.name for field in dataclasses.fields(described)}
    found = {name: value for name, value in options.items() if name in names}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
