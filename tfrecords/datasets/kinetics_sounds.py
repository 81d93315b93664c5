"""Kinetics-Sounds: the classes of Kinetics-400 that can be both seen and heard.

Arandjelovic and Zisserman (Look, listen and learn, 2017) chose 34 classes of an early Kinetics. Of
those, Kinetics-400 as it was released holds 31, some under new names (`mowing the lawn by pushing
lawnmower` is `mowing lawn`); `typing`, `fingerpicking` and `patting` are gone. The field trains on
these 31.

Clips are `<YouTube id>_<start>_<end>.mp4`, six digits each, either in folders `train/class`,
`val/class`, `test/class`, or anywhere below the source with Kinetics' lists, whose columns are
`label,youtube_id,time_start,time_end,split`.
Kinetics (Kay et al. 2017) is described at github.com/cvdfoundation/kinetics-dataset.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterable

from tfrecords.datasets import lines, rows
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.listing import (
    Failure,
    Listing,
    SourceError,
    check_directory,
    files_below,
)

CLASSES = (
    "blowing nose", "blowing out candles", "bowling", "chopping wood", "dribbling basketball",
    "laughing", "mowing lawn", "playing accordion", "playing bagpipes", "playing bass guitar",
    "playing clarinet", "playing drums", "playing guitar", "playing harmonica",
    "playing keyboard", "playing organ", "playing piano", "playing saxophone",
    "playing trombone", "playing trumpet", "playing violin", "playing xylophone",
    "ripping paper", "shoveling snow", "shuffling cards", "singing", "stomping grapes",
    "tap dancing", "tapping guitar", "tapping pen", "tickling",
)  # fmt: skip
_FILE = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{6})_([0-9]{6})\.\w+")
_LISTS = ("train.csv", "val.csv", "validate.csv", "test.csv")
_COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")


@dataclasses.dataclass(frozen=True)
class KineticsSounds(Dataset):
    """The data set Kinetics-Sounds, 31 classes of Kinetics-400 that are seen and heard."""

    help = "clips of Kinetics-400 in train|val|test/class, or anywhere with Kinetics' CSV lists"
    about = About(
        what="Kinetics-Sounds: ten-second clips of 31 classes of Kinetics-400 that are seen and "
        "heard (Arandjelovic and Zisserman 2017; Kay et al. 2017).",
        licence="CC BY 4.0 for the lists and labels; the clips are their authors'.",
        limits="The clips are from YouTube; many are gone, so two copies of the set differ.",
        get="github.com/cvdfoundation/kinetics-dataset has scripts that fetch Kinetics-400",
    )
    fps = 1.0  # the published recipes choose among ten frames of a clip

    labels: tuple[str, ...] = option(
        (), "Kinetics' CSV lists (default: train.csv, val.csv, test.csv in SOURCE, or its folders)."
    )

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips of the classes."""
        check_directory(source)
        lists = [pathlib.Path(path) for path in self.labels]
        lists = lists or [source / name for name in _LISTS if (source / name).is_file()]
        entries, failures = _from_lists(source, lists) if lists else (_from_folders(source), [])
        chosen = [entry for entry in entries if entry.labels[0] in CLASSES]
        others = len(entries) - len(chosen)
        notes = [f"clips of Kinetics' other classes left out: {others:,}"] if others else []
        if not chosen:
            raise SourceError(
                f"{source} holds no clip of Kinetics-Sounds in train|val|test/class, nor its lists "
                f"({', '.join(_LISTS)}); give lists elsewhere with --labels"
            )
        splits = {rows.split_name(entry.split) for entry in chosen}
        if "test" not in splits and "validation" in splits:
            chosen = [
                dataclasses.replace(entry, split="test")
                if rows.split_name(entry.split) == "validation"
                else entry
                for entry in chosen
            ]
            notes.append("Kinetics' validation split is the test split, as in the field's code")
        kinds = {"audio": "audio", "video": "video"}
        return rows.listing(chosen, kinds, validation_fraction, seed, CLASSES, failures, notes)


def _from_lists(
    source: pathlib.Path, lists: Iterable[pathlib.Path]
) -> tuple[list[rows.Entry], list[Failure]]:
    entries, failures = [], []
    for path in lists:
        columns, found = lines.read(path)
        missing = [column for column in _COLUMNS[:-1] if column not in columns]
        if missing:
            raise SourceError(f"{path} has no column {', '.join(missing)}: is it Kinetics' list?")
        for line in found:
            cells = line.cells
            try:
                if line.problem:
                    raise ValueError(line.problem)
                start, end = int(cells["time_start"]), int(cells["time_end"])
                name = f"{cells['youtube_id']}_{start:06d}_{end:06d}"
                split = cells.get("split") or path.stem
                entries.append(_entry(name, cells["label"], split.lower(), f"{name}.mp4"))
            except ValueError as error:
                detail = line.problem or f"{line.where}: {error}"
                split = rows.split_name(cells.get("split", ""))
                failures.append(Failure(line.where, split, "bad line", detail))
    return rows.located(source, entries), failures


def _from_folders(source: pathlib.Path) -> list[rows.Entry]:
    entries = []
    for path in files_below(source, ".mp4"):
        *above, name = path.split("/")
        if len(above) > 1 and _FILE.fullmatch(name) and above[-2].lower() in rows.SPLIT_NAMES:
            stem = name.rpartition(".")[0]
            entries.append(_entry(stem, above[-1], above[-2].lower(), path))
    return entries


def _entry(name: str, label: str, split: str, path: str) -> rows.Entry:
    """A clip, by its name `<YouTube id>_<start>_<end>`; folders may write `_` for a space."""
    files = dict.fromkeys(("audio", "video"), path)
    return rows.Entry(name, path, (label.replace("_", " "),), files, split, name[:-14])
