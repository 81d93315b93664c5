"""Audio-visual digits: a spoken digit, over noise, and a handwritten one; after AV-MNIST.

Vielzeuf et al. 2018 (CentralNet) pair spoken digits in environmental noise with MNIST's pictures,
of which a quarter of the variance is kept, so that neither modality is enough. Here a clip is one
recording of the Free Spoken Digit Dataset, `recordings/7_jackson_32.wav`, and one picture of the
same digit of MNIST's test files, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte` (also with
`.gz`). The noise is of ESC-50 (`meta/esc50.csv` and `audio/*.wav`). All may lie anywhere below the
source; the clips are made there, in `av_digits-clips`, as WAV and PNG files.

The speakers of test are named by an option. No picture is in two clips, and the recordings of noise
of fold 5 are only in test clips. The principal components are those of the train clips' pictures.
Each clip is a function of the seed and of the names of its files.
"""

import contextlib
import dataclasses
import hashlib
import pathlib
import re
from typing import Any

import numpy as np

from tfrecords import atomic
from tfrecords.building import process_pool
from tfrecords.datasets import av_digits_clips as clips
from tfrecords.datasets import made, rows
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.listing import (
    Failure,
    Listing,
    SourceError,
    check_directory,
    draw,
    files_below,
)
from tfrecords.progress import Progress

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CLIPS = "av_digits-clips"
_NAME = re.compile("([0-9])_([a-z]+)_([0-9]+)")
_TIMEOUT = 60.0  # seconds to make a clip


@dataclasses.dataclass(frozen=True)
class Recording:
    """A recording of a digit.

    Attributes:
        name: String, e.g. `7_jackson_32`.
        path: String, relative to the source.
        digit: Integer, 0 to 9.
        speaker: String, the name of the person who says it.
        split: String, `train` or `test`.
    """

    name: str
    path: str
    digit: int
    speaker: str
    split: str


