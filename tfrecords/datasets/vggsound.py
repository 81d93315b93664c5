"""VGGSound: ten-second clips of 309 classes, collected from the web; and other sets in its layout.

A list has lines `youtube_id,start_seconds,"label",train|test` or, as in the project's `test.csv`,
`<youtube_id>_<start, six digits>.mp4,label`. Many of the videos are gone: a missing clip is normal.

Reference: Chen et al., VGGSound: a large-scale audio-visual dataset, 2020.
"""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from tfrecords import tasks
from tfrecords.datasets import vggsounder
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.listing import (
    Failure,
    Listed,
    Listing,
    SourceError,
    check_directory,
    draw,
    locate,
    read_rows,
)

VALIDATION_FRACTION = 0.1
PUBLISHED = """\
Published (VGGSound, arXiv 2404.02359, Table 1), for comparison:

| model | mAP | accuracy | audio/video | with AMR: mAP | accuracy | audio/video |
|---|---|---|---|---|---|---|
| audio only | 40.18 | 38.89 | - | - | - | - |
| video only | 25.51 | 25.76 | - | - | - | - |
| naive fusion | 44.82 | 42.20 | 74/26 | 44.89 | 42.01 | 50/50 |
| dropout | 45.27 | 43.16 | 72/28 | 45.23 | 43.04 | 51/49 |
| UMT | 51.86 | 49.37 | 57/43 | 51.70 | 49.27 | 50/50 |

The paper gives neither the training recipe nor the weight of the regulariser nor the number of
seeds; the field's published code selects the epoch on the test split, here it is validation.
"""
# OGM-GE's code (Peng et al. 2022): ResNet-18 from scratch, one linear layer on the concatenation.
OGM = {
    "audio_encoder": "resnet18", "video_encoder": "resnet18", "optimizer": "sgd",
    "learning_rate": 0.001, "momentum": 0.9, "weight_decay": 1e-4, "schedule": "step",
    "epochs": 100, "batch_size": 64, "frame_size": 224, "crop_scale": 0.08,
}  # fmt: skip
OGM_VGGSOUND = {
    **OGM, "audio_rate": 16_000, "audio_seconds": 5.0, "tile_seconds": 10.0, "fft_length": 256,
    "hop": 128, "frames": 3,
}  # fmt: skip

_ID = re.compile(r"[A-Za-z0-9_-]+")
_FILE = re.compile(r"([A-Za-z0-9_-]+)_([0-9]{6,})\.mp4")
_HINT = "give the list of clips with --labels=CSV (vggsound.csv of the VGGSound project)"


def class_names() -> tuple[str, ...]:
    """The 309 classes in the order of their ids, whatever part of the set is at hand."""
    path = pathlib.Path(__file__).with_name("vggsound_classes.txt")
    return tuple(path.read_text(encoding="utf-8").splitlines())


def parse(cells: Sequence[str], split: str) -> tuple[str, str, str, str]:
    """Reads a line of a list.

    Args:
        cells: Strings, the line's cells.
        split: String, the split of lines that do not name one.

    Returns:
        The YouTube id, the clip's name, its label, and `train` or `test`.

    Raises:
        ValueError: It is not such a line.
    """
    if len(cells) == 2:
        match = _FILE.fullmatch(cells[0])
        if not match:
            raise ValueError(f"{cells[0]!r} is not <youtube_id>_<start, six digits>.mp4")
        return match[1], f"{match[1]}_{match[2]}", cells[1], split
    if len(cells) != 4:
        raise ValueError(f"{len(cells)} cells instead of youtube_id,start_seconds,label,split")
    youtube_id, start, label, split = cells
    if not _ID.fullmatch(youtube_id):
        raise ValueError(f"{youtube_id!r} is not a YouTube id")
    if not re.fullmatch(r"[0-9]+", start):
        raise ValueError(f"start {start!r} is not a whole number of seconds")
    if split.lower() not in ("train", "test"):
        raise ValueError(f"split {split!r} is neither train nor test")
    return youtube_id, f"{youtube_id}_{int(start):06d}", label, split.lower()


