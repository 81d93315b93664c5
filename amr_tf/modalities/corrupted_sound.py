"""Corruptions of sound, int16 waveforms `[n]`: noise, overdrive, gaps, other voices."""

from collections.abc import Sequence

import numpy as np

from amr_tf.modalities.corruption import Corruption

VOICES = 3  # of other clips in the babble
_GAPS = 40  # parts of a waveform that drop out as a whole


def sound_corruptions(others: Sequence[np.ndarray] = ()) -> tuple[Corruption, ...]:
    """The corruptions of sound.

    Args:
        others: Sequence of int16 `[n]`, waveforms of clips that are not to be corrupted, to be
            mixed in as babble; with fewer than 3 there is none.

    Returns:
        The corruptions.
    """
    found = (
        Corruption("white noise", (20, 10, 5, 0, -5), "dB SNR", _white_noise),
        Corruption("clipping", (6, 12, 18, 24, 30), "dB of overdrive", _overdrive),
        Corruption("dropouts", (0.1, 0.25, 0.4, 0.6, 0.8), "of the time is lost", _dropouts),
    )
    if len(others) < VOICES:
        return found

    def babble(waveform: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
        chosen = rng.choice(len(others), VOICES, replace=False)
        voices = np.sum([others[k].astype(np.float64) for k in chosen], axis=0)
        return _mixed(waveform, np.resize(voices, len(waveform)), level)

    return (*found, Corruption("babble", (20, 10, 5, 0, -5), "dB SNR", babble))


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
