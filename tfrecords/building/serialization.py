"""Clips as records: TensorFlow's part of the builder."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator

from tfrecords import quiet  # noqa: F401  isort: skip

import tensorflow as tf

from tfrecords import schema
from tfrecords.building.media import Clip
from tfrecords.datasets.listing import Annotation, Listed


@contextlib.contextmanager
def writer(path: pathlib.Path) -> Iterator[Callable[[bytes], None]]:
    """Opens a TFRecord file.

    Args:
        path: The file.

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
        classes: Class names.

    Returns:
        A `tf.train.SequenceExample`; equal clips give equal bytes.
    """
    context = {
        schema.MEDIA_ID: _bytes(listed.media_id),
        schema.DATA_PATH: _bytes(listed.video),
        schema.LABEL_INDEX: _ints(*listed.labels),
        schema.LABEL_STRING: _bytes(*(classes[label] for label in listed.labels)),
    }
    if listed.annotation is not None:
        context |= _annotation(listed.annotation)
    lists = {}
    if clip.waveform is not None:
        pcm = clip.waveform.astype("<i2").tobytes()
        context[schema.AUDIO] = _bytes(pcm if clip.flac is None else clip.flac)
        context[schema.AUDIO_SAMPLES] = _ints(len(clip.waveform))
    if clip.frames:
        context[schema.HEIGHT] = _ints(clip.height)
        context[schema.WIDTH] = _ints(clip.width)
        lists[schema.FRAMES] = tf.train.FeatureList(feature=map(_bytes, clip.frames))
        lists[schema.TIMESTAMPS] = tf.train.FeatureList(feature=map(_ints, clip.timestamps_us))
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=context),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    )
    return example.SerializeToString(deterministic=True)  # maps have no order of their own


def _annotation(found: Annotation) -> dict[str, tf.train.Feature]:
    return {
        schema.LABEL_AUDIBLE: _ints(*found.audible),
        schema.LABEL_VISIBLE: _ints(*found.visible),
        schema.BACKGROUND_MUSIC: _ints(found.background_music),
        schema.STATIC_IMAGE: _ints(found.static_image),
        schema.VOICE_OVER: _ints(found.voice_over),
    }


def _bytes(*values: str | bytes) -> tf.train.Feature:
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))


def _ints(*values: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=map(int, values)))
