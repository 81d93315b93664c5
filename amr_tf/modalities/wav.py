"""WAV files, 16-bit PCM: read by graph operations, and written.

Only core TensorFlow operations: a served model reads what clients send. Sizes are read from the
header and limited before anything is decoded.
"""

import io
import wave

import numpy as np
import tensorflow as tf

from amr_tf.modalities.checks import checked

MAX_BYTES = 32 << 20  # of a clip; decoded it takes twice as much


def encode(samples: np.ndarray, sample_rate: int) -> bytes:
    """The WAV file of mono int16 samples `[n]` at a rate in Hz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, sample_rate, 0, "NONE", ""))
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def decode(file: tf.Tensor, sample_rate: int) -> tf.Tensor:
    """The samples of a WAV file, its channels averaged, `[n]` int16.

    Args:
        file: Scalar string, the file's bytes.
        sample_rate: Integer, the samples a second (Hz) that it must have.

    Raises:
        tf.errors.InvalidArgumentError: It is no WAV file, or truncated, of another rate, or over
            the limit.
    """
    waveform, rate = tf.audio.decode_wav(_whole(file))
    message = tf.strings.format(
        f"the WAV file has {{}} samples a second, the model hears {sample_rate}: resample it", rate
    )
    waveform = checked(waveform, tf.equal(rate, sample_rate), message)
    # a sample n is n / 32768 there, so that of one channel nothing is lost
    mean = tf.round(tf.reduce_mean(waveform, axis=1) * 32_768)
    return tf.cast(tf.clip_by_value(mean, -32_768, 32_767), tf.int16)


def _whole(file: tf.Tensor) -> tf.Tensor:
    """The file, if its header says that it is a WAV file that is all there and not too large."""
    length = tf.strings.length(file)
    head = file + b"\0" * 12  # files shorter than a header
    is_wav = tf.equal(tf.strings.substr(head, 0, 4), "RIFF") & tf.equal(
        tf.strings.substr(head, 8, 4), "WAVE"
    )
    file = checked(file, is_wav, "the audio is no WAV file: send 16-bit PCM in RIFF/WAVE")
    # 32 bits without a sign
    declared = 8 + tf.io.decode_raw(tf.strings.substr(head, 4, 4) + b"\0" * 4, tf.int64)[0]
    message = tf.strings.format(
        "the WAV file is truncated: {} of the {} bytes that it declares", (length, declared)
    )
    file = checked(file, tf.cast(length, tf.int64) >= declared, message)
    message = tf.strings.format(f"the WAV file has {{}} bytes, the limit is {MAX_BYTES}", length)
    return checked(file, length <= MAX_BYTES, message)
