"""WAV files: read by graph operations, whatever wrote them, and written.

Only core TensorFlow operations: a served model reads what clients send. Nothing here raises: sizes
are read from the header and limited before anything is decoded.

    RIFF <size> WAVE   then chunks: <id> <size> <content>, a byte of padding after an odd size
    fmt   format (1 PCM, 3 float, 0xFFFE: in the extension), channels, rate, bytes a second, bytes
          a frame, bits
    data  the samples, channels interleaved

Source: Microsoft, Multiple Channel Audio Data and WAVE Files.
"""

import io
import wave

import numpy as np
import tensorflow as tf

from amr_tf.modalities.attempts import refused

MAX_BYTES = 32 << 20  # of a clip; decoded it takes up to four times as much
FORMATS = "PCM of 8, 16, 24 or 32 bits, or float of 32 or 64, in RIFF/WAVE"
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MOST_CHUNKS = 64  # before the samples
_UNKNOWN = 0x7FFF_0000  # sizes from here on are those of a pipe, whose writer cannot know them
_CANCELLED = 0.1  # of the energy that is left of a channel where the others are silent


def encode(samples: np.ndarray, sample_rate: int) -> bytes:
    """The WAV file of mono int16 samples `[n]` at a rate in Hz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, sample_rate, 0, "NONE", ""))
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def decode(file: tf.Tensor, sample_rate: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The samples of a WAV file, its channels as one.

    Args:
        file: Scalar string, the file's bytes.
        sample_rate: Integer, the samples a second (Hz) that it must have.

    Returns:
        `[n]` int16, none where there is a problem, and the problem, a scalar string.
    """
    length = tf.strings.length(file)
    padded = file + b"\0" * 64  # there is something to read wherever a header could be
    is_wav = (_text(padded, 0) == "RIFF") & (_text(padded, 8) == "WAVE")
    form, data = _chunks(padded, length)
    channels, rate = _number(padded, form + 2, 2), _number(padded, form + 4, 4)
    frame, kind = _number(padded, form + 12, 2), _number(padded, form, 2)
    kind = tf.where(kind == _EXTENSIBLE, _number(padded, form + 24, 2), kind)
    decoder = _decoder(kind, frame, channels)
    there, declared = length - data, _data_size(padded, data, length)
    whole = tf.where(data > 0, data + declared, 8 + _number(padded, 4, 4))
    problem = refused(
        (~is_wav, f"the audio is not a WAV file: send {FORMATS}"),
        (
            length > MAX_BYTES,
            _said(f"the WAV file has {{}} bytes, the limit is {MAX_BYTES}", length),
        ),
        (
            whole > length,
            _said("the WAV file is truncated: {} of the {} bytes that it declares", length, whole),
        ),
        ((form == 0) | (data == 0), "the WAV file has no format or no samples"),
        (
            decoder < 0,
            _said(f"the WAV file has samples of format {{}}: send {FORMATS}", kind),
        ),
        (
            rate != sample_rate,
            _said(
                f"the WAV file has {{}} samples a second, the model hears {sample_rate}: "
                "resample it",
                rate,
            ),
        ),
    )

    def samples() -> tf.Tensor:
        count = tf.minimum(there, declared) // frame * frame
        values = tf.switch_case(
            decoder, [lambda d=d: d(tf.strings.substr(file, data, count)) for d in _DECODERS]
        )
        sound = mono(tf.reshape(values, [-1, channels]))
        return tf.cast(tf.clip_by_value(tf.round(sound * 32_768), -32_768, 32_767), tf.int16)

    return tf.cond(problem == "", samples, lambda: tf.zeros([0], tf.int16)), problem


def mono(channels: tf.Tensor) -> tf.Tensor:
    """The mean of the channels, or the loudest one where they cancel each other.

    A channel keeps 1 / C² of its energy in the mean where the C - 1 others are silent. Less than a
    tenth of that is left only of channels in opposite phase.

    Args:
        channels: Tensor `[n, C]` float32.

    Returns:
        Tensor `[n]` float32.
    """
    mean = tf.reduce_mean(channels, axis=1)
    energies = tf.reduce_sum(tf.square(channels), axis=0)
    count = tf.cast(tf.shape(channels)[1], tf.float32)
    least = _CANCELLED * tf.reduce_max(energies) / count**2
    loudest = tf.gather(channels, tf.argmax(energies), axis=1)
    return tf.where(tf.reduce_sum(tf.square(mean)) < least, loudest, mean)


