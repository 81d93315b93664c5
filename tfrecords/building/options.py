"""The options of a build and what follows from them."""

import dataclasses
import hashlib
import os
import pathlib
import re
from typing import Any

from tfrecords.building.settings import Settings
from tfrecords.datasets import Dataset, Listing, find
from tfrecords.datasets.listing import BuildError
from tfrecords.stored import AUDIO_CODECS, StoredAudio, StoredVideo

_MINIMA = ("min_loudness", "min_motion")
ANY = "any"  # of --require: a usable clip has one modality or more


_BUILT_IN = ("audio", "video", "image", "text", "features")
# option -> the kinds of modalities that it is for
_KINDS = {
    "audio_rate": ("audio",),
    "audio_codec": ("audio",),
    "min_loudness": ("audio",),
    "fps": ("video",),
    "min_motion": ("video",),
    "short_side": ("video", "image"),
    "max_seconds": ("audio", "video"),
}


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """The options of a build: what to build, and from what.

    The first group decides the records; None stands for the data set's own default.

    Attributes:
        dataset: Dataset with its options, or the name of one whose options are the defaults.
        source: String, what the data set is read from: for most a directory.
        output: String, the directory of the records.
        validation_fraction: Number, the share of the train side that becomes validation.
        seed: Integer, the seed of splits and of the order of records.
        audio_rate: Integer, the samples a second (Hz).
        audio_codec: String, `pcm16`, or `flac`, which is smaller and takes longer to read.
        fps: Number, the stored frames a second.
        short_side: Integer, the pixels to which a longer shorter side of a frame is scaled down.
        max_seconds: Number, the seconds at which clips are cut.
        min_loudness: Number, the loudness (dB below the largest) below which sound counts as none;
            None for any.
        min_motion: Number, the motion (levels of 255) below which video counts as none; None for
            any.
        require: String, the modalities that a usable clip has, separated by commas, or `any`.
        clips_per_shard: Integer, the most clips in a shard.
        workers: Integer, the number of processes; None for one a core.
        timeout: Number, the seconds that decoding a clip may take.
        max_failures: Integer, the number of failures, or number, their fraction, above which the
            build stops.
        shard_range: Two integers (k, n): only every n-th shard is built, from the k-th.
        overwrite: Boolean, whether to delete the records that are there first.
        runner: String, Apache Beam's runner that writes the shards; None for this program.
        beam_options: Strings, more flags for Beam.
    """

    dataset: Dataset | str
    source: str
    output: str
    validation_fraction: float | None = None
    seed: int = 0
    audio_rate: int = 16_000
    audio_codec: str = "pcm16"
    fps: float | None = None
    short_side: int = 256
    max_seconds: float = 60.0
    min_loudness: float | None = None
    min_motion: float | None = None
    require: str | None = None
    clips_per_shard: int = 256

    workers: int | None = None
    timeout: float = 60.0
    max_failures: int | float = 0.9
    shard_range: tuple[int, int] = (0, 1)
    overwrite: bool = False
    runner: str | None = None
    beam_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.dataset, str):
            object.__setattr__(self, "dataset", find(self.dataset)())
        if self.audio_codec not in AUDIO_CODECS:
            codecs = ", ".join(AUDIO_CODECS)
            raise BuildError(f"--audio_codec={self.audio_codec} is not one of {codecs}")
        for name in ("fps", "validation_fraction"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(self.dataset, name))
        least = {"audio_rate": 1_000, "fps": 0.01, "short_side": 16, "max_seconds": 0.1}
        least |= {"clips_per_shard": 1, "timeout": 0.1, "workers": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise BuildError(f"--{name}={value} is less than {bound}")
        if self.min_loudness is not None and self.min_loudness > 0:
            raise BuildError(f"--min_loudness={self.min_loudness} is above the loudest, 0 dB")
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
    def settings(self) -> Settings:
        """The settings by which clips are decoded."""
        return Settings(
            audio_rate=self.audio_rate,
            audio_codec=self.audio_codec,
            fps=self.fps,
            short_side=self.short_side,
            max_seconds=self.max_seconds,
        )

    @property
    def min_worth(self) -> dict[str, float]:
        """Kind of modality -> the worth below which a value is refused."""
        asked = {StoredAudio.kind: self.min_loudness, StoredVideo.kind: self.min_motion}
        return {kind: least for kind, least in asked.items() if least is not None}

    @property
    def num_workers(self) -> int:
        """Number of processes."""
        return self.workers or len(os.sched_getaffinity(0))

    def list_clips(self) -> Listing:
        """Lists the clips.

        Raises:
            SourceError: The source cannot be used.
            BuildError: An option is for kinds of modalities that the set does not have.
        """
        source = pathlib.Path(self.source)
        listing = self.dataset.listing(source, self.validation_fraction, self.seed)
        self._check_kinds(listing)
        return listing

    def _check_kinds(self, listing: Listing) -> None:
        """Refuses options that would have no effect."""
        kinds = set(listing.modalities.values())
        if not kinds <= set(_BUILT_IN):
            return  # a kind of the user's own may have a use for any
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        usual["fps"] = self.dataset.fps
        for name, about in _KINDS.items():
            if getattr(self, name) != usual[name] and not kinds & set(about):
                raise BuildError(
                    f"--{name}={getattr(self, name)} has no effect: the set holds "
                    f"{', '.join(listing.modalities)}, and it is for {' and '.join(about)}"
                )

    def required(self, listing: Listing) -> tuple[str, ...]:
        """The modalities without which a clip is refused.

        Raises:
            BuildError: `require` names another modality than the set's.
        """
        names = tuple(listing.modalities)
        if self.require is None:
            return names if self.dataset.required is None else self.dataset.required
        if self.require == ANY:
            return ()
        wanted = tuple(self.require.split(","))
        unknown = [name for name in wanted if name not in names]
        if unknown:
            raise BuildError(
                f"--require={self.require}: the set holds {', '.join(names)}; name some of them, "
                f"or {ANY}"
            )
        return tuple(name for name in names if name in wanted)

    def identity(self, listing: Listing) -> dict[str, Any]:
        """All options that decide the records: two builds with one identity give the same bytes."""
        clips = sorted(
            (c.media_id, c.labels, c.split, *sorted(c.files.items()), c.row, c.start, c.end)
            for c in listing.clips
        )
        values = sorted((c.media_id, c.values) for c in listing.clips if c.values)
        listed = (listing.classes, clips, *([values] if values else []))
        digest = hashlib.sha256(repr(listed).encode()).hexdigest()[:16]
        return {
            "dataset": self.dataset.name,
            **self.dataset.identity(),
            "validation_fraction": self.validation_fraction,
            "seed": self.seed,
            "require": ",".join(self.required(listing)),
            "clips_per_shard": self.clips_per_shard,
            "modalities": [f"{name}:{kind}" for name, kind in listing.modalities.items()],
            **dataclasses.asdict(self.settings),
            # named only where they are asked for, so that sets begun before can go on
            **{name: getattr(self, name) for name in _MINIMA if getattr(self, name) is not None},
            "source": os.path.abspath(self.source),
            "listed": f"{len(clips) + len(listing.failures)} clips, {digest}",
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
