"""Ratios of things measured in turn, and the machine they were measured on."""

import os
import pathlib
import platform
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from tfrecords.progress import Progress


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> str:
    """The geometric mean of paired ratios with its 95 % confidence interval, as text.

    Args:
        numerators: Sequence of numbers, one a round.
        denominators: Sequence of numbers of the same rounds.
    """
    low, mean, high = interval(numerators, denominators)
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def interval(
    numerators: Sequence[float], denominators: Sequence[float]
) -> tuple[float, float, float]:
    """The lower end, the geometric mean and the upper end that `ratio` tells."""
    logs = np.log(np.asarray(numerators) / np.asarray(denominators))
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    low, mean, high = np.exp(logs.mean() + half * np.array([-1, 0, 1]))
    return float(low), float(mean), float(high)


def rounds(count: int, title: str = "rounds") -> Iterator[int]:
    """0, 1, ... count - 1, with progress on the terminal."""
    with Progress(title, count) as progress:
        for i in range(count):
            yield i
            progress.advance()


def machine() -> str:
    """Processor, cores and versions, in a line."""
    import av
    import tensorflow as tf

    return f"{processor()}, TensorFlow {tf.__version__}, PyAV {av.__version__}"


def processor() -> str:
    """Processor, cores and Python, in a line."""
    model = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(": ")[1]
            break
    return f"{model}, {os.cpu_count()} cores; Python {platform.python_version()}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
