"""A folder for each class: `SOURCE/[split/]class/file`, of media files, images, texts or arrays.

Files of one name and different endings in one folder are one clip: `001.wav` beside `001.mp4` is
its sound, `001.txt` beside `001.jpg` its text.
"""

import collections
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence

from tfrecords.datasets import rows
from tfrecords.datasets.base import Dataset, option
from tfrecords.datasets.listing import Failure, Listing, SourceError, check_directory
from tfrecords.datasets.manifest import check_modality, read_classes
from tfrecords.stored import STORED

Files = dict[str, list[str]]  # of one clip: kind -> paths; "" for endings of no kind


@dataclasses.dataclass(frozen=True)
class Folders(Dataset):
    """Clips in a folder for each class."""

    help = "a folder for each class, SOURCE/[split/]class/file"
    own = True

    classes: str = option(
        "", "Text file of the class names, one a line, in the order of their ids."
    )

    modalities: tuple[str, ...] = option(
        (),
        "Which files are taken, e.g. image,text (default: sound and films; where there are none, "
        "those of image, text, features that half of the clips have).",
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
        found = [(place, _clips(source, place[2])) for place in places]
        every = [files for _, clips in found for files in clips.values()]
        kinds = self._kinds(every)
        other = _other(every, kinds)
        entries, failures = [], []
        for (split, label, _), clips in found:
            for stem, files in clips.items():
                for kind in kinds:
                    first, *more = files.get(kind) or [""]
                    told = f"it has the name of {first}"
                    failures += [Failure(path, split, "duplicate", told) for path in more]
                if chosen := _chosen(files, kinds):
                    where = next(iter(chosen.values()))
                    entries.append(rows.Entry(stem, where, (label,), chosen, split))
        full = {entry.labels[0] for entry in entries}
        empty = sorted({label for _, label, _ in places} - full)
        notes = [f"folders without media: {', '.join(empty)}"] if empty else []
        if other:
            endings = ", ".join(f"{ending or 'none'} {n:,}" for ending, n in other.most_common(5))
            notes += [f"{other.total():,} files are not taken, by their endings: {endings}"]
        names = read_classes(self.classes)
        return rows.listing(entries, kinds, validation_fraction, seed, names, failures, notes)

    def _kinds(self, clips: Sequence[Files]) -> dict[str, str]:
        """Modality -> kind: as the options say, or by the files that there are."""
        if self.modalities:
            return {name: check_modality(name, name, "--modalities") for name in self.modalities}
        counts = collections.Counter(kind for files in clips for kind in files)
        if counts["video"]:
            return {"audio": "audio", "video": "video"}
        if counts["audio"]:
            return {"audio": "audio"}
        known = sum(any(kind in STORED for kind in files) for files in clips)
        # a few texts among pictures, say, are notes and no modality
        kinds = {kind: kind for kind in STORED if counts[kind] and 2 * counts[kind] >= known}
        return kinds or {"audio": "audio"}


def _folders(directory: pathlib.Path) -> list[str]:
    """The names of the folders in a directory, hidden ones left out."""
    entries = sorted(directory.iterdir())
    return [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]


def _clips(source: pathlib.Path, folder: pathlib.Path) -> dict[str, Files]:
    """The files of one class's folder, by their names without endings."""
    kinds = {ending: kind for kind, stored in STORED.items() for ending in stored.endings}
    clips: dict[str, Files] = {}
    for directory, subdirectories, files in os.walk(folder):
        subdirectories[:] = sorted(name for name in subdirectories if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            path = pathlib.Path(directory, name).relative_to(source)
            kind = kinds.get(path.suffix.lower(), "")
            stem = path.with_suffix("").as_posix()
            clips.setdefault(stem, {}).setdefault(kind, []).append(path.as_posix())
    return clips


def _chosen(files: Files, kinds: Mapping[str, str]) -> dict[str, str]:
    """The clip's file of each modality; of a film without a file of its sound, its own."""
    chosen = {kind: files[kind][0] for kind in kinds if kind in files}
    if "audio" in kinds and "video" in files:
        chosen = {"audio": chosen.get("audio", files["video"][0]), **chosen}
    return chosen


def _other(clips: Sequence[Files], kinds: Mapping[str, str]) -> collections.Counter[str]:
    """The number of files of each ending that is not taken."""
    heard = {"video"} if "audio" in kinds else set()
    return collections.Counter(
        pathlib.PurePath(path).suffix.lower()
        for files in clips
        for kind, paths in files.items()
        if kind not in kinds.keys() | heard
        for path in paths
    )
