"""The votes of people on CREMA-D's clips, from `processedResults/summaryTable.csv`.

People named the emotion from the voice alone, the face alone and both, by the letters A D F H N S;
ties are written `A:D`.
"""

import csv
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

COLUMNS = {"voice": "VoiceVote", "face": "FaceVote", "both": "MultiModalVote"}
# What people were given where they were given only one modality.
ALONE = {"voice": "audio", "face": "video"}


def read(path: pathlib.Path) -> dict[str, dict[str, str]]:
    """Reads the votes.

    Args:
        path: Path, the CSV file.

    Returns:
        A dictionary, clip -> `voice`, `face`, `both` -> letters.

    Raises:
        ValueError: The file has no such columns, or is not CSV.
        OSError: It cannot be read.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        lacking = {"FileName", *COLUMNS.values()} - set(rows.fieldnames or ())
        if lacking:
            raise ValueError(f"{path}: no column {', '.join(sorted(lacking))}")
        try:
            return {
                row["FileName"]: {how: row[column] for how, column in COLUMNS.items()}
                for row in rows
                if row["FileName"]  # a row may end before it
            }
        except csv.Error as error:
            raise ValueError(f"{path}, line {rows.line_num}: {error}") from error


def recognised(
    votes: Mapping[str, Mapping[str, str]], clips: Sequence[str], intended: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Whether most people named the intended emotion; a tie is no recognition.

    Args:
        votes: Mapping, clip -> what people were given -> letters, see `read`.
        clips: Sequence of N strings, the names of clips; folders before a name do not count.
        intended: Sequence of N strings, their emotions, of which the first letter counts.

    Returns:
        Whether people voted on each clip, `[N]`, and a dictionary, what they were given -> whether
        most of them recognised the emotion, `[N]`.
    """
    names = [pathlib.PurePath(clip).stem for clip in clips]
    known = np.array([name in votes for name in names], bool)
    found = {}
    for how in COLUMNS:
        letters = [votes.get(name, {}).get(how) for name in names]
        found[how] = np.array([a == b[0] for a, b in zip(letters, intended, strict=True)], bool)
    return known, found
