"""Clips as few numbers: the principal components that small encoders take."""

import numpy as np
from sklearn.decomposition import PCA

COMPONENTS = 256
_MOST_NUMBERS = 256  # of a clip that keeps its features as they are, standardised


class Components:
    """Principal components of clips, divided by the square root of their standard deviation.

    That lies between the components as they are and whitened ones, whose last are noise; it was
    chosen on the validation clips. The mean square is 1. Where a clip has few numbers, these are
    standardised themselves.

    Args:
        train: Array `[N, D]`, the training clips.
    """

    def __init__(self, train: np.ndarray) -> None:
        self._pca = None
        if train.shape[1] > _MOST_NUMBERS:
            count = min(COMPONENTS, len(train) - 1)
            self._pca = PCA(count, svd_solver="randomized", random_state=0).fit(train)
        found = self._projected(train)
        self._mean, std = found.mean(axis=0), found.std(axis=0)
        self._scale = np.where(std > 0, std, 1) ** (0.5 if self._pca else 1.0)
        self._scale *= np.sqrt(np.mean(((found - self._mean) / self._scale) ** 2))

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """The components `[N, K]` float32 of clips `[N, D]`."""
        return ((self._projected(clips) - self._mean) / self._scale).astype(np.float32)

    def _projected(self, clips: np.ndarray) -> np.ndarray:
        return clips if self._pca is None else self._pca.transform(clips)


def numbers_of(clips: np.ndarray) -> np.ndarray:
    """Clips as rows of numbers: of frames the brightness, of four pixels each their mean.

    Args:
        clips: Array `[N, ...]`; frames are `[N, T, H, W, channels]`.

    Returns:
        Array `[N, D]` float32.
    """
    if clips.ndim == 5:
        n, frames, height, width, _ = clips.shape
        parts = clips.reshape(n, frames, height // 2, 2, width // 2, 2, -1)
        clips = parts.mean(axis=(3, 5, 6), dtype=np.float32)
    return np.asarray(clips, np.float32).reshape(len(clips), -1)
