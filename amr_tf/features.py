"""Waveform -> log spectrogram, frames -> normalised pixels, as graph operations.

Pipeline and served model share them, so that a served clip is seen as an evaluated one. Only
core TensorFlow operations; every size may be dynamic.
"""

import dataclasses

import numpy as np
import tensorflow as tf

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class AudioConfig:
    """How a waveform becomes a log spectrogram.

    Attributes:
        sample_rate: Samples a second (Hz), mono.
        seconds: Length of the part that the model hears.
        tile_seconds: The waveform is first repeated, or cut at its end, to this length, as the
            published recipes do; 0 leaves it as long as it is.
        fft_length: Samples in a window (periodic Hann) and in its Fourier transform.
        hop: Samples from one window to the next.
        clip: Whether samples are clipped to [-1, 1].
        epsilon: Added to the magnitude before the logarithm.
    """

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


@dataclasses.dataclass(frozen=True)
class VideoConfig:
    """How stored frames become the model's input.

    Attributes:
        frames: Frames of a clip that the model sees.
        size: Their height and width, pixels.
        mean: Per channel (RGB), of pixels in [0, 1].
        std: Per channel, of pixels in [0, 1].
    """

    frames: int = 3
    size: int = 64
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        """Refuses impossible values by a ValueError."""
        if self.frames < 1 or self.size < 1 or min(self.std) <= 0:
            raise ValueError(f"frames, size and std must be positive: {self}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of a clip: (frames, height, width, 3)."""
        return self.frames, self.size, self.size, 3


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


def even_frames(num_frames: tf.Tensor | int, wanted: int) -> tf.Tensor:
    """Indices of the middles of `wanted` equal parts of a clip.

    Args:
        num_frames: Frames the clip has, 1 or more.
        wanted: Indices asked for; they repeat where the clip has fewer frames.

    Returns:
        `[wanted]` int32, not decreasing.
    """
    return (2 * tf.range(wanted) + 1) * num_frames // (2 * wanted)


def scale(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Scales frames to `size` x `size` pixels, whatever their aspect ratio.

    Reducing averages areas, which does not alias and takes a quarter of an antialiased filter's
    time; enlarging is bilinear.

    Args:
        frames: `[T, H, W, 3]` uint8.
        size: Pixels.

    Returns:
        `[T, size, size, 3]` float32, from 0 to 255, not rounded.
    """
    pixels = tf.cast(frames, tf.float32)  # scaling bytes takes twice as long
    smaller = tf.reduce_min(tf.shape(frames)[1:3]) >= size
    scaled = tf.cond(
        smaller,
        lambda: tf.image.resize(pixels, (size, size), "area"),
        lambda: tf.image.resize(pixels, (size, size), "bilinear"),
    )
    return tf.ensure_shape(scaled, [None, size, size, 3])


def resize(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Scales as `scale`, to uint8; frames of the right size are left alone."""
    there = tf.reduce_all(tf.shape(frames)[1:3] == size)
    resized = tf.cond(
        there, lambda: frames, lambda: tf.cast(tf.round(scale(frames, size)), tf.uint8)
    )
    return tf.ensure_shape(resized, [None, size, size, 3])


def center_window(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """The middle square of a frame, `[y, x, height, width]` int32."""
    side = tf.minimum(height, width)
    return tf.stack([(height - side) // 2, (width - side) // 2, side, side])


def resize_center(frames: tf.Tensor, size: int) -> tf.Tensor:
    """Scales the middle square of each frame to `size` x `size` pixels.

    Args:
        frames: `[..., H, W, 3]` uint8, one or more leading dimensions.
        size: Pixels; frames that have it are left alone.

    Returns:
        `[..., size, size, 3]` uint8.
    """
    shape = tf.shape(frames)
    y, x, height, width = tf.unstack(center_window(shape[-3], shape[-2]))
    square = frames[..., y : y + height, x : x + width, :]
    flat = tf.reshape(square, tf.stack([-1, height, width, 3]))
    scaled = tf.reshape(resize(flat, size), tf.concat([shape[:-3], [size, size, 3]], 0))
    return tf.ensure_shape(scaled, [*frames.shape[:-3], size, size, 3])


def normalize_frames(frames: tf.Tensor, config: VideoConfig) -> tf.Tensor:
    """`(frames / 255 - mean) / std` of `[..., W, 3]` uint8 with a known W, as float32."""
    width = frames.shape[-2]
    # a row of pixels at a time: broadcasting over three channels takes three times as long
    scale = np.tile(1 / (255 * np.array(config.std, np.float32)), width)
    offset = np.tile(np.array(config.mean, np.float32) / np.array(config.std, np.float32), width)
    rows = tf.cast(tf.reshape(frames, [-1, 3 * width]), tf.float32) * scale - offset
    return tf.ensure_shape(tf.reshape(rows, tf.shape(frames)), frames.shape)


def serving_features(
    waveform: tf.Tensor | None,
    frames: tf.Tensor | None,
    audio: AudioConfig | None,
    video: VideoConfig | None,
) -> dict[str, tf.Tensor]:
    """What the evaluation pipeline makes of the same clips.

    Args:
        waveform: `[B, n]` float32 in [-1, 1] at `audio.sample_rate`; samples that are not finite
            count as 0.
        frames: `[B, T, H, W, 3]` uint8, RGB, T of 1 or more.
        audio: The model's audio input; None if it has none, and `waveform` is ignored.
        video: The model's video input; None if it has none, and `frames` is ignored.

    Returns:
        Modality -> input: `audio` `[B, T, F, 1]`, `video` `[B, T, size, size, 3]`, float32.
    """
    features = {}
    if audio is not None:
        waveform = tf.where(tf.math.is_finite(waveform), waveform, 0.0)
        fitted = fit_length(tiled(waveform, audio), audio.samples)
        features["audio"] = log_spectrogram(fitted, audio)
    if video is not None:
        chosen = tf.gather(frames, even_frames(tf.shape(frames)[1], video.frames), axis=1)
        features["video"] = normalize_frames(resize_center(chosen, video.size), video)
    return features
