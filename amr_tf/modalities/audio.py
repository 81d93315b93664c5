"""Sound: a waveform -> a log spectrogram."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from amr_tf.modalities.base import Augment, Modality


@dataclasses.dataclass(frozen=True)
class AudioConfig(Modality):
    """How a waveform becomes a log spectrogram.

    Example:
        >>> audio = amr_tf.modalities.AudioConfig(sample_rate=8_000, seconds=0.5)
        >>> waveform = audio.cut({"samples": tf.zeros([6_000], tf.int16)})  # the middle half second
        >>> audio.features(waveform[None]).shape  # [B, T, F, 1]
        TensorShape([1, 32, 129, 1])

    Attributes:
        sample_rate: Integer, the samples a second (Hz) of the mono waveform.
        seconds: Number, the length of the part that the model hears.
        tile_seconds: Number, the length to which the waveform is first repeated or cut at its
            end, as the published recipes do; 0 leaves it as long as it is.
        fft_length: Integer, the samples in a window (periodic Hann) and in its Fourier transform.
        hop: Integer, the samples from one window to the next.
        clip: Boolean, whether samples are clipped to [-1, 1].
        epsilon: Number that is added to the magnitude before the logarithm.
    """

    kind: ClassVar[str] = "audio"

    sample_rate: int = 16_000
    seconds: float = 1.0
    tile_seconds: float = 0.0
    fft_length: int = 256
    hop: int = 128
    clip: bool = True
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if min(self.sample_rate, self.seconds, self.hop, self.epsilon) <= 0:
            raise ValueError(f"sample_rate, seconds, hop and epsilon must be positive: {self}")
        if self.fft_length < 2 or self.fft_length % 2:
            raise ValueError(f"fft_length must be even and positive: {self}")
        if self.tile_seconds and self.tile_seconds < self.seconds:
            raise ValueError(f"tile_seconds must be 0 or at least `seconds`: {self}")

    @property
    def samples(self) -> int:
        """Length of the part that the model hears, in samples."""
        return round(self.sample_rate * self.seconds)

    @property
    def tile_samples(self) -> int:
        """`tile_seconds` in samples."""
        return round(self.sample_rate * self.tile_seconds)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a spectrogram: (frames T, bins F, 1)."""
        return 1 + self.samples // self.hop, self.fft_length // 2 + 1, 1

    @property
    def raw_bytes(self) -> int:
        """The size of a cut waveform."""
        return 2 * self.samples

    def cut(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The middle of the waveform, `[samples]` int16."""
        return fit_length(tiled(stored["samples"], self), self.samples)

    def cut_randomly(
        self, stored: Mapping[str, tf.Tensor], augment: Augment, keys: tf.Tensor
    ) -> tf.Tensor:
        """A random part of the waveform, `[samples]` int16."""
        waveform = tiled(stored["samples"], self)
        spare = tf.maximum(tf.shape(waveform)[0] - self.samples, 0)
        start = spare // 2
        if augment.time_shift:
            start = tf.random.stateless_uniform([], keys[0], 0, spare + 1, tf.int32)
        return crop_length(waveform, self.samples, start)

    def features(self, raw: tf.Tensor) -> tf.Tensor:
        """Log spectrograms `[B, T, F, 1]` of waveforms `[B, samples]` int16."""
        return log_spectrogram(tf.cast(raw, tf.float32) / 32_768, self)

    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether there are samples."""
        return tf.size(stored["samples"]) > 0

    def absent(self) -> tf.Tensor:
        """Silence, `[samples]` int16."""
        return tf.zeros([self.samples], tf.int16)


def crop_length(waveform: tf.Tensor, samples: int, start: tf.Tensor | int = 0) -> tf.Tensor:
    """Cuts `samples` samples from `start` on, of the waveform repeated as often as needed.

    Args:
        waveform: `[..., n]`, any dtype; n = 0 is silence.
        samples: Length of the cut.
        start: First sample, int32 scalar, 0 or more.

    Returns:
        `[..., samples]`.
    """
    rank = waveform.shape.rank
    silent = tf.cast(tf.equal(tf.shape(waveform)[-1], 0), tf.int32)
    waveform = tf.pad(waveform, [[0, 0]] * (rank - 1) + [[0, silent]])
    repeats = -(-(start + samples) // tf.shape(waveform)[-1])
    waveform = tf.tile(waveform, tf.stack([1] * (rank - 1) + [repeats]))
    waveform = waveform[..., start : start + samples]
    return tf.ensure_shape(waveform, [*waveform.shape[:-1], samples])


def fit_length(waveform: tf.Tensor, samples: int) -> tf.Tensor:
    """The middle `samples` samples of a waveform; a shorter one is repeated.

    Args:
        waveform: `[..., n]`, any dtype; n = 0 is silence.
        samples: Length of the result.

    Returns:
        `[..., samples]`.
    """
    start = tf.maximum(tf.shape(waveform)[-1] - samples, 0) // 2
    return crop_length(waveform, samples, start)


def tiled(waveform: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """The waveform `[..., n]` at the length from which crops are taken; see `tile_seconds`."""
    return crop_length(waveform, config.tile_samples) if config.tile_samples else waveform


def log_spectrogram(waveform: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """`log(|STFT| + epsilon)`, windows centred on multiples of the hop, zeros beyond the ends.

    As `librosa.stft(center=True, pad_mode="constant")`, but time before frequency.

    Args:
        waveform: `[B, samples]` float32, in [-1, 1].
        config: The transform.

    Returns:
        `[B, T, F, 1]` float32.
    """
    if config.clip:
        waveform = tf.clip_by_value(waveform, -1.0, 1.0)
    window = tf.signal.hann_window(config.fft_length)
    stft = tf.signal.rfft(_windows(waveform, config) * window)
    # tf.abs of complex numbers guards against overflow, which costs a tenth of the whole here
    magnitude = tf.sqrt(tf.square(tf.math.real(stft)) + tf.square(tf.math.imag(stft)))
    return tf.math.log(magnitude + config.epsilon)[..., tf.newaxis]


def _windows(waveform: tf.Tensor, config: AudioConfig) -> tf.Tensor:
    """The samples `[B, T, fft_length]` around the multiples of the hop, zeros beyond the ends.

    Windows are put together from whole hops: `tf.signal.frame` gathers single samples where hop
    and length have no common factor, and takes as long as all the rest.
    """
    length, hop, count = config.fft_length, config.hop, config.shape[0]
    hops = -(-length // hop)  # in a window
    before, total = length // 2, (count + hops - 1) * hop
    after = max(0, total - before - config.samples)
    waveform = tf.pad(waveform[:, : total - before], [[0, 0], [before, after]])
    rows = tf.reshape(waveform, [-1, count + hops - 1, hop])
    parts = [rows[:, k : k + count, : length - k * hop] for k in range(hops)]
    return tf.concat(parts, axis=-1)
