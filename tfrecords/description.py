"""The JSON that lies beside the shards as `dataset.json` and describes a record set.

It is read without TensorFlow, and checked field by field: a description may come from anywhere.
"""

import dataclasses
import json
import math
import pathlib
from typing import Any, ClassVar

SCHEMA_VERSION = 2
DESCRIPTION = "dataset.json"
SPLITS = ("train", "validation", "test")
AUDIO_CODECS = ("pcm16", "flac")
# Larger ones are refused, when records are built and when they are read.
MAX_PIXELS = 8192 * 4320  # of a frame
MAX_SAMPLES = 1 << 28  # of a waveform: hours
MAX_FEATURES = 1 << 24  # numbers of one clip


@dataclasses.dataclass(frozen=True)
class StoredAudio:
    """How the waveforms of a modality are stored.

    Attributes:
        sample_rate: Integer, the samples a second (Hz) of the mono waveform.
        codec: String, `pcm16` or `flac`, of `AUDIO_CODECS`.
        max_samples: Integer, the length of the longest waveform.
    """

    kind: ClassVar[str] = "audio"

    sample_rate: int
    codec: str = "pcm16"
    max_samples: int = 0

    def check(self) -> None:
        """Refuses what no build writes."""
        _require(self.codec in AUDIO_CODECS, "codec", self.codec)
        _require(_is_count(self.sample_rate) and self.sample_rate > 0, "sample_rate", self)
        _require(_is_count(self.max_samples, MAX_SAMPLES), "max_samples", self.max_samples)

    @property
    def decoded_bytes(self) -> int:
        """The most that a decoded clip takes in memory."""
        return 2 * self.max_samples


@dataclasses.dataclass(frozen=True)
class StoredVideo:
    """How the frames of a modality are stored.

    Attributes:
        fps: Number, the stored frames a second.
        short_side: Integer, the pixels to which a longer shorter side of a frame was scaled down.
        max_frames: Integer, the frames of the longest clip.
        max_height: Integer, the height of the tallest frame in pixels.
        max_width: Integer, the width of the widest frame in pixels.
    """

    kind: ClassVar[str] = "video"

    fps: float
    short_side: int
    max_frames: int = 0
    max_height: int = 0
    max_width: int = 0

    def check(self) -> None:
        """Refuses what no build writes."""
        _require(_is_number(self.fps), "fps", self.fps)
        for name in ("short_side", "max_frames", "max_height", "max_width"):
            _require(_is_count(getattr(self, name)), name, getattr(self, name))
        size = self.max_height * self.max_width
        _require(size <= MAX_PIXELS, "max_height, max_width", (self.max_height, self.max_width))

    @property
    def decoded_bytes(self) -> int:
        """The most that a decoded clip takes in memory."""
        return 3 * self.max_frames * self.max_height * self.max_width


