"""Parts that all readers of data sets share: their listing, reading of lists, random draws."""

import csv
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping

from tfrecords.stored import STORED
from tfrecords.tasks import MULTICLASS


class BuildError(Exception):
    """The build cannot go on; the message says why and what to do."""


class SourceError(BuildError):
    """The source as a whole cannot be used; the message says which file and what to do."""


@dataclasses.dataclass(frozen=True)
class Annotation:
    """The annotation of a clip: what people heard and saw in it.

    Attributes:
        audible: Booleans, whether each of the clip's labels can be heard.
        visible: Booleans, whether each of them can be seen.
        background_music: Boolean, whether there is music that nobody in the picture makes.
        static_image: Boolean, whether the picture never moves.
        voice_over: Boolean, whether somebody out of the picture speaks.
    """

    audible: tuple[bool, ...]
    visible: tuple[bool, ...]
    background_music: bool
    static_image: bool
    voice_over: bool


@dataclasses.dataclass(frozen=True)
class Listed:
    """A clip as the data set lists it.

    Attributes:
        media_id: String, the clip's name, unique in its set.
        labels: Integers, class ids; the first is the one that the data set itself gives. None of a
            clip of numbers, and of one that lacks all labels of several.
        split: String, `train`, `validation` or `test`.
        files: Mapping, modality -> path of its file, relative to the source. It lacks the
            modalities that the clip lacks; several may name one file. Of a modality that is
            `inline` it holds the value itself, e.g. a text.
        start: Number, the time in the files where the clip begins, seconds.
        end: Number, the time where it ends, seconds; None for the files' end.
        row: Integer, the clip's row where the source is a file of arrays; else None.
        annotation: Annotation, what else is known of the labels and the clip, or None.
        inline: Strings, the modalities of which `files` holds the value itself.
        values: Numbers, the labels of a regression.
    """

    media_id: str
    labels: tuple[int, ...]
    split: str
    files: Mapping[str, str]
    start: float = 0.0
    end: float | None = None
    row: int | None = None
    annotation: Annotation | None = None
    inline: frozenset[str] = frozenset()
    values: tuple[float, ...] = ()

    @property
    def path(self) -> str:
        """The path that stands for the clip: the picture's, or another modality's, or none."""
        paths = [file for name, file in self.files.items() if name not in self.inline]
        return self.files.get("video") or next(iter(paths), "")


@dataclasses.dataclass(frozen=True)
class Failure:
    """A clip that is listed and does not get into the records.

    Attributes:
        clip: String, its name, or the line of the list that has none.
        split: String, its split; empty where the list does not tell.
        reason: String, a short name.
        detail: String, what was seen.
    """

    clip: str
    split: str
    reason: str
    detail: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """The list of a data set's clips, with all that belongs to it.

    Attributes:
        classes: Strings, the class names; a label id is an index into them. Of a regression the
            names of the numbers.
        clips: Tuple of the usable clips.
        failures: Tuple of the other clips.
        notes: String, what a reader of results must know.
        modalities: Mapping, modality -> its kind, in the set's order.
        task: String, what labels are, one of `tfrecords.tasks`.
    """

    classes: tuple[str, ...]
    clips: tuple[Listed, ...]
    failures: tuple[Failure, ...] = ()
    notes: str = ""
    modalities: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: {"audio": "audio", "video": "video"}
    )
    task: str = MULTICLASS


def draw(seed: int, name: str) -> float:
    """Draws a number in [0, 1) that depends only on the arguments, on every machine."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that depends on the seed and not on their given order."""
    return sorted(set(names), key=lambda name: (draw(seed, name), name))


