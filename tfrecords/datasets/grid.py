"""GRID: speakers say sentences of six words, e.g. `bin blue at f two now`; a clip is a word.

Below a folder for each speaker, s1 to s34, lie the films, e.g. `s1/bbaf2n.mpg`, and in another or
the same the alignments, e.g. `alignments/s1/bbaf2n.align` or `s1/align/bbaf2n.align`: lines
`start end word`, in units of which 25,000 are a second (1,000 are one of the 25 frames). A `.wav`
file of the sentence's name is its sound, which the films have too.

The words are of six kinds: command, colour, preposition, letter (all but w), digit, adverb.
Silence (`sil`, `sp`) is left out. There is no film of speaker 21. Many prepositions last less than
the tenth of a second that a record needs: words of less than 0.2 s get 0.2 s around their middle.

Reference: Cooke, Barker, Cunningham, Shao, An audio-visual corpus for speech perception and
automatic speech recognition, 2006; layout and licence as on zenodo.org/records/3625687.
"""

import dataclasses
import pathlib
import re
import string

from tfrecords.datasets import rows
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.listing import (
    Failure,
    Listing,
    SourceError,
    check_directory,
    files_below,
    read_text,
)

SLOTS = {
    "command": ("bin", "lay", "place", "set"),
    "colour": ("blue", "green", "red", "white"),
    "preposition": ("at", "by", "in", "with"),
    "letter": tuple(string.ascii_lowercase.replace("w", "")),
    "digit": (
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ),
    "adverb": ("again", "now", "please", "soon"),
}  # fmt: skip
_VOCABULARY = {word for words in SLOTS.values() for word in words}
APART = ("speakers", "sentences")
_UNITS = 25_000  # in a second
_SHORTEST = 0.2  # seconds of a clip
_SILENCE = ("sil", "sp")


@dataclasses.dataclass(frozen=True)
class Grid(Dataset):
    """The data set GRID, words of sentences that 34 speakers say."""

    help = "films of GRID below folders s1 to s34, and the alignments s1/.../bbaf2n.align"
    about = About(
        what="GRID (Cooke et al. 2006): 34 speakers say 1,000 sentences each; a clip is a word.",
        licence="CC BY 4.0.",
        limits="The speech is read, in a studio, in English, from a vocabulary of 51 words.",
        get="zenodo.org/records/3625687: alignments.zip and s1.zip to s34.zip",
    )
    fps = 25.0  # a word has five frames, more or less

    words: str = option(
        "all", "Which words: all 51, or those of one place in the sentence.", ("all", *SLOTS)
    )
    apart: str = option(
        "speakers", "What is never in two splits: the speakers, or only the sentences.", APART
    )

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the words."""
        check_directory(source)
        slots = SLOTS if self.words == "all" else {self.words: SLOTS[self.words]}
        classes = [word for slot in slots.values() for word in slot]
        films = _by_sentence(files_below(source, ".mpg"))
        sounds = _by_sentence(files_below(source, ".wav"))
        alignments = _by_sentence(files_below(source, ".align"))
        speakers = {speaker for speaker, _ in films}
        self._check(source, speakers, len(alignments))
        entries, failures = [], []
        for sentence, path in alignments.items():
            if sentence[0] in speakers:
                film = films.get(sentence, "/".join(sentence) + ".mpg")
                files = {"audio": sounds.get(sentence, film), "video": film}
                found, wrong = self._words(source, path, sentence, files)
                entries += [entry for entry in found if entry.labels[0] in classes]
                failures += wrong
        failures += [
            Failure("/".join(name), "", "no alignment", f"{path}: there is no {name[1]}.align")
            for name, path in films.items()
            if name not in alignments
        ]
        kinds = {"audio": "audio", "video": "video"}
        notes = []
        if self.apart == "sentences":
            notes.append("a sentence is in one split, the same speakers are in all splits")
        without = {speaker for speaker, _ in alignments} - speakers
        if without:
            notes.append(f"speakers without films left out: {len(without)}")
        return rows.listing(entries, kinds, validation_fraction, seed, classes, failures, notes)

    def _check(self, source: pathlib.Path, speakers: set[str], alignments: int) -> None:
        """Refuses a source without films or alignments, or with too few speakers."""
        if not speakers:
            raise SourceError(f"{source} holds no films of GRID, e.g. s1/bbaf2n.mpg")
        if not alignments:
            raise SourceError(
                f"{source} holds no alignments, e.g. s1/align/bbaf2n.align or "
                "alignments/s1/bbaf2n.align"
            )
        if self.apart == "speakers" and len(speakers) < 3:
            raise SourceError(
                f"{source} holds films of {len(speakers)} speakers, too few for splits of "
                "speakers: use --apart=sentences"
            )

    def _words(
        self, source: pathlib.Path, path: str, sentence: tuple[str, str], files: dict[str, str]
    ) -> tuple[list[rows.Entry], list[Failure]]:
        """The words of an alignment, of whatever kind, and the lines that cannot be read."""
        name = "/".join(sentence)
        try:
            lines = read_text(source / path, "")
        except SourceError as error:
            return [], [Failure(name, "", "bad line", str(error))]
        entries, failures = [], []
        for number, text in lines:
            where = f"{path}, line {number}"
            match = re.fullmatch(r"([0-9.]+)\s+([0-9.]+)\s+(\w+)", text)
            word = match[3].lower() if match else ""
            if word in _SILENCE:
                continue
            if word not in _VOCABULARY:
                detail = f"{where}: {text!r} is not `start end word` of GRID"
                failures.append(Failure(f"{name} {text}", "", "bad line", detail))
                continue
            start, end = float(match[1]) / _UNITS, float(match[2]) / _UNITS
            if start < end < start + _SHORTEST:
                start = max(0.0, (start + end - _SHORTEST) / 2)
                end = start + _SHORTEST
            group = sentence[0] if self.apart == "speakers" else name
            clip = f"{name}_{number}_{word}"
            entries.append(
                rows.Entry(clip, where, (word,), files, group=group, start=start, end=end)
            )
        return entries, failures


def _by_sentence(paths: list[str]) -> dict[tuple[str, str], str]:
    """Speaker and sentence -> path, of paths below a folder of a speaker."""
    found: dict[tuple[str, str], str] = {}
    for path in paths:
        *folders, file = path.split("/")
        speakers = [folder for folder in folders if re.fullmatch("s[0-9]{1,2}", folder)]
        if speakers:
            found.setdefault((speakers[-1], file.rpartition(".")[0]), path)
    return found
