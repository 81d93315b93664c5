"""The content of a record for each kind of modality: the part of the format in which kinds differ.

The keys follow MediaSequence's vocabulary; `tfrecords.schema` lists them all, and makes and reads
whole records. A user's own kind gets a `Format` by `register`.
"""

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities.checks import after
from tfrecords import flac, registration
from tfrecords.building.decoded import Passage, Pictures, Sound, Vector
from tfrecords.stored import StoredAudio, StoredFeatures, StoredImage, StoredText, StoredVideo

AUDIO = "audio/encoded"
AUDIO_SAMPLES = "audio/num_samples"
HEIGHT = "image/height"
WIDTH = "image/width"
FRAMES = "image/encoded"
TIMESTAMPS = "image/timestamp"
PICTURE = "picture/encoded"
PICTURE_HEIGHT = "picture/height"
PICTURE_WIDTH = "picture/width"
TEXT = "text/context/content"
FLOATS = "feature/floats"


def bytes_feature(*values: str | bytes) -> tf.train.Feature:
    """A feature of texts or bytes."""
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))


def floats_feature(*values: float) -> tf.train.Feature:
    """A feature of numbers."""
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def ints_feature(*values: int) -> tf.train.Feature:
    """A feature of whole numbers."""
    return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, values)))


class Format(abc.ABC):
    """The content of a record for one kind of modality, how it is written and read.

    All keys are the kind's own: of a modality that is called otherwise, `schema` puts the name
    before them.

    Attributes:
        context: Mapping, key of the context -> how TensorFlow is to parse it.
        lists: Mapping, key of the feature lists -> how TensorFlow is to parse it.
    """

    context: ClassVar[Mapping[str, Any]] = {}
    lists: ClassVar[Mapping[str, Any]] = {}

    @abc.abstractmethod
    def write(self, value: Any) -> dict[str, tf.train.Feature | Sequence[tf.train.Feature]]:
        """Makes a record's part.

        Args:
            value: Value that the kind's `Stored.read` gave.

        Returns:
            Key -> feature of the context, or features of a list.
        """

    @abc.abstractmethod
    def parse(self, found: Mapping[str, tf.Tensor], stored: Any) -> dict[str, tf.Tensor]:
        """Makes the stored tensors in a graph, which `amr_tf.modalities` cut.

        Args:
            found: Mapping, key -> the tensor that TensorFlow parsed.
            stored: `Stored` object of the modality.
        """

    @abc.abstractmethod
    def read(self, found: Mapping[str, Sequence[Any]], stored: Any) -> Any:
        """Reads a record's part without a graph.

        Args:
            found: Mapping, key that is there -> its values.
            stored: `Stored` object of the modality.

        Returns:
            The value as tools take it; None where the record lacks the modality.

        Raises:
            ValueError: The record does not hold such a value.
        """


FORMATS: dict[str, Format] = {}


def register(kind: str) -> Callable[[type[Format]], type[Format]]:
    """A decorator that registers the format of a kind of modality.

    Args:
        kind: String, the kind, as `tfrecords.stored` has it.

    Raises:
        TypeError: The class is not a subclass of `Format`.
        ValueError: The name is not a lower-case identifier, or another format has it.
    """

    def registered(chosen: type[Format]) -> type[Format]:
        classes = {name: type(there) for name, there in FORMATS.items()}
        registration.register(classes, kind, chosen, Format, "record format")
        FORMATS[kind] = chosen()
        return chosen

    return registered


def find(kind: str) -> Format:
    """The format of a kind of modality.

    Raises:
        ValueError: There is none.
    """
    if kind not in FORMATS:
        raise ValueError(
            f"no record format of the kind of modality {kind!r}: name a module that registers it "
            "(tfrecords.formats.register) with --plugins"
        )
    return FORMATS[kind]


@register("audio")
class AudioFormat(Format):
    """Mono: little-endian 16-bit PCM, or a FLAC stream."""

    context = {  # noqa: RUF012
        AUDIO: tf.io.FixedLenFeature([], tf.string, "")
    }

    def write(self, value: Sound) -> dict[str, Any]:
        """The waveform as bytes, and its length."""
        pcm = value.waveform.astype("<i2").tobytes()
        stream = pcm if value.flac is None else value.flac
        return {AUDIO: bytes_feature(stream), AUDIO_SAMPLES: ints_feature(len(value.waveform))}

    def parse(self, found: Mapping[str, tf.Tensor], stored: StoredAudio) -> dict[str, tf.Tensor]:
        """`samples` `[n]` int16; none where the clip has no sound."""
        if stored.codec == "flac":
            return {"samples": flac.graph_decoder()(found[AUDIO])}
        return {"samples": tf.io.decode_raw(found[AUDIO], tf.int16)}

    def read(self, found: Mapping[str, Sequence[Any]], stored: StoredAudio) -> np.ndarray | None:
        """int16 `[samples]`."""
        if AUDIO not in found:
            return None
        stream = found[AUDIO][0]
        return flac.decode(stream) if stored.codec == "flac" else np.frombuffer(stream, "<i2")


