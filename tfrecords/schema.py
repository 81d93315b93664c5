"""The one place that knows the record format.

A clip is one `tf.train.SequenceExample`. Keys follow MediaSequence's vocabulary where it has one:

    context        clip/media_id          bytes   the clip's name, unique in its set
                   clip/data_path         bytes   path of the media file, relative to the source
                   clip/label/index       int64   class ids: the data set's own label, then others
                   clip/label/string      bytes   the same as names
                   clip/label/audible, clip/label/visible         int64   0 or 1 for each label
                   clip/background_music, clip/static_image, clip/voice_over     int64   0 or 1
                   audio/encoded          bytes   mono: little-endian 16-bit PCM, or a FLAC stream
                   audio/num_samples      int64
                   image/height, image/width  int64   of the stored frames, pixels
                   feature/floats         float   an array in row-major order
    feature lists  image/encoded          bytes   one JPEG a frame
                   image/timestamp        int64   microseconds from the clip's start

The keys of a modality that is not called like its kind begin with its name: `flow/image/encoded`.
The marks after the labels' names are there in annotated clips alone. What all clips share (sample
rate, frame rate, codec, shape) stands once, in `dataset.json`; see `tfrecords.description`.
"""

import contextlib
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf.modalities.base import after
from tfrecords import flac
from tfrecords.building.decoded import Clip, Pictures, Sound, Vector
from tfrecords.datasets.listing import Annotation, Listed
from tfrecords.description import Stored, StoredFeatures

MEDIA_ID = "clip/media_id"
DATA_PATH = "clip/data_path"
LABEL_INDEX = "clip/label/index"
LABEL_STRING = "clip/label/string"
LABEL_AUDIBLE = "clip/label/audible"
LABEL_VISIBLE = "clip/label/visible"
BACKGROUND_MUSIC = "clip/background_music"
STATIC_IMAGE = "clip/static_image"
VOICE_OVER = "clip/voice_over"
AUDIO = "audio/encoded"
AUDIO_SAMPLES = "audio/num_samples"
HEIGHT = "image/height"
WIDTH = "image/width"
FRAMES = "image/encoded"
TIMESTAMPS = "image/timestamp"
FLOATS = "feature/floats"
_MARKS = (LABEL_AUDIBLE, LABEL_VISIBLE, BACKGROUND_MUSIC, STATIC_IMAGE)

StoredClip = dict[str, Any]


def key(base: str, modality: str, kind: str) -> str:
    """A modality's key: the base alone where the modality is called like its kind."""
    return base if modality == kind else f"{modality}/{base}"


# -- writing --------------------------------------------------------------------------------------


@contextlib.contextmanager
def writer(path: pathlib.Path) -> Iterator[Callable[[bytes], None]]:
    """Opens a TFRecord file.

    Args:
        path: Path of the file.

    Yields:
        A function that writes a record.

    Raises:
        OSError: The file cannot be written.
    """
    try:
        with tf.io.TFRecordWriter(str(path)) as file:
            yield file.write
    except tf.errors.OpError as error:
        raise OSError(f"{path} cannot be written: {error.message}") from error


def serialise(listed: Listed, clip: Clip, classes: tuple[str, ...]) -> bytes:
    """Makes a record.

    Args:
        listed: What the data set says of the clip.
        clip: What was decoded.
        classes: Strings, the class names.

    Returns:
        A `tf.train.SequenceExample`; equal clips give equal bytes.
    """
    context = {
        MEDIA_ID: _bytes(listed.media_id),
        DATA_PATH: _bytes(listed.path),
        LABEL_INDEX: _ints(*listed.labels),
        LABEL_STRING: _bytes(*(classes[label] for label in listed.labels)),
    }
    if listed.annotation is not None:
        context |= _annotation(listed.annotation)
    lists: dict[str, tf.train.FeatureList] = {}
    for name, value in clip.values.items():
        _SERIALISERS[type(value)](name, value, context, lists)
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    )
    return example.SerializeToString(deterministic=True)  # maps have no order of their own


