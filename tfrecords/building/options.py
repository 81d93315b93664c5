"""The options of a build and what follows from them."""

import dataclasses
import hashlib
import os
import pathlib
import re
from typing import Any

from tfrecords import schema
from tfrecords.building import media
from tfrecords.datasets import cremad, synthetic, vggsound, vggsounder
from tfrecords.datasets.listing import Listing

READERS = {"cremad": cremad, "vggsound": vggsound, "synthetic": synthetic}
REQUIRE = {
    "audio,video": ("audio", "video"),
    "audio": ("audio",),
    "video": ("video",),
    "any": (),
}


class BuildError(Exception):
    """The build cannot go on; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """What to build from what.

    The first group decides the records; None stands for the data set's own default.

    Attributes:
        dataset: `vggsound`, `cremad` or `synthetic`.
        source: Directory of the media files; `synthetic` renders them there if they are not.
        output: Directory of the records.
        labels: Lists of clips (VGGSound), or the directory of the published split (CREMA-D).
        vggsounder: VGGSound: give test clips the labels of VGGSounder too.
        split: CREMA-D: `speakers` (the default), `published` or `random`.
        folds: CREMA-D: cut the actors into this many folds ...
        fold: ... and test on this one, from 0.
        validation_fraction: Share of the train side that becomes validation.
        seed: Of splits and of the order of records.
        audio_rate: Samples a second (Hz).
        audio_codec: `pcm16`, or `flac`: smaller, and read with tensorflow-io alone.
        fps: Stored frames a second.
        short_side: Frames with a longer shorter side are scaled down to this (pixels).
        max_seconds: Clips are cut there.
        require: `audio,video`, `audio`, `video` or `any`: what a usable clip has.
        clips_per_shard: At most.
        recipe: Of the clips that `synthetic` renders.
        workers: Processes; None: one a core.
        timeout: Seconds that decoding a clip may take.
        max_failures: Stop when more clips fail: a count (int) or a fraction (float).
        shard_range: (k, n): build only every n-th shard, from the k-th.
        overwrite: Delete the records that are there first.
        runner: Apache Beam's runner that writes the shards; None: this program does.
        beam_options: More flags for Beam.
    """

    dataset: str
    source: str
    output: str
    labels: tuple[str, ...] = ()
    vggsounder: bool = False
    split: str | None = None
    folds: int = 0
    fold: int = 0
    validation_fraction: float | None = None
    seed: int = 0
    audio_rate: int = 16_000
    audio_codec: str = "pcm16"
    fps: float | None = None
    short_side: int = 256
    max_seconds: float = 60.0
    require: str = "audio,video"
    clips_per_shard: int = 256
    recipe: synthetic.Recipe = dataclasses.field(default_factory=synthetic.Recipe)

    workers: int | None = None
    timeout: float = 60.0
    max_failures: int | float = 0.9
    shard_range: tuple[int, int] = (0, 1)
    overwrite: bool = False
    runner: str | None = None
    beam_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.dataset not in READERS:
            raise BuildError(f"--dataset={self.dataset} is none of {', '.join(READERS)}")
        if self.require not in REQUIRE:
            raise BuildError(f"--require={self.require} is none of {'; '.join(REQUIRE)}")
        if self.audio_codec not in schema.AUDIO_CODECS:
            codecs = ", ".join(schema.AUDIO_CODECS)
            raise BuildError(f"--audio_codec={self.audio_codec} is none of {codecs}")
        reader = READERS[self.dataset]
        defaults = {"fps": reader.FPS, "validation_fraction": reader.VALIDATION_FRACTION}
        if self.dataset == "cremad":
            defaults["split"] = "speakers"
            if self.split not in (None, *cremad.SPLITS):
                raise BuildError(f"--split={self.split} is none of {', '.join(cremad.SPLITS)}")
        elif self.split or self.folds:
            raise BuildError(
                f"--split and --folds are for cremad: {self.dataset} has its own split"
            )
        if self.vggsounder and self.dataset != "vggsound":
            raise BuildError(f"--vggsounder is for vggsound: it knows no clip of {self.dataset}")
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if self.folds and (self.split != "speakers" or not 0 <= self.fold < self.folds > 1):
            raise BuildError(
                "--folds needs --split=speakers, at least 2 folds and --fold from 0 to folds - 1"
            )
        least = {"audio_rate": 1_000, "fps": 0.01, "short_side": 16, "max_seconds": 0.1}
        least |= {"clips_per_shard": 1, "timeout": 0.1, "workers": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise BuildError(f"--{name}={value} is less than {bound}")
        if not 0 < self.validation_fraction < 1:
            raise BuildError(f"--validation_fraction={self.validation_fraction} is not in (0, 1)")
        if self.beam_options and not self.runner:
            raise BuildError("--beam_options are for a --runner, and none is given")
        k, n = self.shard_range
        if not 0 <= k < n:
            raise BuildError(f"--shard_range={k}/{n}: K goes from 0 to N - 1")
        if n > 1 and self.overwrite:
            raise BuildError(
                "--overwrite with --shard_range would delete what other ranges have built"
            )

    @property
    def settings(self) -> media.Settings:
        """How clips are decoded."""
        return media.Settings(
            audio_rate=self.audio_rate,
            audio_codec=self.audio_codec,
            fps=self.fps,
            short_side=self.short_side,
            max_seconds=self.max_seconds,
        )

    @property
    def num_workers(self) -> int:
        """Number of processes."""
        return self.workers or len(os.sched_getaffinity(0))

    def list_clips(self) -> Listing:
        """Lists the clips.

        Raises:
            SourceError: The source cannot be used.
        """
        source = pathlib.Path(self.source)
        if self.dataset == "cremad":
            return cremad.listing(
                source,
                self.labels,
                self.split,
                self.validation_fraction,
                self.seed,
                self.folds,
                self.fold,
            )
        if self.dataset == "synthetic":
            return synthetic.listing(source, self.validation_fraction, self.seed)
        listed = vggsound.listing(
            source, self.labels, validation_fraction=self.validation_fraction, seed=self.seed
        )
        return vggsounder.annotate(listed) if self.vggsounder else listed

    def identity(self, listed: Listing) -> dict[str, Any]:
        """All that decides the records: two builds with one identity give the same bytes."""
        names = ["dataset", "validation_fraction", "seed", "require", "clips_per_shard"]
        names += {"cremad": ["split", "folds", "fold"], "synthetic": ["recipe"]}.get(
            self.dataset, []
        )
        fields = dataclasses.asdict(self)
        clips = sorted((clip.media_id, clip.labels, clip.split) for clip in listed.clips)
        digest = hashlib.sha256(repr((listed.classes, clips)).encode()).hexdigest()[:16]
        return {
            **{name: fields[name] for name in names},
            **({"vggsounder": vggsounder.version()} if self.vggsounder else {}),
            **dataclasses.asdict(self.settings),
            "source": os.path.abspath(self.source),
            "listed": f"{len(clips) + len(listed.failures)} clips, {digest}",
        }


def parse_limit(text: str) -> int | float:
    """Reads `--max_failures`: a whole number is a count, anything else a fraction.

    Raises:
        BuildError: It is neither.
    """
    if re.fullmatch(r"\d+", text):
        return int(text)
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:
        raise BuildError(f"--max_failures={text} is neither a count nor a fraction like 0.5")
    return fraction


def parse_range(text: str) -> tuple[int, int]:
    """Reads `--shard_range`.

    Raises:
        BuildError: It is not K/N.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        raise BuildError(f"--shard_range={text} is not of the form K/N")
    return int(match[1]), int(match[2])
