"""Sound: mono waveforms, compressed without loss or not at all."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from tfrecords import flac
from tfrecords.building import media
from tfrecords.building.decoded import Sound
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings, Window
from tfrecords.limits import MAX_SAMPLES
from tfrecords.stored.base import Built, Stored, at_least, is_count, require

AUDIO_CODECS = ("pcm16", "flac")
_ENDINGS = (
    ".aac .ac3 .aif .aifc .aiff .amr .ape .au .caf .flac .m4a .mp2 .mp3 .oga .ogg .opus .w64 .wav "
    ".wma .wv"
)


@dataclasses.dataclass(frozen=True)
class StoredAudio(Stored):
    """The description of how the waveforms of a modality are stored.

    Attributes:
        sample_rate: Integer, the samples a second (Hz) of the mono waveform.
        codec: String, `pcm16` or `flac`, of `AUDIO_CODECS`.
        max_samples: Integer, the length of the longest waveform.
    """

    kind: ClassVar[str] = "audio"
    endings: ClassVar[frozenset[str]] = frozenset(_ENDINGS.split(" "))
    timed: ClassVar[bool] = True
    blank: ClassVar[str] = "silent"
    least: ClassVar[float] = -70.0  # dBFS: ten of the 32,768 levels

    sample_rate: int
    codec: str = "pcm16"
    max_samples: int = 0

    def check(self) -> None:
        """Refuses a description that no build writes."""
        require(self.codec in AUDIO_CODECS, "codec", self.codec)
        require(is_count(self.sample_rate) and self.sample_rate > 0, "sample_rate", self)
        require(is_count(self.max_samples, MAX_SAMPLES), "max_samples", self.max_samples)

    @property
    def decoded_bytes(self) -> int:
        """The most that a decoded clip takes in memory."""
        return 2 * self.max_samples

    @property
    def longest_seconds(self) -> float:
        """The length of the longest waveform in seconds."""
        return self.max_samples / self.sample_rate

    def mismatch(self, modality: Any) -> str:
        """Tells whether the model takes another rate."""
        rate, wanted = self.sample_rate, modality.sample_rate
        if wanted == rate:
            return ""
        return (
            f"sound at {rate} Hz, {wanted} Hz are wanted: build it with --audio_rate={wanted}, or "
            f"train with --audio_rate={rate}"
        )

    @classmethod
    def read(cls, path: pathlib.Path, settings: Settings, window: Window) -> tuple[Sound, float]:
        """Decodes the sound of a media file."""
        return media.sound(path, settings, window)

    @classmethod
    def array_problem(cls, shape: Sequence[int], dtype: np.dtype) -> str:
        """The form that arrays of waveforms must have, "" for one that has it."""
        fits = len(shape) == 2 and (dtype == np.int16 or dtype.kind == "f")
        return "" if fits else "audio is [N, samples], int16 or real numbers in [-1, 1]"

    @classmethod
    def of_row(cls, value: np.ndarray, where: str, settings: Settings) -> tuple[Sound, float]:
        """Samples `[n]`, int16 or real numbers in [-1, 1], at the set's rate."""
        if value.dtype != np.int16:
            if not np.isfinite(value).all():
                raise MediaError("not finite", f"{where}: the samples hold NaN or infinity")
            value = np.rint(np.clip(value, -1, 1) * 32_767).astype(np.int16)
        samples = np.asarray(value[: math.ceil(settings.max_seconds * settings.audio_rate)])
        compress = settings.audio_codec == "flac"
        stream = flac.encode(samples, settings.audio_rate) if compress else None
        return Sound(samples, stream), len(samples) / settings.audio_rate

    @classmethod
    def worth(cls, value: Sound) -> float:
        """The loudness."""
        return value.loudness

    @classmethod
    def count(cls, counted: dict[str, Any], value: Sound) -> None:
        """Counts the length."""
        at_least(counted, samples=len(value.waveform))

    @classmethod
    def of_build(cls, built: Built) -> "StoredAudio":
        """The rate and codec that were asked for, and the longest waveform."""
        settings = built.settings
        return cls(settings.audio_rate, settings.audio_codec, max_samples=built.most("samples"))

    def extent(self, value: np.ndarray) -> tuple[str, float]:
        """The length."""
        return "seconds", len(value) / self.sample_rate

    def draw(self, panels: Sequence[Any], value: np.ndarray) -> None:
        """Draws the spectrogram."""
        if len(value) < 512:
            return
        windows = np.lib.stride_tricks.sliding_window_view(value, 512)[::160] * np.hanning(512)
        spectrum = np.abs(np.fft.rfft(windows, axis=1))
        panels[0].imshow(np.log(spectrum.T + 1), origin="lower", aspect="auto")
