"""AVE: ten-second clips of 28 events that are seen and heard, with the seconds in which they are.

The published folder holds `AVE/<YouTube id>.mp4` and the lists `trainSet.txt`, `valSet.txt` and
`testSet.txt`, with lines `Category&VideoID&Quality&StartTime&EndTime`. A video can hold several
events, each of which is a line and here a clip.

Reference: Tian et al., Audio-visual event localization in unconstrained videos, 2018; the layout is
that of its data set (ReadMe.txt and the code at github.com/YapengTian/AVE-ECCV18).
"""

import dataclasses
import pathlib

from tfrecords.datasets import rows
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.listing import Failure, Listing, check_directory, read_text

CLASSES = (
    "Accordion", "Acoustic guitar", "Baby cry, infant cry", "Banjo", "Bark", "Bus", "Cat",
    "Chainsaw", "Church bell", "Clock", "Female speech, woman speaking",
    "Fixed-wing aircraft, airplane", "Flute", "Frying (food)", "Goat", "Helicopter", "Horse",
    "Male speech, man speaking", "Mandolin", "Motorcycle", "Race car, auto racing",
    "Rodents, rats, mice", "Shofar", "Toilet flush", "Train horn", "Truck", "Ukulele",
    "Violin, fiddle",
)  # fmt: skip
_LISTS = {"train": "trainSet.txt", "validation": "valSet.txt", "test": "testSet.txt"}
_HINT = "--source must be the folder AVE_Dataset, with AVE/ and its three lists"


@dataclasses.dataclass(frozen=True)
class AVE(Dataset):
    """The data set AVE, ten-second clips of 28 audio-visual events."""

    help = "the folder AVE_Dataset: AVE/<YouTube id>.mp4, trainSet.txt, valSet.txt, testSet.txt"
    about = About(
        what="AVE (Tian et al. 2018): 4,143 ten-second clips of 28 audio-visual events.",
        licence="That of AudioSet, CC BY 4.0, for the labels; the clips are their authors'.",
        limits="The clips are from YouTube and were chosen so that the event is seen and heard.",
        get="the link to AVE_Dataset.zip is on github.com/YapengTian/AVE-ECCV18",
    )
    fps = 1.0  # the published recipes choose among ten frames of a clip

    events: bool = option(False, "Cut clips to the seconds of the event (default: all ten).")

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips in the published splits."""
        check_directory(source)
        entries, failures = [], []
        for split, name in _LISTS.items():
            for number, text in read_text(source / name, _HINT):
                where = f"{name}, line {number}"
                if text.startswith("Category&"):
                    continue
                try:
                    entries.append(self._entry(text, split, where))
                except ValueError:
                    detail = f"{where}: {text!r} is not Category&VideoID&Quality&StartTime&EndTime"
                    failures.append(Failure(where, split, "bad line", detail))
        entries = rows.located(source, entries)
        kinds = {"audio": "audio", "video": "video"}
        return rows.listing(entries, kinds, validation_fraction, seed, CLASSES, failures)

    def _entry(self, text: str, split: str, where: str) -> rows.Entry:
        """A line's clip; its file is where it is published for now.

        Raises:
            ValueError: It is not such a line.
        """
        category, video, _, *times = (cell.strip() for cell in text.split("&"))
        start, end = map(float, times)
        if not video or "/" in video:
            raise ValueError
        return rows.Entry(
            name=f"{video}_{start:g}-{end:g}_{category}",
            where=where,
            labels=(category,),
            files=dict.fromkeys(("audio", "video"), f"AVE/{video}.mp4"),
            split=split,
            group=video,
            start=start if self.events else 0.0,
            end=end if self.events else None,
        )
