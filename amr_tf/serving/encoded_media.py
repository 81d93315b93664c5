"""WAV files and JPEG frames -> a model's inputs, as graph operations.

The served model and the commands that read media files share it. Only core TensorFlow operations;
every size may be dynamic. Sizes are read from the headers and limited before anything is decoded.
"""

import io
import wave
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from amr_tf._context import PRESENCE
from amr_tf.modalities import AudioConfig, Modality, VideoConfig
from amr_tf.modalities import audio as audio_features
from amr_tf.modalities import video as video_features

MAX_WAV_BYTES = 32 << 20  # of a clip; decoded it takes twice as much
MAX_FRAME_PIXELS = 4096 * 4096  # decoded they take three bytes each


def media_features(
    files: Mapping[str, tf.Tensor], inputs: Mapping[str, Modality]
) -> dict[str, tf.Tensor]:
    """A model's inputs of encoded clips, which may differ in length, size and what they have.

    What a clip lacks counts as absent, as in the training pipeline: zeros, and 0 in `presence`.

    Args:
        files: Mapping, modality -> `[B]`, each a WAV file's bytes: 16-bit PCM at the model's rate,
            its channels are averaged, "" for a clip without sound; or `[B, T]`, each a JPEG file's
            bytes, in order, where "" fills up rows. Of a clip's frames those that the model sees
            are decoded, and no others.
        inputs: Mapping, modality -> the model's input, of the kinds audio and video, in its order.

    Returns:
        Modality -> input of its encoder, and `presence` `[B, M]` float32.

    Raises:
        tf.errors.InvalidArgumentError: What is no WAV or JPEG file, or is truncated, of another
            sample rate, or over the limits; a clip that has nothing for the model.
    """
    found, there = {}, {}
    for name, modality in inputs.items():
        read = _sounds if modality.kind == "audio" else _clips
        found[name], there[name] = read(files[name], modality)
    presence = tf.cast(tf.stack(list(there.values()), axis=1), tf.float32)
    message = (
        f"each clip needs {' or '.join(inputs)}: a clip of this batch has nothing for the model"
    )
    presence = _checked(presence, tf.reduce_all(tf.reduce_any(presence > 0, axis=1)), message)
    for m, (name, x) in enumerate(found.items()):
        found[name] = x * tf.reshape(presence[:, m], [-1] + [1] * (x.shape.rank - 1))
    return {**found, PRESENCE: presence}


def _sounds(files: tf.Tensor, config: AudioConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Spectrograms of WAV files `[B]`, and whether there is one, `[B]`."""
    samples = tf.map_fn(
        lambda file: _samples(file, config),
        files,
        fn_output_signature=tf.TensorSpec([config.samples], tf.float32),
    )
    return audio_features.log_spectrogram(samples, config), tf.not_equal(files, "")


def _clips(files: tf.Tensor, config: VideoConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Normalised frames of JPEG files `[B, T]`, and whether there are any, `[B]`."""
    chosen, there = _chosen(files, config.frames)
    pixels = tf.map_fn(
        lambda file: _pixels(file, config.size),
        tf.reshape(chosen, [-1]),
        fn_output_signature=tf.TensorSpec(config.shape[1:], tf.uint8),
    )
    pixels = tf.reshape(pixels, [-1, *config.shape])
    return video_features.normalize_frames(pixels, config), there


def wav(samples: np.ndarray, sample_rate: int) -> bytes:
    """The WAV file of mono int16 samples `[n]` at a rate in Hz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, sample_rate, 0, "NONE", ""))
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def _samples(file: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """What the model hears of a WAV file, `[samples]` float32; zeros for ""."""

    def decoded() -> tf.Tensor:
        waveform, rate = tf.audio.decode_wav(_whole_wav(file))
        message = tf.strings.format(
            f"the WAV file has {{}} samples a second, the model hears {config.sample_rate}: "
            "resample it",
            rate,
        )
        waveform = _checked(waveform, tf.equal(rate, config.sample_rate), message)
        waveform = tf.reduce_mean(waveform, axis=1)
        return audio_features.fit_length(audio_features.tiled(waveform, config), config.samples)

    return tf.cond(tf.equal(file, ""), lambda: tf.zeros([config.samples]), decoded)


def _whole_wav(file: tf.Tensor) -> tf.Tensor:
    """The file, if its header says that it is a WAV file that is all there and not too large."""
    length = tf.strings.length(file)
    head = file + b"\0" * 12  # files shorter than a header
    is_wav = tf.equal(tf.strings.substr(head, 0, 4), "RIFF") & tf.equal(
        tf.strings.substr(head, 8, 4), "WAVE"
    )
    file = _checked(file, is_wav, "the audio is no WAV file: send 16-bit PCM in RIFF/WAVE")
    # 32 bits without a sign
    declared = 8 + tf.io.decode_raw(tf.strings.substr(head, 4, 4) + b"\0" * 4, tf.int64)[0]
    message = tf.strings.format(
        "the WAV file is truncated: {} of the {} bytes that it declares", (length, declared)
    )
    file = _checked(file, tf.cast(length, tf.int64) >= declared, message)
    message = tf.strings.format(
        f"the WAV file has {{}} bytes, the limit is {MAX_WAV_BYTES}", length
    )
    return _checked(file, length <= MAX_WAV_BYTES, message)


def _chosen(frames: tf.Tensor, wanted: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The frames that the model sees, `[B, wanted]`, and whether a clip has any, `[B]`."""
    found = tf.ragged.boolean_mask(frames, tf.not_equal(frames, ""))
    counts = tf.cast(found.row_lengths(), tf.int32)
    # a last column of "", for rows without frames
    rows = tf.concat([found.to_tensor(""), tf.fill([tf.shape(frames)[0], 1], "")], axis=1)
    indices = video_features.even_frames(counts[:, tf.newaxis], wanted)
    return tf.gather(rows, indices, batch_dims=1), counts > 0


def _pixels(file: tf.Tensor, size: int) -> tf.Tensor:
    """A JPEG file as the model sees it, `[size, size, 3]` uint8; zeros for ""."""

    def decoded() -> tf.Tensor:
        shape = tf.io.extract_jpeg_shape(file, tf.int64)
        message = tf.strings.format(
            f"a frame has {{}} pixels (height, width, channels), the limit is {MAX_FRAME_PIXELS}",
            shape,
        )
        limited = _checked(file, shape[0] * shape[1] <= MAX_FRAME_PIXELS, message)
        frame = tf.io.decode_jpeg(limited, channels=3)
        return video_features.resize_center(frame[tf.newaxis], size)[0]

    return tf.cond(tf.equal(file, ""), lambda: tf.zeros([size, size, 3], tf.uint8), decoded)


def _checked(x: tf.Tensor, condition: tf.Tensor, message: tf.Tensor | str) -> tf.Tensor:
    """`x`, which cannot be had before the condition holds."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(x)
