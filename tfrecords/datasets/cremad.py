"""CREMA-D: 7,442 clips of 91 actors who say 12 sentences in 6 emotions.

The source is the data set's repository: `VideoFlash/<clip>.flv`, `AudioWAV/<clip>.wav`,
`SentenceFilenames.csv` (the list of clips) and `VideoDemographics.csv` (the actors), the media
through Git LFS. A clip is called ACTOR_SENTENCE_EMOTION_LEVEL, e.g. `1001_DFA_ANG_XX`.

Reference: Cao et al., CREMA-D: Crowd-sourced emotional multimodal actors dataset, 2014.
"""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Iterable, Sequence
from types import MappingProxyType

from tfrecords.datasets import cremad_votes
from tfrecords.datasets.base import About, Dataset, Votes, option
from tfrecords.datasets.listing import (
    Failure,
    Listed,
    Listing,
    SourceError,
    check_directory,
    files_below,
    read_rows,
    shuffled,
)
from tfrecords.datasets.vggsound import OGM

CLASSES = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")  # in the order of the published label ids
SPLITS = ("speakers", "published", "random")
VALIDATION_FRACTION = 14 / 77  # of the train side: 63, 14 and 14 actors of 91

OGM_CREMAD = {
    **OGM, "audio_rate": 22_050, "audio_seconds": 3.0, "tile_seconds": 3.0, "fft_length": 512,
    "hop": 353, "frames": 1,
}  # fmt: skip

_TEST_FRACTION = 14 / 91
_NAME = re.compile(r"([0-9]{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")
_HINT = "it is part of the CREMA-D repository (clone it and run `git lfs pull`)"
_PUBLISHED_HINT = (
    "--split=published needs train.csv and test.csv of the published split (lines `clip,EMOTION`) "
    "in --source or in the directory given as --labels"
)