@dataclasses.dataclass(frozen=True)
class AVDigits(Dataset):
    """Spoken and handwritten digits."""

    help = (
        "the Free Spoken Digit Dataset, recordings/7_jackson_32.wav, MNIST's t10k files, and for "
        "noise ESC-50's audio and meta"
    )
    about = About(
        what="Spoken digits of the Free Spoken Digit Dataset in noise of ESC-50 (Piczak 2015), "
        "each with a handwritten digit of MNIST, after AV-MNIST (Vielzeuf et al. 2018).",
        licence="CC BY-SA 4.0 for the recordings, CC BY-SA 3.0 for the pictures, CC BY 3.0 for the "
        "noise of ESC-10, CC BY-NC 3.0 for that of ESC-50.",
        limits="Sound and picture were never together: they share the digit and nothing else. "
        "There are six speakers.",
        get="github.com/Jakobovski/free-spoken-digit-dataset, github.com/karolpiczak/ESC-50, and "
        "MNIST's two t10k files",
    )

    test_speakers: tuple[str, ...] = option(
        ("lucas", "theo"), "Speakers whose recordings are test clips."
    )
    noise: str = option(
        "esc10",
        "Noise: the ten classes of ESC-10, all fifty of ESC-50, or none.",
        ("esc10", "esc50", "none"),
    )
    min_snr: float = option(-5.0, "Lowest signal-to-noise ratio of a clip's sound, decibels.")
    max_snr: float = option(5.0, "Highest signal-to-noise ratio of a clip's sound, decibels.")
    variance: float = option(
        0.25, "Share of the pictures' variance that is kept, by principal components; 1 for all."
    )

    def __post_init__(self) -> None:
        """Refuses impossible values."""
        super().__post_init__()
        if not 0 < self.variance <= 1:
            raise SourceError(f"--variance={self.variance} is not above 0 and at most 1")
        if not self.min_snr <= self.max_snr:
            raise SourceError(f"--min_snr={self.min_snr} is above --max_snr={self.max_snr}")

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the clips, a recording each."""
        recordings, failures = self._recordings(source)
        entries = [
            rows.Entry(
                r.name, r.path, (CLASSES[r.digit],),
                {"audio": f"{CLIPS}/{r.name}.wav", "image": f"{CLIPS}/{r.name}.png"},
                split=r.split, group=r.speaker,
            )
            for r in recordings
        ]  # fmt: skip
        kinds = {"audio": "audio", "image": "image"}
        notes = [f"test speakers {', '.join(self.test_speakers)}; no picture is in two clips"]
        if self.noise != "none":
            notes.append(f"noise of fold {clips.TEST_FOLD} only in test clips")
        return rows.listing(entries, kinds, validation_fraction, seed, CLASSES, failures, notes)

    def prepare(self, source: pathlib.Path, seed: int, workers: int, progress: bool) -> None:
        """Makes the clips that are not there yet."""
        recordings, _ = self._recordings(source)
        directory = source / CLIPS
        try:
            directory.mkdir(exist_ok=True)
            there = {path.name for path in directory.iterdir()}
            missing = [r for r in recordings if not {f"{r.name}.wav", f"{r.name}.png"} <= there]
            tasks = self._tasks(source, seed, recordings, missing) if missing else []
            made.claim(directory / "recipe.json", self._recipe(recordings, seed))
            results = process_pool.run(clips.clip, tasks, workers, _TIMEOUT)
            bar = Progress("making clips", len(missing), progress)
            with contextlib.closing(results), bar:
                for recording, result in zip(missing, results, strict=True):
                    if isinstance(result, process_pool.Lost):
                        detail = f"{recording.name}: {result.reason}: {result.detail}"
                        raise SourceError(f"the clip of {detail}")
                    for ending, content in zip((".wav", ".png"), result, strict=True):
                        atomic.write_bytes(directory / f"{recording.name}{ending}", content)
                    bar.advance()
        except OSError as error:
            raise SourceError(f"clips cannot be made in {directory}: {error}") from error

    def _recordings(self, source: pathlib.Path) -> tuple[list[Recording], list[Failure]]:
        """The recordings, and the files beside them that have other names."""
        check_directory(source)
        found, failures = {}, []
        for path in files_below(source, ".wav"):
            folder, name = ("/" + path).rsplit("/", 2)[-2:]
            match = _NAME.fullmatch(name.rpartition(".")[0])
            if match and folder != CLIPS:
                digit, speaker, _ = match.groups()
                split = "test" if speaker in self.test_speakers else "train"
                recording = Recording(match[0], path, int(digit), speaker, split)
                found.setdefault(match[0], recording)
            elif folder == "recordings":
                detail = f"{path}: the name is not of digit, speaker and number, 7_jackson_32.wav"
                failures.append(Failure(path, "", "bad line", detail))
        if not found:
            raise SourceError(
                f"{source} holds no recordings of the Free Spoken Digit Dataset, e.g. "
                "recordings/7_jackson_32.wav"
            )
        speakers = {r.speaker for r in found.values()}
        wrong = sorted(set(self.test_speakers) - speakers)
        if wrong or len(speakers) == len(set(self.test_speakers)):
            raise SourceError(
                f"--test_speakers={','.join(self.test_speakers)}: name some of the speakers, and "
                f"not all: {', '.join(sorted(speakers))}"
            )
        return list(found.values()), failures

    def _recipe(self, recordings: list[Recording], seed: int) -> dict[str, Any]:
        """All options that decide the clips."""
        names = "\n".join(r.name for r in recordings)
        digest = hashlib.blake2b(names.encode(), digest_size=8).hexdigest()
        speakers = list(self.test_speakers)
        return self.identity() | {"test_speakers": speakers, "seed": seed, "recordings": digest}

    def _tasks(
        self, source: pathlib.Path, seed: int, recordings: list[Recording], missing: list[Recording]
    ) -> list[tuple[Any, ...]]:
        """The parts that each missing clip is made of."""
        pictures = clips.dealt(source, {r.name: r.digit for r in recordings}, seed)
        train = np.stack([pictures[r.name] for r in recordings if r.split == "train"])
        projection = clips.projected(train, self.variance)
        noises = {} if self.noise == "none" else clips.noises(source, self.noise)
        tasks = []
        for r in missing:
            noise = None
            if some := noises.get(r.split):
                noise = source / some[int(draw(seed, f"noise/{r.name}") * len(some))]
            snr = self.min_snr + (self.max_snr - self.min_snr) * draw(seed, f"snr/{r.name}")
            place = draw(seed, f"place/{r.name}")
            tasks.append((source / r.path, projection(pictures[r.name]), noise, snr, place))
        return tasks