def _chunks(file: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The places where the contents of `fmt ` and of `data` begin, int32; 0 for none."""

    def found(at: tf.Tensor, form: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, ...]:
        name, size = _text(file, at), tf.cast(_number(file, at + 4, 4, tf.int64), tf.int64)
        form = tf.where(name == "fmt ", at + 8, form)
        data = tf.where(name == "data", at + 8, data)
        after = tf.cast(at, tf.int64) + 8 + size + size % 2
        return tf.cast(tf.minimum(after, tf.cast(length, tf.int64)), tf.int32), form, data

    _, form, data = tf.while_loop(
        lambda at, form, data: (data == 0) & (at + 8 <= length),
        found,
        (tf.constant(12), tf.constant(0), tf.constant(0)),
        maximum_iterations=_MOST_CHUNKS,
    )
    return form, data


def _data_size(file: tf.Tensor, data: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """The bytes of samples that the header declares; all that follow, where it cannot know."""
    declared = _number(file, tf.maximum(data - 4, 0), 4)
    # 0 is what a header says that was never completed, unless the file is as long as it says
    never = (declared == 0) & (_number(file, 4, 4) + 8 != length)
    return tf.where((declared >= _UNKNOWN) | never, length - data, declared)


def _decoder(kind: tf.Tensor, frame: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
    """Which of `_DECODERS` takes samples of a kind, int32; -1 for none."""
    width = frame // tf.maximum(channels, 1)
    found = tf.constant(-1)
    for k, taken in enumerate(_KINDS):
        found = tf.where((kind == taken[0]) & (width == taken[1]), k, found)
    return tf.where((channels > 0) & (width * channels == frame), found, -1)


def _of_24_bits(data: tf.Tensor) -> tf.Tensor:
    low, middle, high = tf.unstack(tf.reshape(tf.io.decode_raw(data, tf.uint8), [-1, 3]), axis=1)
    value = tf.cast(low, tf.float32) + 256 * tf.cast(middle, tf.float32)
    return (value + 65_536 * tf.cast(tf.bitcast(high, tf.int8), tf.float32)) / 2.0**23


def _of_floats(data: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    value = tf.cast(tf.io.decode_raw(data, dtype), tf.float32)
    return tf.where(tf.math.is_finite(value), value, 0.0)


def _of_integers(data: tf.Tensor, dtype: tf.DType, bits: int) -> tf.Tensor:
    return tf.cast(tf.io.decode_raw(data, dtype), tf.float32) / 2.0 ** (bits - 1)


# format and bytes of a sample, and what makes numbers in [-1, 1] of them
_KINDS = ((_PCM, 1), (_PCM, 2), (_PCM, 3), (_PCM, 4), (_FLOAT, 4), (_FLOAT, 8))
_DECODERS = (
    lambda data: _of_integers(data, tf.uint8, 8) - 1,
    lambda data: _of_integers(data, tf.int16, 16),
    _of_24_bits,
    lambda data: _of_integers(data, tf.int32, 32),
    lambda data: _of_floats(data, tf.float32),
    lambda data: _of_floats(data, tf.float64),
)


def _text(file: tf.Tensor, at: tf.Tensor | int) -> tf.Tensor:
    return tf.strings.substr(file, at, 4)


def _number(
    file: tf.Tensor, at: tf.Tensor | int, size: int, dtype: tf.DType = tf.int32
) -> tf.Tensor:
    """An unsigned little-endian number of 2 or 4 bytes; at most the largest int32."""
    wide = tf.io.decode_raw(tf.strings.substr(file, at, size) + b"\0" * (8 - size), tf.int64)[0]
    return tf.cast(tf.minimum(wide, 2**31 - 1), dtype)


def _said(message: str, *numbers: tf.Tensor) -> tf.Tensor:
    return tf.strings.format(message, numbers)