def parse(name: str) -> tuple[str, str, str, str]:
    """Takes a clip's name apart.

    Returns:
        Actor, sentence, emotion and level.

    Raises:
        ValueError: It is not such a name.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise ValueError(f"{name!r} is not ACTOR_SENTENCE_EMOTION_LEVEL")
    return match.groups()


def listing(
    source: pathlib.Path,
    labels: Sequence[str | pathlib.Path] = (),
    split: str = "speakers",
    validation_fraction: float = VALIDATION_FRACTION,
    seed: int = 0,
    folds: int = 0,
    fold: int = 0,
) -> Listing:
    """Lists the clips of CREMA-D.

    Args:
        source: Path of the repository's directory.
        labels: Paths, at most one, the directory of the train.csv and test.csv of `published`, if
            it is not `source`.
        split: String, `speakers` (no actor is in two splits), `published` (the field's) or
            `random`.
        validation_fraction: Number, the share of the train side (actors; clips for `random`) that
            becomes validation.
        seed: Integer, the seed of all draws.
        folds: Integer, the number of folds into which the actors are cut, with `speakers`.
        fold: Integer, the fold to test on, 0 to folds - 1.

    Returns:
        The listing.

    Raises:
        SourceError: A file that is needed is not there, or there are too few actors.
    """
    check_directory(source)
    films, sounds = _media(source, "VideoFlash", ".flv"), _media(source, "AudioWAV", ".wav")
    names, failures = _names(source, {*films, *sounds})
    notes = ""
    if split == "published":
        directory = pathlib.Path(labels[0]) if labels else source
        splits, missing = _published(directory, names)
        failures += missing
        train = {parse(n)[0] for n in splits if splits[n] == "train"}
        if len(train) < 2:
            raise SourceError(
                f"{directory / 'train.csv'} names too few actors of CREMA-D ({len(train)}): "
                f"training and validation need two; {_PUBLISHED_HINT}"
            )
        both = train & {parse(n)[0] for n in splits if splits[n] == "test"}
        held, _ = _cut(train, validation_fraction, source, seed)
        for name in splits:
            if splits[name] == "train" and parse(name)[0] in held:
                splits[name] = "validation"
        notes = f"published split: {len(both)} actors are in both train and test"
    elif split == "random":
        order = shuffled(names, seed)
        tests = max(1, round(len(order) * _TEST_FRACTION))
        validations = max(1, round((len(order) - tests) * validation_fraction))
        bounds = ((tests, "test"), (tests + validations, "validation"), (len(order), "train"))
        splits = {n: next(s for end, s in bounds if i < end) for i, n in enumerate(order)}
        notes = "random split: the same actors are in all splits"
    else:
        actors = _by_speaker(
            {parse(n)[0] for n in names}, validation_fraction, source, seed, folds, fold
        )
        splits = {name: actors[parse(name)[0]] for name in names}
    clips = tuple(
        _listed(name, splits[name], films.get(name), sounds.get(name)) for name in sorted(splits)
    )
    return Listing(CLASSES, clips, tuple(failures), notes)


def _media(source: pathlib.Path, folder: str, ending: str) -> dict[str, str]:
    """The files of one of the repository's folders, by their clips' names."""
    paths = files_below(source / folder, ending)
    return {pathlib.PurePath(path).stem: f"{folder}/{path}" for path in paths}


def _names(source: pathlib.Path, found: Iterable[str]) -> tuple[list[str], list[Failure]]:
    """The clips' names, from the list or else from the files, and what is wrong with the others."""
    path = source / "SentenceFilenames.csv"
    if path.exists():
        rows = [(f"{path.name}, line {line}", cells) for line, cells in read_rows(path, _HINT)]
        listed = [(where, cells[-1]) for where, cells in rows if cells[-1] != "Filename"]
    else:
        listed = [("", name) for name in sorted(found)]
    if not listed:
        raise SourceError(
            f"{source} holds neither SentenceFilenames.csv nor clips in VideoFlash or AudioWAV: "
            "--source must be a clone of the CREMA-D repository"
        )
    names: dict[str, None] = {}
    failures = []
    for where, name in listed:
        try:
            _, _, emotion, _ = parse(name)
        except ValueError as error:
            failures.append(Failure(name or where, "", "bad line", f"{where}: {error}"))
            continue
        if emotion not in CLASSES:
            failures.append(Failure(name, "", "unknown label", f"{where}: {emotion!r}"))
        elif name in names:
            failures.append(Failure(name, "", "duplicate", f"{where}: listed before"))
        else:
            names[name] = None
    return list(names), failures


def _listed(name: str, split: str, film: str | None, sound: str | None) -> Listed:
    label = CLASSES.index(parse(name)[2])
    video = film or f"VideoFlash/{name}.flv"
    # without a file of its own, the sound is that of the film
    return Listed(name, (label,), split, {"audio": sound or video, "video": video})


def _published(
    directory: pathlib.Path, names: Iterable[str]
) -> tuple[dict[str, str], list[Failure]]:
    """The split of the clips in the field's lists, and what does not fit with the list of clips."""
    splits: dict[str, str] = {}
    failures = []
    for split in ("train", "test"):
        for line, (name, *_) in read_rows(directory / f"{split}.csv", _PUBLISHED_HINT):
            where = f"{split}.csv, line {line}"
            if name in splits:
                failures.append(Failure(name, split, "duplicate", f"{where}: listed before"))
            else:
                splits[name] = split
    for name in sorted(set(splits) ^ set(names)):
        if name in splits:
            detail = f"{splits[name]}.csv: CREMA-D has no such clip"
            failures.append(Failure(name, splits.pop(name), "unknown clip", detail))
        else:
            failures.append(Failure(name, "", "no split", "in neither train.csv nor test.csv"))
    return splits, failures


def _sexes(source: pathlib.Path) -> dict[str, str]:
    """The sex of each actor."""
    path = source / "VideoDemographics.csv"
    head, *rows = [cells for _, cells in read_rows(path, _HINT)] or [[]]
    if "ActorID" not in head or "Sex" not in head:
        raise SourceError(f"{path} has no columns ActorID and Sex: {_HINT}")
    actor, sex = head.index("ActorID"), head.index("Sex")
    return {cells[actor]: cells[sex] for cells in rows if len(cells) > max(actor, sex)}


def _cut(
    actors: Iterable[str], fraction: float, source: pathlib.Path, seed: int
) -> tuple[set[str], set[str]]:
    """Draws a share of the actors, balanced by sex; returns those and the others."""
    order = _by_sex(actors, source, seed)
    count = max(1, round(len(order) * fraction))
    # Evenly spaced places: each sex gets its proportion, rounded.
    drawn = {order[int((i + 0.5) * len(order) / count)] for i in range(count)}
    return drawn, set(order) - drawn


def _by_sex(actors: Iterable[str], source: pathlib.Path, seed: int) -> list[str]:
    """The actors in a random order, one sex after the other."""
    sexes = _sexes(source)
    return sorted(shuffled(actors, seed), key=lambda actor: sexes.get(actor, ""))


def _by_speaker(
    actors: set[str],
    validation_fraction: float,
    source: pathlib.Path,
    seed: int,
    folds: int,
    fold: int,
) -> dict[str, str]:
    """The split of each actor."""
    if folds == 1:
        raise SourceError("--folds=1 leaves no actor to train on: take 2 or more, or none")
    if len(actors) < max(3, folds):
        raise SourceError(
            f"{len(actors)} actors are too few for a speaker-independent split into "
            f"{folds or 3} parts: use --split=random"
        )
    if folds:
        tests = set(_by_sex(actors, source, seed)[fold::folds])
        rest = actors - tests
    else:
        tests, rest = _cut(actors, _TEST_FRACTION, source, seed)
    validation, _ = _cut(rest, validation_fraction, source, seed)
    splits = dict.fromkeys(actors, "train")
    return splits | dict.fromkeys(tests, "test") | dict.fromkeys(validation, "validation")


@dataclasses.dataclass(frozen=True)
class Cremad(Dataset):
    """The data set CREMA-D, 91 actors who speak in six emotions."""

    help = "a clone of the CREMA-D repository with `git lfs pull` done"
    about = About(
        what="CREMA-D (Cao et al. 2014): 91 actors speak 12 sentences in 6 emotions.",
        licence="Open Database License 1.0.",
        limits="The emotions are acted, in a studio, in English. The model tells what an actor was "
        "asked to show, not what a person feels: don't judge people by it.",
        get="clone the CREMA-D repository and run `git lfs pull`",
    )
    validation_fraction = VALIDATION_FRACTION
    recipes = MappingProxyType({"ogm_cremad": OGM_CREMAD})

    labels: tuple[str, ...] = option(
        (), "With --split=published: directory of its train.csv and test.csv (default: SOURCE)."
    )
    split: str = option(
        "speakers",
        "speakers: no actor is in two splits; published: the field's, all actors are in both "
        "halves; random.",
        SPLITS,
    )
    folds: int = option(0, "Cut the actors into this many folds.")
    fold: int = option(0, "The fold to test on, from 0.")

    def __post_init__(self) -> None:
        """Refuses impossible options by a SourceError."""
        super().__post_init__()
        if self.folds and (self.split != "speakers" or not 0 <= self.fold < self.folds > 1):
            raise SourceError(
                "--folds needs --split=speakers, at least 2 folds and --fold from 0 to folds - 1"
            )

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips."""
        return listing(
            source, self.labels, self.split, validation_fraction, seed, self.folds, self.fold
        )

    def votes(self, path: pathlib.Path) -> Votes:
        """The votes of `processedResults/summaryTable.csv`."""
        try:
            found = cremad_votes.read(path)
        except ValueError as error:
            raise ValueError(f"--votes={error}") from error
        return Votes(functools.partial(cremad_votes.recognised, found), cremad_votes.ALONE)
