"""Rows of a list of the user's own -> clips: class names, splits, what is wrong with a row."""

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from tfrecords.datasets.listing import Failure, Listed, Listing, SourceError
from tfrecords.datasets.splits import draw_splits
from tfrecords.description import SPLITS

SPLIT_NAMES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation",
    "val": "validation", "dev": "validation", "test": "test", "testing": "test", "eval": "test",
}  # fmt: skip
TEST_FRACTION = 0.15


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a row says of a clip.

    Attributes:
        name: String, the clip's name.
        where: String, where it stands, for messages, e.g. `clips.csv, line 3`.
        labels: Strings, its class names; the first is its class.
        files: Mapping, modality -> path relative to the source.
        split: String, as given; empty where it is to be drawn.
        group: String, what must not be in two splits, e.g. the speaker; empty for none.
        start: Number, seconds.
        end: Number, seconds, or None for the files' end.
        row: Integer, the row in a file of arrays, or None.
    """

    name: str
    where: str
    labels: tuple[str, ...]
    files: Mapping[str, str]
    split: str = ""
    group: str = ""
    start: float = 0.0
    end: float | None = None
    row: int | None = None


def listing(
    entries: Iterable[Entry],
    modalities: Mapping[str, str],
    validation_fraction: float,
    seed: int,
    classes: Sequence[str] = (),
    failures: Iterable[Failure] = (),
    notes: Iterable[str] = (),
) -> Listing:
    """Makes a listing of rows: numbers the classes, draws the splits that are not given.

    Args:
        entries: The rows.
        modalities: Mapping, modality -> kind.
        validation_fraction: Number, the share of train that becomes validation where no row is.
        seed: Integer, the seed of the splits.
        classes: Strings, the class names in the order of their ids; by default the labels that
            occur, sorted: numbers by their value, other names by the alphabet.
        failures: What could not be read of the list.
        notes: What else a reader of results must know.

    Returns:
        The listing.

    Raises:
        SourceError: No row can be used, or the splits cannot be drawn.
    """
    good, failures = [], list(failures)
    seen: set[str] = set()
    known = set(classes)
    for entry in entries:
        problem = _problem(entry, known, seen)
        if problem:
            failures.append(Failure(entry.name, entry.split, *problem))
        else:
            seen.add(entry.name)
            good.append(entry)
    if not good:
        example = f"; for example {failures[0].clip}: {failures[0].detail}" if failures else ""
        raise SourceError(f"the list holds no usable clip{example}")
    names = tuple(classes) or in_order({label for entry in good for label in entry.labels})
    ids = {name: index for index, name in enumerate(names)}
    splits, drawn = _splits(good, ids, validation_fraction, seed)
    clips = tuple(
        Listed(
            media_id=entry.name,
            labels=tuple(dict.fromkeys(ids[label] for label in entry.labels)),
            split=split,
            files=entry.files,
            start=entry.start,
            end=entry.end,
            row=entry.row,
        )
        for entry, split in zip(good, splits, strict=True)
    )
    order = "as given" if classes else "sorted by name"
    told = [f"classes {order}", *drawn, *notes]
    return Listing(names, clips, tuple(failures), "; ".join(told), dict(modalities))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in a stated order: by value if all are whole numbers, else by the alphabet."""
    names = set(names)
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _problem(entry: Entry, classes: set[str], seen: set[str]) -> tuple[str, str] | None:
    """Reason and detail of a row that cannot be used."""
    where = entry.where
    if entry.name in seen:
        return "duplicate", f"{where}: {entry.name!r} is listed before; give each clip an id"
    if not entry.labels:
        return "no label", f"{where}: the label is empty"
    for label in entry.labels:
        if not label.isprintable():
            return "bad line", f"{where}: the label {label!r} is no line of text"
        if classes and label not in classes:
            return "unknown label", f"{where}: {label!r} is none of the given classes"
    if entry.split and entry.split.lower() not in SPLIT_NAMES:
        return "bad line", f"{where}: the split {entry.split!r} is none of {', '.join(SPLITS)}"
    if not (math.isfinite(entry.start) and entry.start >= 0):
        return "bad line", f"{where}: start is {entry.start:g}"
    if entry.end is not None and not entry.end > entry.start:
        return (
            "bad line",
            f"{where}: the clip ends at {entry.end:g} s and starts at {entry.start:g}",
        )
    if not entry.files and entry.row is None:
        return "missing", f"{where}: no file is named"
    return None


def _splits(
    entries: Sequence[Entry], ids: Mapping[str, int], validation_fraction: float, seed: int
) -> tuple[list[str], list[str]]:
    """The split of each row, and what was drawn, in words."""
    told = []
    given = {}
    for entry in entries:
        if entry.split:
            given.setdefault(_group(entry), set()).add(SPLIT_NAMES[entry.split.lower()])
    torn = [group for group, splits in given.items() if len(splits) > 1]
    if torn:
        told.append(f"{len(torn)} groups are in two of the given splits, {torn[0]!r} for one")
    # a group that is given in part goes where its given rows are
    splits = {group: min(found, key=SPLITS.index) for group, found in given.items()}
    members = collections.defaultdict(list)
    for entry in entries:
        members[_group(entry)].append(ids[entry.labels[0]])
    free = {group: labels for group, labels in members.items() if group not in given}
    if free:
        part = validation_fraction * (1 - TEST_FRACTION)
        shares = {"train": 1 - TEST_FRACTION - part, "validation": part, "test": TEST_FRACTION}
        splits |= draw_splits(free, shares, seed)
        told.append(f"train, validation and test drawn by group, seed {seed}")
    elif "validation" not in splits.values():
        train = {g: members[g] for g, split in splits.items() if split == "train"}
        if train:
            shares = {"train": 1 - validation_fraction, "validation": validation_fraction}
            splits |= draw_splits(train, shares, seed)
            told.append(f"validation cut from train by group, seed {seed}")
    found = [
        SPLIT_NAMES[entry.split.lower()]
        if entry.split and _group(entry) in torn
        else splits[_group(entry)]
        for entry in entries
    ]
    for split in SPLITS:
        if split not in found:
            told.append(f"there is no {split} clip")
    return found, told


def _group(entry: Entry) -> str:
    """What must stay together: the given group, or else clips of one file."""
    return entry.group or next(iter(entry.files.values()), "") or entry.name