@register("video")
class VideoFormat(Format):
    """One JPEG a frame, their one size, and the time of each."""

    context = {  # noqa: RUF012
        HEIGHT: tf.io.FixedLenFeature([], tf.int64, 0),
        WIDTH: tf.io.FixedLenFeature([], tf.int64, 0),
    }
    lists = {  # noqa: RUF012
        FRAMES: tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True)
    }

    def write(self, value: Pictures) -> dict[str, Any]:
        """The frames, their times and their size."""
        return {
            HEIGHT: ints_feature(value.height),
            WIDTH: ints_feature(value.width),
            FRAMES: list(map(bytes_feature, value.frames)),
            TIMESTAMPS: list(map(ints_feature, value.timestamps_us)),
        }

    def parse(self, found: Mapping[str, tf.Tensor], stored: StoredVideo) -> dict[str, tf.Tensor]:
        """`frames` `[T]` JPEG files, and `size`, their height and width `[2]` int32."""
        size = tf.stack([found[HEIGHT], found[WIDTH]])
        return {"frames": found[FRAMES], "size": tf.cast(size, tf.int32)}

    def read(self, found: Mapping[str, Sequence[Any]], stored: StoredVideo) -> list[bytes] | None:
        """JPEG files."""
        return [frame[0] for frame in found[FRAMES]] if FRAMES in found else None


@register("image")
class ImageFormat(Format):
    """One JPEG and its size; under other keys than a video's, beside which it may stand."""

    context = {  # noqa: RUF012
        PICTURE: tf.io.RaggedFeature(tf.string),
        PICTURE_HEIGHT: tf.io.FixedLenFeature([], tf.int64, 0),
        PICTURE_WIDTH: tf.io.FixedLenFeature([], tf.int64, 0),
    }

    def write(self, value: Pictures) -> dict[str, Any]:
        """The picture and its size."""
        return {
            PICTURE: bytes_feature(*value.frames),
            PICTURE_HEIGHT: ints_feature(value.height),
            PICTURE_WIDTH: ints_feature(value.width),
        }

    def parse(self, found: Mapping[str, tf.Tensor], stored: StoredImage) -> dict[str, tf.Tensor]:
        """`frames` `[1]`, a JPEG file, or none; `size`, its height and width `[2]` int32."""
        size = tf.stack([found[PICTURE_HEIGHT], found[PICTURE_WIDTH]])
        return {"frames": found[PICTURE][:1], "size": tf.cast(size, tf.int32)}

    def read(self, found: Mapping[str, Sequence[Any]], stored: StoredImage) -> list[bytes] | None:
        """One JPEG file, in a list as the frames of a video."""
        return list(found[PICTURE]) or None if PICTURE in found else None


@register("text")
class TextFormat(Format):
    """UTF-8, as it was written."""

    context = {  # noqa: RUF012
        TEXT: tf.io.FixedLenFeature([], tf.string, "")
    }

    def write(self, value: Passage) -> dict[str, Any]:
        """The text."""
        return {TEXT: bytes_feature(value.text)}

    def parse(self, found: Mapping[str, tf.Tensor], stored: StoredText) -> dict[str, tf.Tensor]:
        """`text`, a scalar string; "" where the clip has none."""
        return {"text": found[TEXT]}

    def read(self, found: Mapping[str, Sequence[Any]], stored: StoredText) -> str | None:
        """The text."""
        return found[TEXT][0].decode() if TEXT in found else None


@register("features")
class FeaturesFormat(Format):
    """An array in row-major order."""

    context = {FLOATS: tf.io.RaggedFeature(tf.float32)}  # noqa: RUF012

    def write(self, value: Vector) -> dict[str, Any]:
        """The numbers."""
        values = tf.train.FloatList(value=value.values.reshape(-1))
        return {FLOATS: tf.train.Feature(float_list=values)}

    def parse(self, found: Mapping[str, tf.Tensor], stored: StoredFeatures) -> dict[str, tf.Tensor]:
        """`values` `[D]` float32, of a sequence `[t * D]`; none where the clip has no features."""
        count = tf.size(found[FLOATS])
        if stored.is_sequence:
            size = math.prod(stored.dimensions[1:])
            fits = (count % size == 0) & (count <= size * stored.max_steps)
        else:
            fits = (count == math.prod(stored.dimensions)) | (count == 0)
        with after(fits, "a record holds another number of features than its set's description"):
            return {"values": tf.identity(found[FLOATS])}

    def read(self, found: Mapping[str, Sequence[Any]], stored: StoredFeatures) -> np.ndarray | None:
        """float32 of the set's shape."""
        if FLOATS not in found:
            return None
        shape = [-1 if size is None else size for size in stored.dimensions]
        return np.array(found[FLOATS], np.float32).reshape(shape)