def _sound(name: str, sound: Sound, context: dict, lists: dict) -> None:
    pcm = sound.waveform.astype("<i2").tobytes()
    context[key(AUDIO, name, "audio")] = _bytes(pcm if sound.flac is None else sound.flac)
    context[key(AUDIO_SAMPLES, name, "audio")] = _ints(len(sound.waveform))


def _pictures(name: str, pictures: Pictures, context: dict, lists: dict) -> None:
    context[key(HEIGHT, name, "video")] = _ints(pictures.height)
    context[key(WIDTH, name, "video")] = _ints(pictures.width)
    frames = tf.train.FeatureList(feature=map(_bytes, pictures.frames))
    lists[key(FRAMES, name, "video")] = frames
    times = tf.train.FeatureList(feature=map(_ints, pictures.timestamps_us))
    lists[key(TIMESTAMPS, name, "video")] = times


def _vector(name: str, vector: Vector, context: dict, lists: dict) -> None:
    values = tf.train.FloatList(value=vector.values.reshape(-1))
    context[key(FLOATS, name, "features")] = tf.train.Feature(float_list=values)


_SERIALISERS = {Sound: _sound, Pictures: _pictures, Vector: _vector}


def _annotation(found: Annotation) -> dict[str, tf.train.Feature]:
    return {
        LABEL_AUDIBLE: _ints(*found.audible),
        LABEL_VISIBLE: _ints(*found.visible),
        BACKGROUND_MUSIC: _ints(found.background_music),
        STATIC_IMAGE: _ints(found.static_image),
        VOICE_OVER: _ints(found.voice_over),
    }


def _bytes(*values: str | bytes) -> tf.train.Feature:
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))


def _ints(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, values)))


# -- reading in a graph ---------------------------------------------------------------------------


def parse(
    record: tf.Tensor, modalities: Mapping[str, Stored], classes: int | None = None
) -> StoredClip:
    """Reads a record's label and the given modalities; frames stay JPEG.

    Args:
        record: Scalar string, a serialised `tf.train.SequenceExample`.
        modalities: Mapping, modality -> how it is stored; others are not read.
        classes: Integer, the number of classes; another label is refused.

    Returns:
        `label` int64, and modality -> its stored tensors: `samples` `[n]` int16 of a sound;
        `frames` `[T]` JPEG files and `size`, their height and width `[2]` int32; `values` `[D]`
        float32. They are empty where the clip lacks the modality.
    """
    context: dict[str, Any] = {LABEL_INDEX: tf.io.RaggedFeature(tf.int64)}
    lists: dict[str, Any] = {}
    for name, stored in modalities.items():
        if stored.kind == "audio":
            context[key(AUDIO, name, "audio")] = tf.io.FixedLenFeature([], tf.string, "")
        elif stored.kind == "video":
            for base in (HEIGHT, WIDTH):
                context[key(base, name, "video")] = tf.io.FixedLenFeature([], tf.int64, 0)
            frames = tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True)
            lists[key(FRAMES, name, "video")] = frames
        else:
            context[key(FLOATS, name, "features")] = tf.io.RaggedFeature(tf.float32)
    found, sequences = tf.io.parse_single_sequence_example(record, context, lists)
    clip: StoredClip = {"label": _first_label(found[LABEL_INDEX], classes)}
    for name, stored in modalities.items():
        if stored.kind == "audio":
            samples = waveform_decoder(stored.codec)(found[key(AUDIO, name, "audio")])
            clip[name] = {"samples": samples}
        elif stored.kind == "video":
            size = [found[key(base, name, "video")] for base in (HEIGHT, WIDTH)]
            frames = sequences[key(FRAMES, name, "video")]
            clip[name] = {"frames": frames, "size": tf.cast(tf.stack(size), tf.int32)}
        else:
            clip[name] = {"values": _values(found[key(FLOATS, name, "features")], stored)}
    return clip


