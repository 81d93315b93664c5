"""A data set of media files made to measure: ten classes that can be heard and, less well, seen.

Clips are rendered as MP4 files (H.264 and AAC) in VGGSound's layout with a list in VGGSound's
format, and then built like any other set. Each clip depends only on (seed, split, number).
"""

import base64
import contextlib
import csv
import dataclasses
import hashlib
import io
import os
import pathlib

import av
import numpy as np

from tfrecords import atomic
from tfrecords.building import process_pool
from tfrecords.datasets import made, patterns, vggsound
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.listing import Listing, SourceError
from tfrecords.progress import Progress

LABELS = "vggsound.csv"
DESCRIPTION = "synthetic.json"

_CLASSES = tuple(sorted(patterns.CLASSES))
# Clips of the presets of a first run: train, of which validation is cut, and test.
PRESETS = {"quick": (2_000, 600), "half": (3_000, 1_000), "full": (6_000, 2_000)}
_SECONDS = (1.0, 2.0)
_TIMEOUT = 120.0  # seconds to render a clip


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The recipe of the clips to render.

    Attributes:
        num_train: Integer, the clips listed as train; validation is cut from them when they are
            built.
        num_test: Integer, the clips listed as test.
        seed: Integer, the seed of all draws.
        audio_strength: Number, the strength of the class's pattern in the sound, 1 by default; 0 is
            only noise.
        video_strength: Number, the same for the picture.
    """

    num_train: int = 6_000
    num_test: int = 2_000
    seed: int = 0
    audio_strength: float = 1.0
    video_strength: float = 1.0


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of the list.

    Attributes:
        youtube_id: String of eleven characters; some begin with a dash, as real ones do.
        start: Integer, seconds.
        label: Integer, the class id.
        split: String, `train` or `test`.
        number: Integer, the number of the clip in its split.
    """

    youtube_id: str
    start: int
    label: int
    split: str
    number: int

    @property
    def file(self) -> str:
        """The clip's file name."""
        return f"{self.youtube_id}_{self.start:06d}.mp4"


def entries(recipe: Recipe) -> list[Entry]:
    """The list of clips; the classes take turns."""
    found = []
    for split, count in (("train", recipe.num_train), ("test", recipe.num_test)):
        for number in range(count):
            digest = hashlib.blake2b(f"{recipe.seed}/{split}/{number}".encode()).digest()
            youtube_id = base64.urlsafe_b64encode(digest[:9]).decode()[:11]
            start = int.from_bytes(digest[9:11], "big") % 600
            found.append(Entry(youtube_id, start, number % len(_CLASSES), split, number))
    return found


def clip(recipe: Recipe, entry: Entry) -> bytes:
    """Renders one clip as an MP4 file."""
    splits = ("train", "test")
    rng = np.random.default_rng([recipe.seed, splits.index(entry.split), entry.number])
    # A whole number of frames.
    seconds = round(rng.uniform(*_SECONDS) * patterns.FPS) / patterns.FPS
    waveform = patterns.sound(rng, entry.label, seconds, recipe.audio_strength)
    frames = patterns.pictures(rng, entry.label, seconds, recipe.video_strength)
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        _encode(container, waveform, frames)
    return out.getvalue()


def _encode(
    container: av.container.OutputContainer, waveform: np.ndarray, frames: np.ndarray
) -> None:
    options = {"preset": "ultrafast", "crf": "26", "threads": "1"}
    video = container.add_stream("libx264", rate=patterns.FPS, options=options)
    video.width = video.height = patterns.SIZE
    video.pix_fmt = "yuv420p"
    audio = container.add_stream(
        "aac", rate=patterns.RATE, layout="mono", options={"aac_coder": "fast"}
    )
    for number, planes in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        container.mux(video.encode(frame))
    container.mux(video.encode())
    frame = av.AudioFrame.from_ndarray(waveform[None], format="fltp", layout="mono")
    frame.sample_rate = patterns.RATE
    frame.pts = 0
    container.mux(audio.encode(frame))
    container.mux(audio.encode())


