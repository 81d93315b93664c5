"""What goes wrong with sound and pictures: corruptions of raw clips in five severities.

Each is a function of (clip, level, random generator) on the raw waveform or the raw frames, before
features are made of them. The generator comes from (seed, corruption, clip) and not from the
severity: a clip's noise, gaps or occluded place stay where they are and grow. Severity 0 changes
nothing. Nothing is random where nothing is there: empty clips and silence stay as they are.

The kinds follow Hendrycks and Dietterich (2019) for pictures; levels are this project's own.
"""

import dataclasses
import zlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from scipy import ndimage

SEVERITIES = (1, 2, 3, 4, 5)
GREY = 128
VOICES = 3  # of other clips in the babble
_GAPS = 40  # parts of a waveform that drop out as a whole

Distortion = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
GraphDistortion = Callable[[tf.Tensor, dict[str, tf.Tensor]], dict[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One way in which a modality goes wrong.

    Example:
        >>> noise = amr_tf.analysis.audio_corruptions()[0]
        >>> waveform = (1_000 * np.sin(np.arange(400))).astype(np.int16)
        >>> noise(waveform, severity=3).shape
        (400,)

    Attributes:
        name: String, for people.
        modality: String, `audio` or `video`.
        levels: Tuple of five floats, what the severities are, the mildest first.
        unit: String, the unit of the levels.
        change: Function, (int16 `[n]` or uint8 `[T, H, W, 3]`, level, generator) -> an array of
            the same shape and type.
    """

    name: str
    modality: str
    levels: tuple[float, float, float, float, float]
    unit: str
    change: Distortion

    def __call__(
        self, clip: np.ndarray, severity: int, seed: int = 0, index: int = 0
    ) -> np.ndarray:
        """Corrupts one clip.

        Args:
            clip: Array, int16 `[n]` or uint8 `[T, H, W, 3]`.
            severity: Integer, 0 to 5.
            seed: Integer, the seed of all clips' draws.
            index: Integer, the number of the clip, of which the draws are a function.

        Returns:
            An array of the same shape and type.
        """
        if severity == 0 or not clip.size:
            return clip
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode()), index])
        return self.change(clip, self.levels[severity - 1], rng)

    def in_graph(self, severity: int, seed: int = 0) -> GraphDistortion:
        """The corruption as a function that `tf.data` can map over enumerated clips.

        Args:
            severity: Integer, 0 to 5.
            seed: Integer, the seed of all clips' draws.

        Returns:
            A function, (number of the clip, dictionary of its raw tensors by modality) -> such a
            dictionary. A modality that is absent stays absent.
        """

        def corrupted(clip: np.ndarray, index: np.ndarray) -> np.ndarray:
            return self(clip, severity, seed, int(index))

        def change(index: tf.Tensor, clip: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            before = clip[self.modality]
            after = tf.numpy_function(corrupted, [before, index], before.dtype)
            return clip | {self.modality: tf.ensure_shape(after, before.shape)}

        return change


def audio_corruptions(others: np.ndarray | None = None) -> tuple[Corruption, ...]:
    """What goes wrong with sound.

    Example:
        >>> [corruption.name for corruption in amr_tf.analysis.audio_corruptions()]
        ['white noise', 'clipping', 'dropouts']

    Args:
        others: Array `[K, n]` of int16, waveforms of clips that are not to be corrupted, K of 3 or
            more, to be mixed in as babble; without them there is none.

    Returns:
        The corruptions.
    """
    found = (
        Corruption("white noise", "audio", (20, 10, 5, 0, -5), "dB SNR", _white_noise),
        Corruption("clipping", "audio", (6, 12, 18, 24, 30), "dB of overdrive", _overdrive),
        Corruption(
            "dropouts", "audio", (0.1, 0.25, 0.4, 0.6, 0.8), "of the time is lost", _dropouts
        ),
    )
    if others is None or len(others) < VOICES:
        return found

    def babble(waveform: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
        voices = others[rng.choice(len(others), VOICES, replace=False)].astype(np.float64)
        return _mixed(waveform, np.resize(voices.sum(axis=0), len(waveform)), level)

    return (*found, Corruption("babble", "audio", (20, 10, 5, 0, -5), "dB SNR", babble))


def _white_noise(waveform: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return _mixed(waveform, rng.standard_normal(len(waveform)), level)


def _mixed(waveform: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """The waveform with noise at `10 log10(power of the clip / power of the noise)` decibels.

    What is beyond 16 bits saturates, as in a recorder.
    """
    power = np.mean(np.square(waveform, dtype=np.float64))
    noise_power = max(np.mean(np.square(noise)), np.finfo(np.float64).tiny)
    scale = np.sqrt(power / noise_power / 10 ** (snr / 10))
    return _int16(waveform + scale * noise)


def _overdrive(waveform: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Louder by `level` decibels, cut off at the clip's own peak."""
    loud = waveform * 10 ** (level / 20)
    peak = np.abs(waveform.astype(np.int32)).max()
    return _int16(np.clip(loud, -peak, peak))


def _dropouts(waveform: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Silent in `level` of forty equal parts."""
    part = np.arange(len(waveform)) * _GAPS // len(waveform)
    lost = rng.permutation(_GAPS) < round(level * _GAPS)
    return np.where(lost[part], 0, waveform).astype(np.int16)


def _int16(waveform: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(waveform), -32_768, 32_767).astype(np.int16)


def video_corruptions() -> tuple[Corruption, ...]:
    """What goes wrong with pictures.

    Example:
        >>> [corruption.name for corruption in amr_tf.analysis.video_corruptions()]
        ['blur', 'JPEG artefacts', 'occlusion', 'darkening', 'frame drops']

    Returns:
        The corruptions.
    """
    return (
        Corruption(
            "blur",
            "video",
            (0.01, 0.02, 0.04, 0.07, 0.12),
            "of the height, standard deviation",
            _blur,
        ),
        Corruption("JPEG artefacts", "video", (40, 20, 10, 5, 2), "quality", _jpeg),
        Corruption(
            "occlusion", "video", (0.1, 0.2, 0.35, 0.5, 0.75), "of the area is covered", _occlude
        ),
        Corruption(
            "darkening", "video", (0.6, 0.4, 0.25, 0.12, 0.05), "of the light is left", _darken
        ),
        Corruption(
            "frame drops",
            "video",
            (0.1, 0.3, 0.5, 0.7, 0.9),
            "of the frames are lost, on average",
            _drop,
        ),
    )


def _blur(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur; the level is its standard deviation."""
    deviation = level * frames.shape[1]
    blurred = ndimage.gaussian_filter(
        frames.astype(np.float32), (0, deviation, deviation, 0), mode="nearest"
    )
    return np.rint(blurred).astype(np.uint8)


def _jpeg(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    with tf.device("CPU"):
        return np.stack([_through_jpeg(frame, int(level)) for frame in frames])


def _through_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    return tf.io.decode_jpeg(tf.io.encode_jpeg(frame, quality=quality), channels=3).numpy()


def _occlude(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """A grey rectangle, one for all frames, that covers `level` of the area."""
    place = rng.random(2)
    extent = np.rint(np.sqrt(level) * np.array(frames.shape[1:3])).astype(int)
    top, left = np.rint(place * (np.array(frames.shape[1:3]) - extent)).astype(int)
    covered = frames.copy()
    covered[:, top : top + extent[0], left : left + extent[1]] = GREY
    return covered


def _darken(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    return np.rint(level * frames).astype(np.uint8)


def _drop(frames: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Each frame is lost, and black, with probability `level`."""
    lost = rng.random(len(frames)) < level
    return np.where(lost[:, None, None, None], 0, frames).astype(np.uint8)
