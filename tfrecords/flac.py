"""FLAC: a waveform as bytes of a record, compressed without loss.

PyAV writes and checks it. In the pipeline tensorflow-io decodes it as part of the graph; where that
does not work (TensorFlow after 2.15), PyAV does, in this process.
"""

import functools
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import av
import numpy as np

from tfrecords.limits import MAX_SAMPLES

if TYPE_CHECKING:
    import tensorflow as tf

_MARK = b"fLaC"
_STREAM_INFO = 34  # bytes of the one block of metadata that a stream must have


def encode(waveform: np.ndarray, rate: int) -> bytes:
    """Compresses a waveform.

    Args:
        waveform: Array `[samples]` of int16, mono.
        rate: Integer, the samples a second (Hz).

    Returns:
        A FLAC stream; equal waveforms give equal bytes. No samples give no bytes, as in PCM.
    """
    if not len(waveform):
        return b""
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(waveform[None], format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return _bare(out.getvalue())


def _bare(stream: bytes) -> bytes:
    """The stream without what FFmpeg adds: its version's name, and 8 KiB of padding."""
    at, last = len(_MARK), False
    while not last:
        last = stream[at] >= 128
        at += 4 + int.from_bytes(stream[at + 1 : at + 4], "big")
    info = stream[len(_MARK) + 4 :][:_STREAM_INFO]
    return _MARK + bytes([128, 0, 0, _STREAM_INFO]) + info + stream[at:]


def decode(stream: bytes) -> np.ndarray:
    """Decompresses what `encode` gave, on either stack.

    Returns:
        Array `[samples]` of int16.

    Raises:
        ValueError: It cannot be decoded.
    """
    if not stream:
        return np.zeros(0, np.int16)
    try:
        with av.open(io.BytesIO(stream), format="flac") as container:
            pieces = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    except av.error.FFmpegError as error:
        raise ValueError(f"not a whole FLAC stream: {error.strerror}") from error
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


@functools.cache
def native_decoder() -> "Callable[[tf.Tensor], tf.Tensor] | None":
    """tensorflow-io's decoder, int16 `[samples]` of a stream; None where it does not work."""
    import tensorflow as tf

    def decoded(stream: tf.Tensor) -> tf.Tensor:
        return tfio.audio.decode_flac(stream, shape=[-1, 1], dtype=tf.int16)[:, 0]

    try:
        import tensorflow_io as tfio

        decoded(encode(np.ones(16, np.int16), 16_000))  # its library may load only now, or not
    except (ImportError, NotImplementedError, AttributeError):
        return None
    return decoded


def graph_decoder() -> "Callable[[tf.Tensor], tf.Tensor]":
    """The decoder for `tf.data`: tensorflow-io's where it works, else PyAV in this process.

    Returns:
        A function of a scalar string that gives int16 `[samples]`; an empty string gives none.
    """
    import tensorflow as tf

    def by_pyav(stream: bytes | np.ndarray) -> np.ndarray:
        # outside of a graph TensorFlow gives an array of one object
        return decode(stream if isinstance(stream, bytes) else stream.item())

    def decoded(stream: tf.Tensor) -> tf.Tensor:
        found = tf.numpy_function(by_pyav, [stream], tf.int16, stateful=False)
        return tf.ensure_shape(found, [None])

    decoded = native_decoder() or decoded

    def checked(stream: tf.Tensor) -> tf.Tensor:
        # its header's 36 bits of length: decoders make room for what it claims
        bits = tf.cast(tf.io.decode_raw(tf.strings.substr(stream, 21, 5), tf.uint8), tf.int64)
        places = tf.constant([1 << 32, 1 << 24, 1 << 16, 1 << 8, 1], tf.int64)
        samples = tf.reduce_sum(bits % [16, 256, 256, 256, 256] * places)
        fits = tf.debugging.assert_less_equal(
            samples, tf.constant(MAX_SAMPLES, tf.int64), "a FLAC stream claims too many samples"
        )
        with tf.control_dependencies([fits] if fits is not None else []):
            return decoded(stream)

    def decode_or_nothing(stream: tf.Tensor) -> tf.Tensor:
        nothing = tf.zeros([0], tf.int16)
        return tf.cond(tf.strings.length(stream) > 0, lambda: checked(stream), lambda: nothing)

    return decode_or_nothing
