"""RAVDESS: 24 actors speak and sing two sentences in eight emotions.

Files lie in `Actor_01` to `Actor_24` and have names of seven numbers, e.g.
`01-01-06-01-02-01-12.mp4`: modality (01 face and voice, 02 face alone, 03 voice alone), channel
(01 speech, 02 song), emotion, intensity, statement, repetition, actor. Files that differ only in
the first number are one performance and here one clip: the film with sound where there is one, else
the silent film and the `.wav` file.

Reference: Livingstone and Russo, The Ryerson audio-visual database of emotional speech and song,
2018; names and licence as on zenodo.org/records/1188976.
"""

import collections
import dataclasses
import pathlib
import re

from tfrecords.datasets import rows
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.listing import Failure, Listing, SourceError, check_directory, files_below

CLASSES = (
    "neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised",
)  # fmt: skip
CHANNELS = ("speech", "song", "both")
_NAME = re.compile(r"(0[123])-((0[12])-(0[1-8])-0[12]-0[12]-0[12]-([0-9]{2}))\.\w+")


@dataclasses.dataclass(frozen=True)
class RAVDESS(Dataset):
    """The data set RAVDESS, 24 actors who speak and sing in eight emotions."""

    help = "the folders Actor_01 to Actor_24 of RAVDESS, anywhere below the source"
    about = About(
        what="RAVDESS (Livingstone and Russo 2018): 24 actors speak and sing in 8 emotions.",
        licence="CC BY-NC-SA 4.0; licences for commercial use are sold.",
        limits="The emotions are acted, in a studio, in English. The model tells what an actor was "
        "asked to show, not what a person feels: don't judge people by it.",
        get="zenodo.org/records/1188976, Video_Speech_Actor_01.zip to 24, Video_Song likewise",
    )

    channel: str = option("speech", "What the actors do: speech, song, or both.", CHANNELS)

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the performances; no actor is in two splits."""
        check_directory(source)
        wanted = {"speech": "01", "song": "02"}.get(self.channel)
        versions: dict[str, dict[str, str]] = collections.defaultdict(dict)
        parts: dict[str, tuple[str, str]] = {}
        failures = []
        for path in [*files_below(source, ".mp4"), *files_below(source, ".wav")]:
            match = _NAME.fullmatch(path.rpartition("/")[2])
            if not match:
                detail = f"{path}: the name is not of seven numbers as RAVDESS has them"
                failures.append(Failure(path, "", "bad line", detail))
                continue
            modality, name, channel, emotion, actor = match.groups()
            if wanted in (None, channel):
                versions[name].setdefault(modality, path)
                parts[name] = (CLASSES[int(emotion) - 1], actor)
        if not versions:
            raise SourceError(
                f"{source} holds no files of RAVDESS of --channel={self.channel}, e.g. "
                "Actor_01/01-01-06-01-02-01-01.mp4"
            )
        entries = [
            rows.Entry(
                name, name, (parts[name][0],), _files(found), group=f"actor {parts[name][1]}"
            )
            for name, found in sorted(versions.items())
        ]
        kinds = {"audio": "audio", "video": "video"}
        return rows.listing(entries, kinds, validation_fraction, seed, CLASSES, failures)


def _files(found: dict[str, str]) -> dict[str, str]:
    """A performance's files, by modality."""
    if "01" in found:
        return {"audio": found["01"], "video": found["01"]}
    pairs = (("audio", "03"), ("video", "02"))
    return {modality: found[number] for modality, number in pairs if number in found}
