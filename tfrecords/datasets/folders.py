"""A folder for each class: `SOURCE/[split/]class/file`, any media files.

Files of one name and different endings in one folder are one clip: `001.wav` beside `001.mp4` is
its sound.
"""

import collections
import dataclasses
import os
import pathlib

from tfrecords.datasets import rows
from tfrecords.datasets.base import Dataset, option
from tfrecords.datasets.listing import Failure, Listing, SourceError, check_directory
from tfrecords.datasets.manifest import read_classes
from tfrecords.stored import StoredAudio, StoredVideo


@dataclasses.dataclass(frozen=True)
class Folders(Dataset):
    """Clips in a folder for each class."""

    help = "a folder for each class, SOURCE/[split/]class/file"
    own = True

    classes: str = option(
        "", "Text file of the class names, one a line, in the order of their ids."
    )

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the files."""
        check_directory(source)
        folders = _folders(source)
        splits = [name for name in folders if name.lower() in rows.SPLIT_NAMES]
        if splits and len(splits) == len(folders):
            places = [(s, f, source / s / f) for s in splits for f in _folders(source / s)]
        else:
            places = [("", name, source / name) for name in folders]
        if not places:
            raise SourceError(f"{source} holds no folders: put each class's clips into one")
        entries, failures = [], []
        other: collections.Counter[str] = collections.Counter()
        for split, label, folder in places:
            found, wrong = _clips(source, split, label, folder, other)
            entries += found
            failures += wrong
        kinds = {m: m for m in ("audio", "video") if any(m in e.files for e in entries)}
        full = {entry.labels[0] for entry in entries}
        empty = sorted({label for _, label, _ in places} - full)
        notes = [f"folders without media: {', '.join(empty)}"] if empty else []
        if other:
            endings = ", ".join(f"{ending or 'none'} {n:,}" for ending, n in other.most_common(5))
            notes += [f"{other.total():,} files are no media by their endings: {endings}"]
        names = read_classes(self.classes)
        return rows.listing(
            entries, kinds or {"audio": "audio"}, validation_fraction, seed, names, failures, notes
        )


def _folders(directory: pathlib.Path) -> list[str]:
    """The names of the folders in a directory, hidden ones left out."""
    entries = sorted(directory.iterdir())
    return [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]


def _clips(
    source: pathlib.Path,
    split: str,
    label: str,
    folder: pathlib.Path,
    other: collections.Counter,
) -> tuple[list[rows.Entry], list[Failure]]:
    """The clips of one class's folder; counts in `other` the endings of what is no media."""
    by_stem: dict[str, dict[str, str]] = {}
    failures = []
    for directory, subdirectories, files in os.walk(folder):
        subdirectories[:] = sorted(name for name in subdirectories if not name.startswith("."))
        for name in sorted(files):
            path = pathlib.Path(directory, name)
            ending = path.suffix.lower()
            if name.startswith("."):
                continue
            if ending not in StoredAudio.endings | StoredVideo.endings:
                other[ending] += 1
                continue
            relative = path.relative_to(source).as_posix()
            kind = "audio" if ending in StoredAudio.endings else "video"
            clip = by_stem.setdefault(path.relative_to(source).with_suffix("").as_posix(), {})
            if kind in clip:
                failures.append(
                    Failure(relative, split, "duplicate", f"it has the name of {clip[kind]}")
                )
            clip.setdefault(kind, relative)
    entries = []
    for stem, files in by_stem.items():
        if "video" in files:  # the sound of its own, or that of the file beside it
            files = {"audio": files.get("audio", files["video"]), "video": files["video"]}
        entries.append(rows.Entry(stem, next(iter(files.values())), (label,), files, split))
    return entries, failures