def read_rows(path: pathlib.Path, hint: str) -> list[tuple[int, list[str]]]:
    """Reads a CSV file: any line ends, with or without a byte-order mark.

    Args:
        path: Path of the file.
        hint: String, the place to get it from, for the message.

    Returns:
        Line number and cells of each row that is not empty.

    Raises:
        SourceError: There is no such file, or it is a Git LFS pointer or not text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist: {hint}") from None
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as CSV: {error}") from error
    if rows:
        check_pointer(path, rows[0][1][0])
    return rows


def read_text(path: pathlib.Path, hint: str) -> list[tuple[int, str]]:
    """Reads a text file: any line ends, with or without a byte-order mark.

    Args:
        path: Path of the file.
        hint: String, the place to get it from, for the message.

    Returns:
        Number and text of each line that is not empty.

    Raises:
        SourceError: There is no such file, or it is a Git LFS pointer or not text.
    """
    try:
        texts = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist: {hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as text: {error}") from error
    if texts:
        check_pointer(path, texts[0])
    return [(number, text.strip()) for number, text in enumerate(texts, 1) if text.strip()]


def check_pointer(path: pathlib.Path, first: str) -> None:
    """Raises SourceError if a file's first line is that of a Git LFS pointer."""
    if first.startswith("version https://git-lfs"):
        raise SourceError(f"{path} is a Git LFS pointer: run `git lfs pull` in its repository")


def check_directory(source: pathlib.Path) -> None:
    """Raises SourceError unless `source` is a directory that can be read."""
    if not source.is_dir():
        raise SourceError(f"--source={source} is not a directory")
    if not os.access(source, os.R_OK | os.X_OK):
        raise SourceError(f"--source={source} cannot be read: permission denied")


def locate(source: pathlib.Path, names: Iterable[str]) -> dict[str, str]:
    """Finds files by name in the source or, in one scan, anywhere below it.

    Args:
        source: Path of the directory.
        names: Strings, the file names, as they are published. Files whose name has another ending
            of the same kind are found as well, e.g. `a.mkv` or `a.MP4` for `a.mp4`.

    Returns:
        The path relative to the source of each name that is there; of several files of one name
        the one with the published ending, then the one in the source itself, then the first path
        in alphabetical order.
    """
    wanted = set(names)
    found = {name: name for name in wanted.intersection(os.listdir(source))}
    if len(found) == len(wanted):
        return found
    stems: dict[str, list[str]] = {}
    for name in wanted.difference(found):
        stems.setdefault(os.path.splitext(name)[0], []).append(name)
    best: dict[str, int] = {}
    for relative, files in _walk(source):
        for file in sorted(files):
            stem, ending = os.path.splitext(file)
            for name in stems.get(stem, ()):
                rank = _rank(ending, os.path.splitext(name)[1])
                if rank is not None and rank < best.get(name, rank + 1):
                    best[name] = rank
                    found[name] = os.path.normpath(os.path.join(relative, file))
    return found


def files_below(source: pathlib.Path, published: str) -> list[str]:
    """The paths of all files with an ending, or another one of its kind, relative to the source.

    Args:
        source: Path of the directory.
        published: String in lower case, the ending with which the files are published, e.g. `.mp4`.

    Returns:
        The paths, sorted; of files of one directory and one name the one with the published ending,
        then the first in alphabetical order.
    """
    best: dict[str, tuple[int, str]] = {}
    for relative, files in _walk(source):
        for file in files:
            stem, ending = os.path.splitext(file)
            rank = _rank(ending, published)
            if rank is not None and not file.startswith("."):
                place = pathlib.PurePath(relative, stem).as_posix()
                path = pathlib.PurePath(relative, file).as_posix()
                best[place] = min(best.get(place, (rank, path)), (rank, path))
    return sorted(path for _, path in best.values())


def _rank(ending: str, published: str) -> int | None:
    """The distance of an ending from the published one; None for one of another kind."""
    if ending == published:
        return 0
    if ending.lower() == published.lower():
        return 1
    kinds = (kind.endings for kind in STORED.values() if published.lower() in kind.endings)
    return 2 if any(ending.lower() in endings for endings in kinds) else None


def _walk(source: pathlib.Path) -> Iterator[tuple[str, list[str]]]:
    """The directories in the source and their files; links are followed, but not back up."""
    seen: set[str] = set()
    for directory, subdirectories, files in os.walk(source, followlinks=True):
        real = os.path.realpath(directory)
        if real in seen:
            subdirectories.clear()
            continue
        seen.add(real)
        subdirectories.sort()
        yield os.path.relpath(directory, source), files
