"""One record -> one clip's samples and pixels: parsing, decoding, choosing and cropping.

A *stored* clip is a dictionary of tensors, `label` int64 and, as the modalities ask,
`audio` `[n]` int16 and `frames` `[T]` JPEG bytes or, once decoded, `[T, H, W, 3]` uint8. A *cut*
clip has the model's sizes: `audio` `[samples]` int16, `video` `[N, size, size, 3]`, `presence`
modality -> 1.0 or 0.0. Its video is uint8 for evaluation, which may keep all clips in memory, and
normalised float32 for training: rounding would take as long as it saves.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from amr_tf import features
from amr_tf.features import AudioConfig, VideoConfig
from tfrecords import schema

Clip = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Augment:
    """What training changes at random; evaluation changes nothing.

    Attributes:
        crop_scale: Least and greatest part of a frame's area that a crop covers; (1, 1) for the
            middle square. All frames of a clip share the crop.
        crop_ratio: Least and greatest width / height of a crop.
        flip: Whether half of the clips are mirrored.
        time_shift: Whether the audio is cut at a random place; else its middle.
        random_frames: Whether frames are chosen at random; else evenly.
        spec_augment_time: Most time steps that SpecAugment masks; 0 for none. Needs tensorflow-io.
        spec_augment_freq: Most frequency bins that SpecAugment masks; 0 for none.
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


def parse(
    record: tf.Tensor,
    modalities: tuple[str, ...],
    codec: str = "pcm16",
    classes: int | None = None,
) -> Clip:
    """Reads a record's label and what the modalities need; frames stay JPEG.

    Args:
        record: A serialised `tf.train.SequenceExample`, see `tfrecords.schema`.
        modalities: Of `audio` and `video`.
        codec: Of the audio, see `schema.Audio`.
        classes: How many there are; another label is refused.

    Returns:
        A stored clip, and for video `size`, the frames' height and width `[2]` int32.
    """
    context = {schema.LABEL_INDEX: tf.io.RaggedFeature(tf.int64)}
    lists = {}
    if "audio" in modalities:
        context[schema.AUDIO] = tf.io.FixedLenFeature([], tf.string, "")
    if "video" in modalities:
        context[schema.HEIGHT] = tf.io.FixedLenFeature([], tf.int64, 0)
        context[schema.WIDTH] = tf.io.FixedLenFeature([], tf.int64, 0)
        lists[schema.FRAMES] = tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True)
    found, frames = tf.io.parse_single_sequence_example(record, context, lists)
    clip = {"label": _first_label(found[schema.LABEL_INDEX], classes)}
    if "audio" in modalities:
        clip["audio"] = waveform_decoder(codec)(found[schema.AUDIO])
    if "video" in modalities:
        clip["frames"] = frames[schema.FRAMES]
        clip["size"] = tf.cast(tf.stack([found[schema.HEIGHT], found[schema.WIDTH]]), tf.int32)
    return clip


def _first_label(labels: tf.Tensor, classes: int | None) -> tf.Tensor:
    most = tf.int64.max if classes is None else classes - 1
    known = tf.reduce_all(labels[:1] == tf.clip_by_value(labels[:1], 0, most))
    with _after(known & (tf.size(labels) > 0), "the label of a record is none of the classes"):
        return tf.identity(labels)[0]


def _after(condition: tf.Tensor, message: str) -> Any:
    """Makes what follows wait for a check.

    The bare operation: `tf.debugging`'s branch around it costs more than decoding a small frame.
    """
    check = tf.raw_ops.Assert(condition=condition, data=[message])
    return tf.control_dependencies([] if check is None else [check])


