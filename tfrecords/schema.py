"""The one place that knows the record format.

A clip is one `tf.train.SequenceExample`. Keys follow MediaSequence's vocabulary where it has one:

    context        clip/media_id          bytes   the clip's name, unique in its set
                   clip/data_path         bytes   path of the media file, relative to the source
                   clip/label/index       int64   class ids: the data set's own label, then others
                   clip/label/string      bytes   the same as names
                   clip/label/value       float   numbers, the labels of a regression
                   clip/label/audible, clip/label/visible         int64   0 or 1 for each label
                   clip/background_music, clip/static_image, clip/voice_over     int64   0 or 1
                   audio/encoded          bytes   mono: little-endian 16-bit PCM, or a FLAC stream
                   audio/num_samples      int64
                   image/height, image/width  int64   of the stored frames, pixels
                   picture/encoded        bytes   one JPEG, of a picture that stands still
                   picture/height, picture/width  int64   pixels
                   text/context/content   bytes   UTF-8
                   feature/floats         float   an array or a sequence in row-major order
    feature lists  image/encoded          bytes   one JPEG a frame
                   image/timestamp        int64   microseconds from the clip's start

The keys of a modality that is not called like its kind begin with its name: `flow/image/encoded`.
The marks after the labels' names are only in annotated clips. What all clips share (sample
rate, frame rate, codec, shape) stands once, in `dataset.json`; see `tfrecords.description`.
"""

import contextlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from amr_tf.modalities.checks import after
from tfrecords import formats
from tfrecords.building.decoded import Clip
from tfrecords.datasets.listing import Annotation, Listed
from tfrecords.formats import (
    AUDIO,
    AUDIO_SAMPLES,
    FLOATS,
    FRAMES,
    HEIGHT,
    PICTURE,
    PICTURE_HEIGHT,
    PICTURE_WIDTH,
    TEXT,
    TIMESTAMPS,
    WIDTH,
    bytes_feature,
    floats_feature,
    ints_feature,
)
from tfrecords.stored import Stored
from tfrecords.tasks import MULTICLASS, MULTILABEL, REGRESSION, SEPARATOR

MEDIA_ID = "clip/media_id"
DATA_PATH = "clip/data_path"
LABEL_INDEX = "clip/label/index"
LABEL_STRING = "clip/label/string"
LABEL_VALUE = "clip/label/value"
LABEL_AUDIBLE = "clip/label/audible"
LABEL_VISIBLE = "clip/label/visible"
BACKGROUND_MUSIC = "clip/background_music"
STATIC_IMAGE = "clip/static_image"
VOICE_OVER = "clip/voice_over"
_MARKS = (LABEL_AUDIBLE, LABEL_VISIBLE, BACKGROUND_MUSIC, STATIC_IMAGE)

# The whole vocabulary, and what makes and reads records of it.
__all__ = [
    "AUDIO",
    "AUDIO_SAMPLES",
    "BACKGROUND_MUSIC",
    "DATA_PATH",
    "FLOATS",
    "FRAMES",
    "HEIGHT",
    "LABEL_AUDIBLE",
    "LABEL_INDEX",
    "LABEL_STRING",
    "LABEL_VALUE",
    "LABEL_VISIBLE",
    "MEDIA_ID",
    "PICTURE",
    "PICTURE_HEIGHT",
    "PICTURE_WIDTH",
    "STATIC_IMAGE",
    "TEXT",
    "TIMESTAMPS",
    "VOICE_OVER",
    "WIDTH",
    "StoredClip",
    "annotations",
    "key",
    "media_ids",
    "parse",
    "read",
    "records",
    "serialise",
    "writer",
]

StoredClip = dict[str, Any]


def key(base: str, modality: str, kind: str) -> str:
    """A modality's key: just the base where the modality has the name of its kind."""
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


def serialise(
    listed: Listed, clip: Clip, classes: tuple[str, ...], modalities: Mapping[str, str]
) -> bytes:
    """Makes a record.

    Args:
        listed: Listed, what the data set says of the clip.
        clip: Clip, what was decoded.
        classes: Strings, the class names.
        modalities: Mapping, modality -> its kind.

    Returns:
        A `tf.train.SequenceExample`; equal clips give equal bytes.
    """
    context = {
        MEDIA_ID: bytes_feature(listed.media_id),
        DATA_PATH: bytes_feature(listed.path),
        LABEL_INDEX: ints_feature(*listed.labels),
        LABEL_STRING: bytes_feature(*(classes[label] for label in listed.labels)),
    }
    if listed.values:
        context[LABEL_VALUE] = floats_feature(*listed.values)
    if listed.annotation is not None:
        context |= _annotation(listed.annotation)
    lists: dict[str, tf.train.FeatureList] = {}
    for name, value in clip.values.items():
        kind = modalities[name]
        for base, feature in formats.find(kind).write(value).items():
            if isinstance(feature, tf.train.Feature):
                context[key(base, name, kind)] = feature
            else:
                lists[key(base, name, kind)] = tf.train.FeatureList(feature=feature)
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    )
    return example.SerializeToString(deterministic=True)  # maps have no order of their own


