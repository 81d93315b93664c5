"""Long files are labelled window by window, each as long as a training clip."""

import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence

from absl import flags

from amr_tf.modalities import Modality
from tfrecords import stored
from tfrecords.building import container, process_pool
from tfrecords.building.settings import Window

_LONGER = 1.25  # times a window's length up to which a file is one clip, seen whole
_TIMEOUT = 30.0  # seconds to look at a file


def define_flag() -> None:
    """Defines the flag for the length of a window."""
    flags.DEFINE_float(
        "window_seconds",
        None,
        "Length of the windows in which long files are labelled (default: of the longest training "
        "clip); 0 to see each file whole.",
        lower_bound=0,
    )


def split(length: float, seconds: float) -> list[Window]:
    """The windows of a file: one after the other, the last one ending where the file does.

    Args:
        length: Number, the file's length in seconds; 0 where it has none that is known.
        seconds: Number, a window's length; 0 for one window, the whole file.

    Returns:
        The windows. A file that is hardly longer than a window is one, from its start to its end.
    """
    if not seconds or length <= _LONGER * seconds:
        return [Window()]
    count = math.ceil(round(length / seconds, 3))
    starts = [*(k * seconds for k in range(count - 1)), length - seconds]
    return [Window(start, start + seconds) for start in starts]


def lengths(
    clips: Sequence[Mapping[str, str]], inputs: Mapping[str, Modality], workers: int
) -> list[float]:
    """The length of each clip's longest file in seconds; 0 where that is not known.

    Args:
        clips: Mappings, modality -> path of its file, or the value itself.
        inputs: Mapping, modality -> the model's input.
        workers: Integer, the processes that look at the files.
    """
    timed = {name for name, m in inputs.items() if stored.find(m.stored()).timed}
    # a clip's modalities are often of one file, which is looked at once
    files = [{path for name, path in clip.items() if name in timed} for clip in clips]
    tasks = ((pathlib.Path(path),) for paths in files for path in paths)
    # a function of the builder: processes that know it need not load TensorFlow
    found = process_pool.run(container.duration, tasks, workers, _TIMEOUT)
    known = (0.0 if isinstance(length, process_pool.Lost) else length for length in found)
    return [max(itertools.islice(known, len(paths)), default=0.0) for paths in files]
