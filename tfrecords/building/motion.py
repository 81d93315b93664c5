"""Measures how much moves in a clip's frames."""

import numpy as np
from PIL import Image

_CELLS = (16, 16)  # coarse enough that the noise of a codec does not count


class Motion:
    """Compares the frames of one clip.

    A frame is seen as a grid of mean greys. The motion is that of the cell whose grey changes most,
    so that a small thing counts, and a slow one as well.
    """

    def __init__(self) -> None:
        self._least = np.inf
        self._most = -np.inf

    def add(self, pixels: np.ndarray) -> None:
        """Adds a frame `[H, W, 3]` uint8."""
        gray = Image.fromarray(pixels).convert("L").convert("F")
        cells = np.asarray(gray.resize(_CELLS, Image.Resampling.BOX))
        self._least = np.minimum(self._least, cells)
        self._most = np.maximum(self._most, cells)

    @property
    def value(self) -> float:
        """The largest change of a cell between any two frames, in levels of 255; 0 for one."""
        return float(np.max(self._most - self._least, initial=0.0))