def _values(values: tf.Tensor, stored: StoredFeatures) -> tf.Tensor:
    count = tf.size(values)
    fits = (count == math.prod(stored.dimensions)) | (count == 0)
    with after(fits, "a record holds another number of features than its set's description"):
        return tf.identity(values)


def _first_label(labels: tf.Tensor, classes: int | None) -> tf.Tensor:
    most = tf.int64.max if classes is None else classes - 1
    known = tf.reduce_all(labels[:1] == tf.clip_by_value(labels[:1], 0, most))
    with after(known & (tf.size(labels) > 0), "the label of a record is none of the classes"):
        return tf.identity(labels)[0]


def waveform_decoder(codec: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function that makes int16 `[samples]` of the bytes of a record.

    Raises:
        ImportError: The codec is `flac` and tensorflow-io does not work here.
    """
    if codec == "flac":
        return flac.graph_decoder()
    return lambda stream: tf.io.decode_raw(stream, tf.int16)


@tf.autograph.experimental.do_not_convert
def media_ids(records: tf.data.Dataset) -> list[str]:
    """The names of the clips in a dataset of serialised records."""
    spec = {MEDIA_ID: tf.io.FixedLenFeature([], tf.string)}
    names = records.map(
        lambda record: tf.io.parse_single_sequence_example(record, spec)[0][MEDIA_ID]
    )
    return [name.decode() for name in names.as_numpy_iterator()]


# -- reading on the host --------------------------------------------------------------------------


def records(paths: Iterable[str | pathlib.Path]) -> Iterator[bytes]:
    """The serialised records of shards, one after the other."""
    return iter(tf.data.TFRecordDataset([str(path) for path in paths]).as_numpy_iterator())


def read(record: bytes, modalities: Mapping[str, Stored]) -> dict[str, Any]:
    """Reads a record without a graph, as tools look into record sets.

    Args:
        record: Bytes of a serialised record.
        modalities: Mapping, modality -> how it is stored.

    Returns:
        `media_id`, `labels` (ids), `label` (name of the first), and for each modality that the
        clip has: int16 `[samples]`, a list of JPEG files, or float32 of the set's shape.
    """
    example = tf.train.SequenceExample.FromString(record)
    context, lists = example.context.feature, example.feature_lists.feature_list
    names = context[LABEL_STRING].bytes_list.value
    found: dict[str, Any] = {
        "media_id": context[MEDIA_ID].bytes_list.value[0].decode(),
        "labels": list(context[LABEL_INDEX].int64_list.value),
        "label": names[0].decode() if names else "",
    }
    for name, stored in modalities.items():
        if stored.kind == "audio" and (at := key(AUDIO, name, "audio")) in context:
            stream = context[at].bytes_list.value[0]
            is_flac = stored.codec == "flac"
            found[name] = flac.decode(stream) if is_flac else np.frombuffer(stream, "<i2")
        elif stored.kind == "video" and (at := key(FRAMES, name, "video")) in lists:
            found[name] = [frame.bytes_list.value[0] for frame in lists[at].feature]
        elif stored.kind == "features" and (at := key(FLOATS, name, "features")) in context:
            values = np.array(context[at].float_list.value, np.float32)
            found[name] = values.reshape(stored.dimensions)
    return found


def annotations(paths: Iterable[str | pathlib.Path]) -> dict[str, dict[str, tuple[int, ...]]]:
    """What people heard and saw in the annotated clips of shards.

    Args:
        paths: Paths of the shards.

    Returns:
        Clip -> `labels` (class ids), `audible` and `visible` (0 or 1 for each label),
        `background_music` and `static_image` (0 or 1).
    """
    found = {}
    for record in records(paths):
        context = tf.train.SequenceExample.FromString(record).context.feature
        if LABEL_AUDIBLE in context:
            name = context[MEDIA_ID].bytes_list.value[0].decode()
            found[name] = {
                at.rpartition("/")[2]: tuple(context[at].int64_list.value) for at in _MARKS
            }
            found[name]["labels"] = tuple(context[LABEL_INDEX].int64_list.value)
    return found