def render(
    directory: str | pathlib.Path,
    recipe: Recipe | None = None,
    num_workers: int | None = None,
    progress: bool = True,
) -> pathlib.Path:
    """Renders the clips that are not there yet and their list.

    Args:
        directory: Path of the directory to write to; the clips go to `video` below it.
        recipe: Recipe, what to render.
        num_workers: Integer, the number of processes, by default one a core.
        progress: Boolean, whether to show progress.

    Returns:
        The list's path.

    Raises:
        SourceError: The directory holds clips of another recipe or cannot be written, or a clip
            cannot be rendered.
    """
    recipe = recipe or Recipe()
    directory = pathlib.Path(directory)
    try:
        (directory / "video").mkdir(parents=True, exist_ok=True)
        strengths = {
            "audio_snr_db": list(patterns.AUDIO_SNR_DB),
            "video_snr_db": list(patterns.VIDEO_SNR_DB),
        }
        made.claim(directory / DESCRIPTION, dataclasses.asdict(recipe) | strengths)
        listed = entries(recipe)
        there = set(os.listdir(directory / "video"))
        missing = [entry for entry in listed if entry.file not in there]
        tasks = ((recipe, entry) for entry in missing)
        results = process_pool.run(clip, tasks, num_workers or os.cpu_count() or 1, _TIMEOUT)
        title = "rendering clips"
        with contextlib.closing(results), Progress(title, len(missing), progress) as bar:
            for entry, result in zip(missing, results, strict=True):
                if isinstance(result, process_pool.Lost):
                    raise SourceError(f"rendering {entry.file}: {result.reason}: {result.detail}")
                atomic.write_bytes(directory / "video" / entry.file, result)
                bar.advance()
        text = io.StringIO()
        rows = ((e.youtube_id, e.start, _CLASSES[e.label], e.split) for e in listed)
        csv.writer(text, lineterminator="\n").writerows(rows)
        if not (directory / LABELS).exists():
            atomic.write_text(directory / LABELS, text.getvalue())
    except OSError as error:
        raise SourceError(f"clips cannot be rendered to {directory}: {error}") from error
    return directory / LABELS


@dataclasses.dataclass(frozen=True)
class Synthetic(Dataset):
    """Clips that are rendered into the source where they are not there yet."""

    help = "clips that are rendered into SOURCE"
    about = About(
        what="Clips rendered by this project (`tfrecords/datasets/synthetic.py`): ten classes of "
        "tones and moving shapes, in noise.",
        licence="That of the project, Apache-2.0.",
        limits="The clips are synthetic: the model knows nothing of real sound and pictures, and "
        "its numbers say nothing of other data.",
    )
    validation_fraction = 0.12

    num_train: int = option(6_000, "Clips listed as train.")
    num_test: int = option(2_000, "Clips listed as test.")
    audio_strength: float = option(1.0, "Strength of a class's sound; 0 is only noise.")
    video_strength: float = option(1.0, "Strength of a class's looks; 0 is only noise.")

    def prepare(self, source: pathlib.Path, seed: int, workers: int, progress: bool) -> None:
        """Renders the clips that are not there yet."""
        render(source, self.recipe(seed), workers, progress)

    def recipe(self, seed: int) -> Recipe:
        """The recipe of the clips to render."""
        return Recipe(self.num_train, self.num_test, seed, self.audio_strength, self.video_strength)

    def listing(self, source: pathlib.Path, validation_fraction: float, seed: int) -> Listing:
        """Lists the rendered clips."""
        return vggsound.listing(source, (), _CLASSES, validation_fraction, seed)

    def demo(self, preset: str) -> Dataset:
        """The set of the preset."""
        train, test = PRESETS[preset]
        return dataclasses.replace(self, num_train=train, num_test=test)