@dataclasses.dataclass(frozen=True)
class StoredFeatures:
    """How the numbers of a modality are stored: float32, of one shape in all clips.

    Attributes:
        dimensions: Integers, the shape of a clip's array.
        mean: Numbers, the mean of each feature over the training split, in row-major order.
        std: Numbers, the standard deviation of each feature over the training split.
    """

    kind: ClassVar[str] = "features"

    dimensions: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Takes lists, as JSON has them, for tuples."""
        for name in ("dimensions", "mean", "std"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, list) else value)

    def check(self) -> None:
        """Refuses what no build writes."""
        known = isinstance(self.dimensions, tuple) and all(map(_is_count, self.dimensions))
        _require(known and math.prod(self.dimensions) <= MAX_FEATURES, "dimensions", self)
        for name in ("mean", "std"):
            values = getattr(self, name)
            numbers = isinstance(values, tuple) and all(
                type(x) in (int, float) and math.isfinite(x) for x in values
            )
            counts = (0, math.prod(self.dimensions))
            _require(numbers and len(values) in counts, name, values)

    @property
    def decoded_bytes(self) -> int:
        """What a clip takes in memory."""
        return 4 * math.prod(self.dimensions)


Stored = StoredAudio | StoredVideo | StoredFeatures
STORED = {stored.kind: stored for stored in (StoredAudio, StoredVideo, StoredFeatures)}


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a set.

    Attributes:
        clips: Integer, the number of records.
        failed: Integer, the clips that were listed and could not be read; `failures.csv` names
            them.
        shards: Strings, the file names in order.
        class_counts: Integers, the clips of each class by their first label.
        without: Mapping, modality -> how many records lack it.
    """

    clips: int
    failed: int
    shards: tuple[str, ...]
    class_counts: tuple[int, ...]
    without: dict[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """The description of a record set.

    Attributes:
        dataset: String, the name of the data set that it was built from.
        classes: Strings, the class names; a label id is an index into them.
        modalities: Mapping, modality -> how it is stored, in the set's order.
        splits: Mapping, `train`, `validation`, `test` -> the split.
        options: Mapping, the build's options as given.
        notes: String, what a reader of results must know, e.g. that actors are in two splits.
        schema_version: Integer, the version of the record format.
    """

    dataset: str
    classes: tuple[str, ...]
    modalities: dict[str, Stored]
    splits: dict[str, Split]
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def required(self) -> tuple[str, ...]:
        """The modalities that every record has."""
        return tuple(filter(None, self.options.get("require", "").split(",")))

    def to_json(self) -> str:
        """The description as text."""
        fields = dataclasses.asdict(self)
        for name, stored in self.modalities.items():
            fields["modalities"][name]["kind"] = stored.kind
        # a list, since the order counts and sorted keys would lose it
        fields["modalities"] = [
            {"name": name, **stored} for name, stored in fields["modalities"].items()
        ]
        return json.dumps(fields, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "DatasetInfo":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: The text is no such description or its schema is of another version.
        """
        try:
            fields = json.loads(text)
            version = fields.get("schema_version")
            if version != SCHEMA_VERSION:
                raise ValueError(
                    f"schema version {version}, this program reads {SCHEMA_VERSION}: "
                    "build the records again with `python -m tfrecords.build`"
                )
            splits = {
                name: Split(
                    **split
                    | {
                        "shards": tuple(split["shards"]),
                        "class_counts": tuple(split["class_counts"]),
                    }
                )
                for name, split in fields["splits"].items()
            }
            modalities = {}
            for stored in fields["modalities"]:
                numbers = {k: v for k, v in stored.items() if k not in ("name", "kind")}
                modalities[stored["name"]] = STORED[stored["kind"]](**numbers)
            info = cls(
                **fields
                | {
                    "classes": tuple(fields["classes"]),
                    "modalities": modalities,
                    "splits": splits,
                }
            )
            _check(info)
        except (
            AttributeError, KeyError, TypeError, RecursionError, json.JSONDecodeError
        ) as error:  # fmt: skip
            raise ValueError(f"not a description of a record set: {error!r}") from error
        return info

    @classmethod
    def load(cls, directory: str | pathlib.Path) -> "DatasetInfo":
        """Reads `dataset.json` of a directory of records.

        Raises:
            FileNotFoundError: There is none: the directory holds no finished record set.
            ValueError: It cannot be read as one.
        """
        path = pathlib.Path(directory) / DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist: {directory} holds no finished record set. "
                "Build one with `python -m tfrecords.build --output=" + str(directory) + " ...`"
            )
        try:
            return cls.from_json(path.read_text())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def is_file_name(name: Any) -> bool:
    """Whether a text names a file in a directory, and nothing above or beside it."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and name not in ("", ".", "..")
        and not set(name) & {"/", "\\"}
    )


def _check(info: DatasetInfo) -> None:
    """Refuses what no build writes.

    Shards are files beside it; a class's name is a line of `classes.txt` and of the terminal.
    """
    _require(isinstance(info.dataset, str), "dataset", info.dataset)
    _require(isinstance(info.notes, str), "notes", info.notes)
    _require(bool(info.classes), "classes", info.classes)
    for name in info.classes:
        _require(isinstance(name, str) and bool(name) and name.isprintable(), "class", name)
    _require(bool(info.modalities), "modalities", info.modalities)
    for name, stored in info.modalities.items():
        _require(isinstance(name, str) and name.isidentifier(), "modality", name)
        stored.check()
    for name, split in info.splits.items():
        _require(name in SPLITS, "split", name)
        for field in ("clips", "failed"):
            _require(_is_count(getattr(split, field)), field, getattr(split, field))
        counts = split.class_counts
        _require(all(map(_is_count, counts)), "class_counts", counts)
        _require(len(counts) in (0, len(info.classes)), "class_counts", len(counts))
        _require(all(map(is_file_name, split.shards)), "shards", split.shards)
        known = split.without.keys() <= info.modalities.keys()
        _require(known and all(map(_is_count, split.without.values())), "without", split.without)
    _require(isinstance(info.options, dict), "options", info.options)
    required = info.options.get("require", "")
    _require(isinstance(required, str), "options.require", required)


def _require(condition: bool, what: str, value: Any) -> None:
    if not condition:
        raise ValueError(f"not a description of a record set: {what} is {repr(value)[:200]}")


def _is_count(value: Any, most: int = 2**40) -> bool:
    return type(value) is int and 0 <= value <= most


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < 1e6
