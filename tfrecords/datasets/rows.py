"""Rows of a list of the user's own -> clips: class names, splits, and problems of rows."""

import collections
import dataclasses
import math
import pathlib
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence

from tfrecords.datasets.listing import Failure, Listed, Listing, SourceError, locate
from tfrecords.datasets.splits import draw_splits
from tfrecords.description import SPLITS
from tfrecords.tasks import MULTICLASS, MULTILABEL, REGRESSION, names_of_numbers, number

SPLIT_NAMES = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation",
    "validate": "validation", "val": "validation", "dev": "validation", "test": "test",
    "testing": "test", "eval": "test",
}  # fmt: skip
TEST_FRACTION = 0.15
_NONE = -2  # stands for the class of clips that have none


@dataclasses.dataclass(frozen=True)
class Entry:
    """The clip of a row.

    Attributes:
        name: String, the clip's name.
        where: String, the place where it stands, for messages, e.g. `clips.csv, line 3`.
        labels: Strings, its class names, the first being its class, or its numbers.
        files: Mapping, modality -> path relative to the source, or the value itself of those
            that are `inline`.
        split: String, as given; empty where it is to be drawn.
        group: String, what must not be in two splits, e.g. the speaker; empty for none.
        start: Number, seconds.
        end: Number, seconds, or None for the files' end.
        row: Integer, the row in a file of arrays, or None.
        inline: Strings, the modalities of which `files` holds the value itself, e.g. a text.
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
    inline: frozenset[str] = frozenset()

    @property
    def paths(self) -> list[str]:
        """The paths of the files, without inline values."""
        return [file for name, file in self.files.items() if name not in self.inline]


def listing(
    entries: Iterable[Entry],
    modalities: Mapping[str, str],
    validation_fraction: float,
    seed: int,
    classes: Sequence[str] = (),
    failures: Iterable[Failure] = (),
    notes: Iterable[str] = (),
    task: str = MULTICLASS,
) -> Listing:
    """Makes a listing of rows: numbers the classes, draws the splits that are not given.

    Args:
        entries: Iterable of the rows.
        modalities: Mapping, modality -> kind.
        validation_fraction: Number, the share of train that becomes validation where no row is.
        seed: Integer, the seed of the splits.
        classes: Strings, the class names in the order of their ids; by default the labels that
            occur, sorted: numbers by their value, other names by the alphabet.
        failures: Iterable of failures, the lines of the list that could not be read.
        notes: Strings, what else a reader of results must know.
        task: String, what labels are; of a regression `classes` name the numbers.

    Returns:
        The listing.

    Raises:
        SourceError: No row can be used, or the splits cannot be drawn.
    """
    entries, good, failures = list(entries), [], list(failures)
    seen: set[str] = set()
    labels = _Labels(task, tuple(classes), entries)
    for entry in entries:
        problem = _problem(entry, labels, seen)
        if problem:
            failures.append(Failure(printable(entry.name), split_name(entry.split), *problem))
        else:
            seen.add(entry.name)
            good.append(entry)
    if not good:
        example = f"; for example {failures[0].clip}: {failures[0].detail}" if failures else ""
        raise SourceError(f"the list holds no usable clip{example}")
    names = labels.names(good)
    ids = {name: index for index, name in enumerate(names)}
    numbers = task == REGRESSION
    classed = {
        e.name: () if numbers else tuple(ids[n] for n in dict.fromkeys(e.labels)) for e in good
    }
    splits, drawn = _splits(good, classed, validation_fraction, seed)
    clips = tuple(
        Listed(
            media_id=entry.name,
            labels=classed[entry.name],
            split=split,
            files=entry.files,
            start=entry.start,
            end=entry.end,
            row=entry.row,
            inline=entry.inline,
            values=tuple(map(number, entry.labels)) if numbers else (),
        )
        for entry, split in zip(good, splits, strict=True)
    )
    order = "as given" if classes else "sorted by name"
    told = [*([] if numbers else [f"classes {order}"]), *drawn, *notes]
    return Listing(names, clips, tuple(failures), "; ".join(told), dict(modalities), task)


class _Labels:
    """The labels that a row may have.

    Args:
        task: String, what labels are.
        classes: Strings, the names that were given.
        entries: Iterable of the rows.
    """

    def __init__(self, task: str, classes: tuple[str, ...], entries: Sequence[Entry]) -> None:
        self.task, self.classes, self._known = task, classes, set(classes)
        self._count = len(classes)
        if task == REGRESSION and not classes:
            counts = collections.Counter(len(entry.labels) for entry in entries if entry.labels)
            self._count = counts.most_common(1)[0][0] if counts else 1

    def names(self, entries: Sequence[Entry]) -> tuple[str, ...]:
        """The names of the outputs of a model of the usable rows.

        Raises:
            SourceError: No row has any label.
        """
        if self.task == REGRESSION:
            return self.classes or names_of_numbers(self._count)
        names = self.classes or in_order({label for entry in entries for label in entry.labels})
        if not names:
            raise SourceError("no clip of the list has a label: there is nothing to learn")
        return names

    def problem(self, entry: Entry) -> tuple[str, str] | None:
        """Reason and detail of a row whose labels cannot be used."""
        where = printable(entry.where)
        if not entry.labels and self.task != MULTILABEL:
            return "no label", f"{where}: the label is empty"
        if self.task == REGRESSION:
            return self._problem_of_numbers(entry, where)
        for label in entry.labels:
            if not label.isprintable():
                return "bad line", f"{where}: the label {label!r} is not a line of text"
            if self._known and label not in self._known:
                return "unknown label", f"{where}: {label!r} is not one of the given classes"
        return None

    def _problem_of_numbers(self, entry: Entry, where: str) -> tuple[str, str] | None:
        try:
            found = len(list(map(number, entry.labels)))
        except ValueError as error:
            return "bad line", f"{where}: {error}"
        if found != self._count:
            return "bad line", f"{where}: {found} numbers, where clips have {self._count}"
        return None


def located(source: pathlib.Path, entries: Iterable[Entry]) -> list[Entry]:
    """The rows with the paths of their files, which may lie anywhere below the source.

    Args:
        source: Path of the source.
        entries: Iterable of the rows; a file that is nowhere keeps its path.
    """
    entries = list(entries)
    names = {file: posixpath.basename(file) for e in entries for file in e.files.values()}
    found = locate(source, names.values())
    return [
        dataclasses.replace(
            entry, files={m: found.get(names[file], file) for m, file in entry.files.items()}
        )
        for entry in entries
    ]


def split_name(text: str) -> str:
    """The split that a text names, e.g. `train` for `Training`; empty if it names none."""
    return SPLIT_NAMES.get(text.lower(), "")


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in a stated order: by value if all are whole numbers, else by the alphabet."""
    names = set(names)
    if all(re.fullmatch("-?[0-9]{1,18}", name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _problem(entry: Entry, labels: _Labels, seen: set[str]) -> tuple[str, str] | None:
    """Reason and detail of a row that cannot be used."""
    where = printable(entry.where)
    texts = (entry.name, entry.group, *entry.files.values())
    if any("\0" in text or printable(text) != text for text in texts):
        return "bad line", f"{where}: the name {printable(entry.name)!r} is not text"
    if entry.name in seen:
        return "duplicate", f"{where}: {entry.name!r} is listed before; give each clip an id"
    if problem := labels.problem(entry):
        return problem
    if entry.split and not split_name(entry.split):
        return "bad line", f"{where}: the split {entry.split!r} is not one of {', '.join(SPLITS)}"
    if not (math.isfinite(entry.start) and entry.start >= 0):
        return "bad line", f"{where}: start is {entry.start:g}"
    if entry.end is not None and not entry.end > entry.start:
        times = f"the clip ends at {entry.end:g} s and starts at {entry.start:g}"
        return "bad line", f"{where}: {times}"
    if not entry.files and entry.row is None:
        return "missing", f"{where}: no file is named"
    return None


def printable(text: str) -> str:
    """The text with all that is not Unicode escaped: file names can be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _splits(
    entries: Sequence[Entry],
    labels: Mapping[str, Sequence[int]],
    validation_fraction: float,
    seed: int,
) -> tuple[list[str], list[str]]:
    """The split of each row, and what was drawn, in words."""
    found = [split_name(entry.split) for entry in entries]
    groups = [_group(entry) for entry in entries]
    given = collections.defaultdict(set)
    for group, split in zip(groups, found, strict=True):
        given[group] |= {split} - {""}
    told = []
    torn = [group for group, splits in given.items() if len(splits) > 1]
    if torn:
        told.append(f"groups in two of the given splits: {len(torn)}, {min(torn)!r} for one")
    # a group that is given in part goes where its given rows are
    found = [
        split or min(given[group], key=SPLITS.index, default="")
        for group, split in zip(groups, found, strict=True)
    ]

    def deal(split: str, shares: Mapping[str, float]) -> None:
        """Draws new splits for the rows that are in one, by group."""
        members = collections.defaultdict(list)
        for group, now, entry in zip(groups, found, entries, strict=True):
            if now == split:
                members[group].append(next(iter(labels[entry.name]), _NONE))
        drawn = draw_splits(members, shares, seed)
        found[:] = [
            drawn[group] if now == split else now for group, now in zip(groups, found, strict=True)
        ]

    free = {group for group, split in zip(groups, found, strict=True) if not split}
    if free:
        shares = _shares(set(found), len(free), validation_fraction)
        deal("", shares)
        told.append(f"{', '.join(shares)} drawn by group or file, seed {seed}")
    if "validation" not in found and "train" in found:
        deal("train", {"train": 1 - validation_fraction, "validation": validation_fraction})
        told.append(f"validation cut from train by group or file, seed {seed}")
    told += [f"there is no {split} clip" for split in SPLITS if split not in found]
    return found, told


def _shares(given: set[str], groups: int, validation_fraction: float) -> dict[str, float]:
    """The part of the rows without a split that each split gets.

    Args:
        given: Strings, the splits that other rows name. A test or validation split that is given
            is complete; train is not.
        groups: Integer, the number of groups to deal.
        validation_fraction: Number, the share of train that becomes validation.
    """
    test = 0.0 if "test" in given else TEST_FRACTION
    validation = 0.0 if "validation" in given else validation_fraction * (1 - test)
    shares = {"test": test, "validation": validation, "train": 1 - test - validation}
    wanted = [split for split, share in shares.items() if share]
    if "train" in given:  # which can then do without more
        wanted = wanted[:groups]
    total = sum(shares[split] for split in wanted)
    return {split: shares[split] / total for split in SPLITS if split in wanted}


def _group(entry: Entry) -> str:
    """The name of what must stay together: the given group, or else one file, or one text."""
    if entry.group or entry.row is not None:
        return entry.group or entry.name
    if entry.paths:
        return posixpath.normpath(entry.paths[0])
    return next(iter(entry.files.values()), entry.name)
