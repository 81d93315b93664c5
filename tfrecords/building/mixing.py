"""Mixes the channels of a sound into one.

As a rule FFmpeg mixes them. Where a mix would cancel them, as it does stereo in opposite phase, the
loudest channel is taken in place of the mix, for the whole clip.
"""

import av
import numpy as np

_CANCELLED = 0.1  # of the energy that a mix keeps of channels that are alike in nothing
_BASS = "LFE"  # it is in no mix


class Levels:
    """The loudness of a clip's channels, and what a mix keeps of them."""

    def __init__(self) -> None:
        self._channels = np.zeros(0)
        self._sum = 0.0

    def add(self, samples: np.ndarray, layout: av.AudioLayout) -> None:
        """Measures a stretch of sound.

        Args:
            samples: Array `[channels, n]`.
            layout: AudioLayout, what the channels are, e.g. `5.1`.
        """
        heard = np.array([channel.name != _BASS for channel in layout.channels])
        if not self._channels.size:
            self._channels = np.zeros(len(heard))
        if len(heard) != len(self._channels):
            return  # the clip is judged by the channels that it begins with
        samples = samples * heard[:, None]
        self._channels += np.square(samples).sum(1, dtype=np.float64)
        self._sum += float(np.square(samples.sum(0)).sum(dtype=np.float64))

    @property
    def alone(self) -> int | None:
        """The number of the only channel to take, None for the mix."""
        if self._sum < _CANCELLED * self._channels.sum():
            return int(self._channels.argmax())
        return None


class Channels:
    """The channels of a sound of one form.

    Args:
        layout: String, what they are, e.g. `5.1`.
        rate: Integer, the samples a second.
    """

    def __init__(self, layout: str, rate: int) -> None:
        self._planes = av.AudioResampler(format="fltp", layout=layout, rate=rate)

    def samples(self, frame: av.AudioFrame) -> np.ndarray:
        """A frame's samples `[channels, n]`, float32."""
        return np.concatenate([part.to_ndarray() for part in self._planes.resample(frame)], 1)

    def alone(self, frame: av.AudioFrame, number: int) -> av.AudioFrame:
        """One channel of a frame."""
        samples = self.samples(frame)
        taken = np.ascontiguousarray(samples[min(number, len(samples) - 1)][None])
        found = av.AudioFrame.from_ndarray(taken, format="fltp", layout="mono")
        found.sample_rate = frame.sample_rate
        return found