def listing(
    source: pathlib.Path,
    labels: Sequence[str | pathlib.Path] = (),
    classes: Sequence[str] | None = None,
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
) -> Listing:
    """Lists the clips of VGGSound or of a set in its layout.

    Args:
        source: Path of the directory of the clips, directly or in sub-directories.
        labels: Paths of the lists; `vggsound.csv` in `source` if none is given.
        classes: Strings, the class names in the order of their ids, VGGSound's by default.
        validation_fraction: Number, the share of the train videos (not clips) that becomes
            validation.
        seed: Integer, the seed of the choice of those.

    Returns:
        The listing.

    Raises:
        SourceError: The source or a list cannot be read, or the lists hold no clip.
    """
    check_directory(source)
    classes = tuple(classes or class_names())
    ids = {name: index for index, name in enumerate(classes)}
    entries: dict[str, tuple[int, str]] = {}
    read, failures = [], []
    for path in map(pathlib.Path, labels or [source / "vggsound.csv"]):
        default = "train" if "train" in path.stem else "test"
        for line, cells in read_rows(path, _HINT):
            where = f"{path.name}, line {line}"
            try:
                video, name, label, split = parse(cells, default)
            except ValueError as error:
                if line == 1 and _is_header(cells):
                    continue
                failures.append(Failure(where, "", "bad line", str(error)))
                continue
            read.append((where, video, name, label, split))
    held_out = _held_out({r[1] for r in read if r[4] == "train"}, validation_fraction, seed)
    for where, video, name, label, split in read:
        split = "validation" if split == "train" and video in held_out else split
        if name in entries:
            failures.append(Failure(name, split, "duplicate", f"{where}: listed before"))
        elif label not in ids:
            failures.append(Failure(name, split, "unknown label", f"{where}: {label!r}"))
        else:
            entries[name] = (ids[label], split)
    if not entries:
        counts = collections.Counter(f"{f.reason}: {f.detail}" for f in failures)
        seen = f"; for example {next(iter(counts))}" if counts else ""
        raise SourceError(f"no usable clip is listed for {source}{seen}")
    found = locate(source, (f"{name}.mp4" for name in entries))
    paths = {name: found.get(f"{name}.mp4", f"{name}.mp4") for name in entries}
    clips = [
        Listed(name, (label,), split, dict.fromkeys(("audio", "video"), paths[name]))
        for name, (label, split) in entries.items()
    ]
    return Listing(classes, tuple(clips), tuple(failures))


def _held_out(videos: set[str], fraction: float, seed: int) -> set[str]:
    """The training videos that become validation: one at least, where there are two."""
    draws = {video: draw(seed, f"validation/{video}") for video in videos}
    found = {video for video, drawn in draws.items() if drawn < fraction}
    if found or len(videos) < 2:
        return found
    return {min(videos, key=lambda video: (draws[video], video))}


def _is_header(cells: Sequence[str]) -> bool:
    return any("label" in cell.lower() or "class" in cell.lower() for cell in cells)


@dataclasses.dataclass(frozen=True)
class VGGSound(Dataset):
    """The data set VGGSound, ten-second clips of 309 classes of sound."""

    help = "the clips of VGGSound, <youtube_id>_<start, six digits>.mp4"
    about = About(
        what="VGGSound (Chen et al. 2020): ten-second clips of 309 classes of sound from YouTube.",
        licence="CC BY 4.0 for the list and its labels; the clips are their authors'.",
        limits="About half of the test clips have a sound without its source in the picture, or "
        "further classes that count as wrong here.",
        get="the list vggsound.csv is published by the VGGSound project; the clips are on YouTube",
    )
    fps = 1.0  # the published recipes choose among ten frames of a clip
    validation_fraction = VALIDATION_FRACTION
    recipes = MappingProxyType({"ogm_vggsound": OGM_VGGSOUND})
    published = PUBLISHED

    labels: tuple[str, ...] = option((), "CSV lists of clips (default: SOURCE/vggsound.csv).")
    vggsounder: bool = option(
        False, "Give test clips VGGSounder's labels too, with their modalities."
    )
    task: str = option(tasks.MULTICLASS, tasks.HELP, tasks.TASKS)

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips."""
        listed = listing(source, self.labels, None, validation_fraction, seed)
        if self.task == tasks.REGRESSION:
            raise SourceError(f"--task={self.task}: {self.name} has labels, and no numbers")
        listed = dataclasses.replace(listed, task=self.task)
        return vggsounder.annotate(listed) if self.vggsounder else listed

    def identity(self) -> dict[str, Any]:
        """The version of VGGSounder's labels, where they are asked for."""
        asked = {} if self.task == tasks.MULTICLASS else {tasks.OPTION: self.task}
        return asked | ({"vggsounder": vggsounder.version()} if self.vggsounder else {})
