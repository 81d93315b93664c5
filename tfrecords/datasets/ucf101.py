"""UCF-101: clips of 101 human actions from YouTube.

Clips are `<Class>/v_<Class>_g01_c01.avi`; those of one group, g01 to g25, are cut from one video.
`ucfTrainTestlist` holds `classInd.txt` (lines `1 ApplyEyeMakeup`) and, for each of three folds,
`trainlist01.txt` (lines `path 1`) and `testlist01.txt` (lines `path`). The lists write
`HandStandPushups` where some copies of the clips have `HandstandPushups`, so case does not count.

Reference: Soomro, Zamir, Shah, UCF101: a dataset of 101 human actions classes from videos in the
wild, 2012; the layout is that of www.crcv.ucf.edu/data/UCF101.php.
"""

import dataclasses
import pathlib
import re

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

FOLDS = (1, 2, 3)
_CLIP = re.compile(r"(?:.*/)?(v_(.+_g[0-9]{2})_c[0-9]{2})\.avi", re.IGNORECASE)
_FOLDER = "ucfTrainTestlist"
_HINT = f"it is part of UCF101TrainTestSplits-RecognitionTask.zip; name its folder {_FOLDER}"


@dataclasses.dataclass(frozen=True)
class UCF101(Dataset):
    """The data set UCF-101, clips of 101 human actions."""

    help = "the clips of UCF-101, anywhere below the source, and ucfTrainTestlist in it"
    about = About(
        what="UCF-101 (Soomro et al. 2012): 13,320 clips of 101 human actions from YouTube.",
        licence="None is stated; the set is for research, the clips are their authors'.",
        limits="The clips of many classes have no sound: such a record holds only the picture.",
        get="www.crcv.ucf.edu/data/UCF101.php, UCF101.rar and the splits for recognition",
    )
    required = ("video",)

    labels: tuple[str, ...] = option(
        (), "Directory of the lists (default: ucfTrainTestlist in SOURCE)."
    )
    fold: int = option(1, "The published split, 1 to 3.")

    def __post_init__(self) -> None:
        """Refuses another fold by a SourceError."""
        super().__post_init__()
        if self.fold not in FOLDS:
            raise SourceError(f"--fold={self.fold} is not one of 1, 2, 3")

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips in a published split; validation is cut from train by group."""
        check_directory(source)
        lists = pathlib.Path(self.labels[0]) if self.labels else source / _FOLDER
        classes = [text.split() for _, text in read_text(lists / "classInd.txt", _HINT)]
        if not all(len(cells) == 2 and cells[0].isdecimal() for cells in classes):
            raise SourceError(f"{lists / 'classInd.txt'}must have lines like `1 ApplyEyeMakeup`")
        names = [name for _, name in sorted(classes, key=lambda cells: int(cells[0]))]
        folded = {name.lower(): name for name in names}
        films = files_below(source, ".avi")
        there = {pathlib.PurePath(path).stem.lower(): path for path in films}
        entries, failures = [], []
        for split in ("train", "test"):
            path = lists / f"{split}list{self.fold:02d}.txt"
            for number, text in read_text(path, _HINT):
                where = f"{path.name}, line {number}"
                match = _CLIP.fullmatch(text.split()[0])
                if not match:
                    detail = f"{where}: {text!r} names no v_Class_g01_c01.avi"
                    failures.append(Failure(where, split, "bad line", detail))
                    continue
                name, group = match.groups()
                label = group[:-4]
                file = there.get(name.lower(), text.split()[0])
                files = dict.fromkeys(("audio", "video"), file)
                labels = (folded.get(label.lower(), label),)
                entries.append(rows.Entry(name, where, labels, files, split, group.lower()))
        kinds = {"audio": "audio", "video": "video"}
        notes = [f"published split {self.fold}"]
        return rows.listing(entries, kinds, validation_fraction, seed, names, failures, notes)