def waveform_decoder(codec: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function that makes int16 `[samples]` of the bytes of a record.

    Raises:
        ImportError: The codec is `flac` and tensorflow-io does not work here.
    """
    if codec == "flac":
        from tfrecords import flac

        return flac.graph_decoder()
    return lambda stream: tf.io.decode_raw(stream, tf.int16)


def decode(clip: Clip) -> Clip:
    """Decodes all frames of a stored clip."""
    if "frames" not in clip:
        return clip

    def pixels() -> tf.Tensor:
        return tf.map_fn(
            lambda jpeg: tf.io.decode_jpeg(_checked([jpeg], clip)[0], channels=3),
            clip["frames"],
            fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8),
        )

    nothing = tf.zeros([0, 0, 0, 3], tf.uint8)
    return clip | {"frames": tf.cond(tf.size(clip["frames"]) > 0, pixels, lambda: nothing)}


def _checked(jpegs: list[tf.Tensor], clip: Clip) -> list[tf.Tensor]:
    """JPEGs, refused by their headers where they are giant, or not of their record's size."""
    sizes = tf.stack([tf.io.extract_jpeg_shape(jpeg)[:2] for jpeg in jpegs])
    pixels = tf.reduce_prod(tf.cast(clip["size"], tf.int64))
    fits = tf.reduce_all(sizes == clip["size"]) & (pixels <= schema.MAX_PIXELS)
    with _after(fits, "a JPEG claims too many pixels, or others than its record says"):
        return [tf.identity(jpeg) for jpeg in jpegs]


def cut_for_evaluation(clip: Clip, audio: AudioConfig | None, video: VideoConfig | None) -> Clip:
    """The middle of the sound, evenly spaced frames, their middle square.

    Args:
        clip: A stored clip.
        audio: The model's audio input, if it has one.
        video: The model's video input, if it has one.

    Returns:
        A cut clip.
    """
    cut = {"label": clip["label"]}
    if audio is not None:
        cut["audio"] = features.fit_length(features.tiled(clip["audio"], audio), audio.samples)
    if video is not None:
        count = tf.shape(clip["frames"])[0]
        window = features.center_window(clip["size"][0], clip["size"][1])
        indices = features.even_frames(count, video.frames)
        # not fused: the served model gets whole frames, and must see what evaluation saw
        cut["video"] = _frames(clip, indices, window, video, training=False)
    return cut | {"presence": _presence(clip)}


def cut_for_training(
    clip: Clip,
    audio: AudioConfig | None,
    video: VideoConfig | None,
    augment: Augment,
    key: tf.Tensor,
) -> Clip:
    """A random part of the sound, random frames in their order, one random crop of them all.

    Args:
        clip: A stored clip.
        audio: The model's audio input, if it has one.
        video: The model's video input, if it has one.
        augment: What is random.
        key: `[2]` int64; every draw is a function of it.

    Returns:
        A cut clip.
    """
    cut = {"label": clip["label"]}
    time_key, frame_key, crop_key, flip_key = tf.unstack(
        tf.random.experimental.stateless_split(key, 4)
    )
    if audio is not None:
        waveform = features.tiled(clip["audio"], audio)
        spare = tf.maximum(tf.shape(waveform)[0] - audio.samples, 0)
        start = spare // 2
        if augment.time_shift:
            start = tf.random.stateless_uniform([], time_key, 0, spare + 1, tf.int32)
        cut["audio"] = features.crop_length(waveform, audio.samples, start)
    if video is not None:
        count = tf.shape(clip["frames"])[0]
        indices = features.even_frames(count, video.frames)
        if augment.random_frames:
            indices = random_frames(count, video.frames, frame_key)
        window = _random_window(clip["size"], augment, crop_key)
        pixels = _frames(clip, indices, window, video, training=True)
        if augment.flip:
            mirrored = tf.random.stateless_uniform([], flip_key) < 0.5
            rows = tf.reshape(pixels, [-1, *video.shape[2:]])  # in 3-D it is five times faster
            pixels = tf.cond(mirrored, lambda: tf.reverse(rows, [1]), lambda: rows)
            pixels = tf.reshape(pixels, video.shape)
        cut["video"] = features.normalize_frames(pixels, video)
    return cut | {"presence": _presence(clip)}


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


def _random_window(size: tf.Tensor, augment: Augment, key: tf.Tensor) -> tf.Tensor:
    """A random window, `[y, x, height, width]` int32, of a frame of `size` (height, width)."""
    if augment.crop_scale == (1, 1):
        return features.center_window(size[0], size[1])
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
    clip: Clip, indices: tf.Tensor, window: tf.Tensor, video: VideoConfig, training: bool
) -> tf.Tensor:
    """The chosen frames' window, scaled; black where the clip has no frames.

    In training they are float32, not rounded, and JPEG frames are decoded little further than the
    window: faster, but colours at the window's left and right edges may differ a little, where a
    JPEG's half-size colour planes are interpolated.
    """
    scale = features.scale if training else features.resize

    def pixels() -> tf.Tensor:
        chosen = tf.gather(clip["frames"], indices)
        if chosen.dtype == tf.string:
            jpegs = _checked(tf.unstack(chosen, video.frames), clip)
            if training:
                crops = [tf.io.decode_and_crop_jpeg(j, window, channels=3) for j in jpegs]
                return scale(tf.stack(crops), video.size)
            chosen = tf.stack([tf.io.decode_jpeg(j, channels=3) for j in jpegs])
        y, x, height, width = tf.unstack(window)
        return scale(chosen[:, y : y + height, x : x + width], video.size)

    black = tf.zeros(video.shape, tf.float32 if training else tf.uint8)
    found = tf.cond(tf.shape(clip["frames"])[0] > 0, pixels, lambda: black)
    return tf.ensure_shape(found, video.shape)


def _presence(clip: Clip) -> Clip:
    """Per modality of the clip, whether there is anything: 1.0 or 0.0."""
    keys = {"audio": "audio", "video": "frames"}
    return {
        modality: tf.cast(tf.shape(clip[key])[0] > 0, tf.float32)
        for modality, key in keys.items()
        if key in clip
    }
