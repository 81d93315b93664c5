"""The parts of a report's drawing of a sample's input, whatever its kind."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Image:
    """A picture or a map of numbers.

    Example:
        >>> image = amr_tf.modalities.ImageConfig(size=8)
        >>> panel = image.panel(np.zeros((8, 8, 3)), np.zeros((8, 8, 3)))
        >>> panel.rows[0][0].caption
        'picture'

    Attributes:
        caption: String, what stands above it.
        pixels: Array `[H, W, 3]` of colours in [0, 1], or `[H, W]` of numbers.
        signed: Boolean, whether numbers are drawn in red (positive) and blue (negative), or else
            from dark to bright.
        extent: Four numbers, left, right, bottom and top of the axes; none for no axes.
        axes: Two strings, what the axes show.
        most: Number that the brightest colour stands for; 0 for the greatest in the map.
    """

    caption: str
    pixels: np.ndarray
    signed: bool = False
    extent: tuple[float, float, float, float] | None = None
    axes: tuple[str, str] = ("", "")
    most: float = 0.0


@dataclasses.dataclass(frozen=True)
class Bars:
    """One bar for each of a few words or numbers.

    Example:
        >>> text = amr_tf.modalities.TextConfig(("cat",), length=2)
        >>> text.panel(np.array([2, 0]), np.array([0.5, 0.0])).rows[0][0].labels
        ('cat',)

    Attributes:
        caption: String, what stands above them.
        labels: Strings, one for each bar.
        values: Array `[N]`, how far each reaches, to either side.
    """

    caption: str
    labels: tuple[str, ...]
    values: np.ndarray


@dataclasses.dataclass(frozen=True)
class Panel:
    """The drawing of one modality of one sample.

    Example:
        >>> audio = amr_tf.modalities.AudioConfig(seconds=0.1)
        >>> audio.panel(np.zeros(audio.shape), np.zeros(audio.shape)).note
        'Red speaks for the label, blue against it.'

    Attributes:
        rows: Tuples of images or bars, the input first and its attributions below.
        note: String, how to read it.
    """

    rows: tuple[tuple[Image | Bars, ...], ...]
    note: str