def _annotation(found: Annotation) -> dict[str, tf.train.Feature]:
    return {
        LABEL_AUDIBLE: ints_feature(*found.audible),
        LABEL_VISIBLE: ints_feature(*found.visible),
        BACKGROUND_MUSIC: ints_feature(found.background_music),
        STATIC_IMAGE: ints_feature(found.static_image),
        VOICE_OVER: ints_feature(found.voice_over),
    }


# -- reading in a graph ---------------------------------------------------------------------------


def parse(
    record: tf.Tensor,
    modalities: Mapping[str, Stored],
    classes: int | None = None,
    task: str = MULTICLASS,
) -> StoredClip:
    """Reads a record's label and the given modalities; frames stay JPEG.

    Args:
        record: Scalar string, a serialised `tf.train.SequenceExample`.
        modalities: Mapping, modality -> how it is stored; others are not read.
        classes: Integer, the number of classes, or of numbers; another label is refused.
        task: String, what labels are.

    Returns:
        `label`, and modality -> its stored tensors: `samples` `[n]` int16 of a sound;
        `frames` `[T]` JPEG files and `size`, their height and width `[2]` int32, of a video and
        of an image, which is one frame; `values` `[D]` float32 of features, `[t * D]` of a
        sequence; `text`, a scalar string. They are empty where the clip lacks the modality. The
        label is an int64 class id, `[C]` float32 of 0 and 1 of several labels, or numbers `[K]`.
    """
    key_of_label, kind = (
        (LABEL_VALUE, tf.float32) if task == REGRESSION else (LABEL_INDEX, tf.int64)
    )
    context: dict[str, Any] = {key_of_label: tf.io.RaggedFeature(kind)}
    lists: dict[str, Any] = {}
    for name, stored in modalities.items():
        chosen = formats.find(stored.kind)
        context |= {key(base, name, stored.kind): how for base, how in chosen.context.items()}
        lists |= {key(base, name, stored.kind): how for base, how in chosen.lists.items()}
    found, sequences = tf.io.parse_single_sequence_example(record, context, lists)
    clip: StoredClip = {"label": _LABELS[task](found[key_of_label], classes)}
    found |= sequences
    for name, stored in modalities.items():
        chosen = formats.find(stored.kind)
        bases = (*chosen.context, *chosen.lists)
        mine = {base: found[key(base, name, stored.kind)] for base in bases}
        clip[name] = chosen.parse(mine, stored)
    return clip


def _first_label(labels: tf.Tensor, classes: int | None) -> tf.Tensor:
    most = tf.int64.max if classes is None else classes - 1
    known = tf.reduce_all(labels[:1] == tf.clip_by_value(labels[:1], 0, most))
    with after(known & (tf.size(labels) > 0), "the label of a record is none of the classes"):
        return tf.identity(labels)[0]


def _all_labels(labels: tf.Tensor, classes: int | None) -> tf.Tensor:
    most = tf.int64.max if classes is None else classes - 1
    known = tf.reduce_all(labels == tf.clip_by_value(labels, 0, most))
    with after(known, "a label of a record is none of the classes"):
        return tf.minimum(tf.reduce_sum(tf.one_hot(labels, classes), axis=0), 1)


def _numbers(values: tf.Tensor, count: int | None) -> tf.Tensor:
    right = tf.reduce_all(tf.math.is_finite(values)) & (tf.size(values) == count)
    with after(right, f"the label of a record is not {count} finite numbers"):
        return tf.ensure_shape(tf.identity(values), [count])


_LABELS = {MULTICLASS: _first_label, MULTILABEL: _all_labels, REGRESSION: _numbers}


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
        `media_id`, `labels` (ids), `label` (all of their names, or the numbers, separated by `|`),
        `values` (numbers), and for each modality that the
        clip has: int16 `[samples]`, a list of JPEG files, a text, or float32 of the set's shape.

    Raises:
        ValueError: The record holds no such modality.
    """
    example = tf.train.SequenceExample.FromString(record)
    context, lists = example.context.feature, example.feature_lists.feature_list
    names = context[LABEL_STRING].bytes_list.value
    found: dict[str, Any] = {
        "media_id": context[MEDIA_ID].bytes_list.value[0].decode(),
        "labels": list(context[LABEL_INDEX].int64_list.value),
        "values": list(context[LABEL_VALUE].float_list.value) if LABEL_VALUE in context else [],
    }
    texts = [f"{v:g}" for v in found["values"]] or [name.decode() for name in names]
    found["label"] = SEPARATOR.join(texts)
    for name, stored in modalities.items():
        chosen = formats.find(stored.kind)
        mine = {}
        for base in chosen.context:
            if (at := key(base, name, stored.kind)) in context:
                mine[base] = _values(context[at])
        for base in chosen.lists:
            if (at := key(base, name, stored.kind)) in lists:
                mine[base] = list(map(_values, lists[at].feature))
        value = chosen.read(mine, stored)
        if value is not None:
            found[name] = value
    return found


def _values(feature: tf.train.Feature) -> Sequence[Any]:
    """The values of a feature, of whatever type."""
    kind = feature.WhichOneof("kind")
    return getattr(feature, kind).value if kind else ()


def annotations(paths: Iterable[str | pathlib.Path]) -> dict[str, dict[str, tuple[int, ...]]]:
    """The annotations of what people heard and saw in clips of shards.

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
