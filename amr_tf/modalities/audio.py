"""Sound: a waveform -> a log spectrogram."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from amr_tf.modalities import attempts, wav
from amr_tf.modalities.base import Augment, Modality, fields_of
from amr_tf.modalities.corrupted_sound import sound_corruptions
from amr_tf.modalities.corruption import Corruption
from amr_tf.modalities.panel import Image, Panel


@dataclasses.dataclass(frozen=True)
class AudioConfig(Modality):
    """The settings by which a waveform becomes a log spectrogram.

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
        epsilon: Number that is added to the magnitude before the logarithm.
    """

    kind: ClassVar[str] = "audio"
    example_name: ClassVar[str] = "CLIP.mp4"
    example_code: ClassVar[str] = "[wav]"
    default_encoder: ClassVar[str] = "small"
    word: ClassVar[str] = "sound"
    nothing: ClassVar[str] = "silence"
    rules: ClassVar[Mapping[str, str]] = {
        "raw": "samples, mono: the channels' mean, or the loudest where they cancel each other",
        "length": "repeated, or cut at its end, to tile_seconds, unless that is 0; then the middle "
        "`seconds`, repeated where shorter",
        "window": "Hann, periodic; centred on the multiples of the hop, zeros beyond the ends",
        "value": "log(|STFT of samples / 32768| + epsilon), time before frequency",
        "file": f"WAV at sample_rate, {wav.FORMATS}, at most {wav.MAX_BYTES} bytes; empty for none",
    }

    sample_rate: int = 16_000
    seconds: float = 1.0
    tile_seconds: float = 0.0
    fft_length: int = 256
    hop: int = 128
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if min(self.sample_rate, self.seconds, self.hop, self.epsilon) <= 0:
            raise ValueError(f"sample_rate, seconds, hop and epsilon must be positive: {self}")
        if self.fft_length < 2 or self.fft_length % 2:
            raise ValueError(f"fft_length must be even and positive: {self}")
        if self.tile_seconds and self.tile_seconds < self.seconds:
            raise ValueError(f"tile_seconds must be 0 or at least `seconds`: {self}")

    @classmethod
    def of_records(cls, stored: Any, options: Mapping[str, Any]) -> "AudioConfig":
        """The input at the records' rate, unless another is wanted, which they do not hold."""
        rate = options.get("sample_rate") or stored.sample_rate
        return cls(**{**fields_of(cls, options), "sample_rate": rate})

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
    def told(self) -> str:
        """The input in words, for people."""
        times, frequencies, _ = self.shape
        return (
            f"{self.seconds:g} s of mono sound at {self.sample_rate:,} Hz, as a log spectrogram of "
            f"{times} times and {frequencies} frequencies"
        )

    @property
    def raw(self) -> tf.TensorSpec:
        """A waveform `[samples]` int16."""
        return tf.TensorSpec([self.samples], tf.int16)

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

    def draws(self, augment: Augment) -> int:
        """The number of draws: two for each band that SpecAugment masks."""
        return 4 if augment.spec_augment_time or augment.spec_augment_freq else 0

    def augmented(self, features: tf.Tensor, augment: Augment, draws: tf.Tensor) -> tf.Tensor:
        """Masks one band of time and one of frequency by SpecAugment.

        A band of width `floor(u (W + 1))`, W the widest, begins at `floor(v (size - width + 1))`
        and gets the spectrogram's mean; u and v are a sample's draws. Source: Park et al.,
        SpecAugment, Interspeech 2019, section 2, without time warping.
        """
        masked = _band(self.shape[0], augment.spec_augment_time, draws[:, 0:2])[:, :, tf.newaxis]
        masked |= _band(self.shape[1], augment.spec_augment_freq, draws[:, 2:4])[:, tf.newaxis]
        mean = tf.reduce_mean(features, axis=[1, 2, 3], keepdims=True)
        return tf.where(masked[..., tf.newaxis], mean, features)

    def present(self, stored: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Whether there are samples."""
        return tf.size(stored["samples"]) > 0

    def absent(self) -> tf.Tensor:
        """Silence, `[samples]` int16."""
        return tf.zeros([self.samples], tf.int16)

    @property
    def file_input(self) -> tf.TensorSpec:
        """`[B]` strings, each a WAV file's bytes; "" for a clip without sound."""
        return tf.TensorSpec([None], tf.string)

    def of_files(self, files: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Reads WAV files at the model's rate, whose channels become one."""

        def read(file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            samples, problem = tf.cond(
                tf.equal(file, ""),
                lambda: (tf.zeros([0], tf.int16), ""),
                lambda: wav.decode(file, self.sample_rate),
            )
            return self.cut({"samples": samples}), problem

        waveforms, problems = attempts.each(
            read, files, self.absent(), "the WAV file cannot be read"
        )
        return waveforms, tf.not_equal(files, ""), problems

    def packed(self, files: Sequence[Any]) -> np.ndarray:
        """WAV files `[B]`."""
        # as objects: NumPy's own strings lose the zeros at their end
        return np.array([file or b"" for file in files], object)

    def example_file(self) -> bytes:
        """A WAV file of silence."""
        return wav.encode(self.absent().numpy(), self.sample_rate)

    def corruptions(self, others: Sequence[np.ndarray] = ()) -> tuple[Corruption, ...]:
        """Noise, overdrive, gaps and, with other clips, babble."""
        return sound_corruptions(others)

    def panel(self, features: np.ndarray, attribution: np.ndarray) -> Panel:
        """The log spectrogram above its attributions."""
        extent = (0, self.seconds, 0, self.sample_rate / 2000)
        # 80 dB of range: below is the floor of silence, which would take all the contrast
        loud = np.maximum(features, features.max() - 80 / (20 * np.log10(np.e)))
        maps = [x[..., 0].T[::-1] for x in (loud, attribution)]
        return Panel(
            (
                (Image("log spectrogram", maps[0], extent=extent, axes=("seconds", "kHz")),),
                (Image("Grad⊙Input", maps[1], True, extent, ("seconds", "kHz")),),
            ),
            "Red speaks for the label, blue against it.",
        )


def crop_length(waveform: tf.Tensor, samples: int, start: tf.Tensor | int = 0) -> tf.Tensor:
    """Cuts `samples` samples from `start` on, of the waveform repeated as often as needed.

    Args:
        waveform: Tensor `[..., n]`, any dtype; n = 0 is silence.
        samples: Integer, the length of the cut.
        start: Scalar int32, the first sample, 0 or more.

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
        waveform: Tensor `[..., n]`, any dtype; n = 0 is silence.
        samples: Integer, the length of the result.

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

    It is that of `librosa.stft(center=True, pad_mode="constant")`, but time comes before frequency.

    Args:
        waveform: Tensor `[B, samples]` float32, in [-1, 1].
        config: AudioConfig, the settings of the transform.

    Returns:
        `[B, T, F, 1]` float32.
    """
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


def _band(size: int, widest: int, draws: tf.Tensor) -> tf.Tensor:
    """The masked band of each sample, booleans `[B, size]`.

    Args:
        size: Integer, the number of steps or bins.
        widest: Integer, the largest number of masked steps or bins.
        draws: Tensor `[B, 2]`, uniform in [0, 1).
    """
    width = tf.floor(draws[:, :1] * (min(widest, size) + 1.0))
    start = tf.floor(draws[:, 1:] * (size - width + 1))
    place = tf.range(size, dtype=tf.float32)
    return (place >= start) & (place < start + width)
