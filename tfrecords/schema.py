"""The one place that knows the record format and the JSON that describes a record set.

A clip is one `tf.train.SequenceExample`. Keys follow MediaSequence's vocabulary where it has one:

    context        clip/media_id          bytes   the clip's name, unique in its set
                   clip/data_path         bytes   path of the media file, relative to the source
                   clip/label/index       int64   class ids: the data set's own label, then others
                   clip/label/string      bytes   the same as names
                   clip/label/audible, clip/label/visible         int64   0 or 1 for each label
                   clip/background_music, clip/static_image, clip/voice_over     int64   0 or 1
                   audio/encoded          bytes   mono: little-endian 16-bit PCM, or a FLAC stream
                   audio/num_samples      int64
                   image/height, image/width  int64   of the stored frames, pixels
    feature lists  image/encoded          bytes   one JPEG a frame
                   image/timestamp        int64   microseconds from the clip's start

The keys after the labels' names are there in annotated clips alone (see `datasets.vggsounder`).
What all clips share (sample rate, frame rate, codec) stands once, in `dataset.json`.
"""

import dataclasses
import json
import pathlib
from typing import Any

SCHEMA_VERSION = 1
DESCRIPTION = "dataset.json"
SPLITS = ("train", "validation", "test")
AUDIO_CODECS = ("pcm16", "flac")
# Larger ones are refused, when records are built and when they are read.
MAX_PIXELS = 8192 * 4320  # of a frame
MAX_SAMPLES = 1 << 28  # of a waveform: hours

MEDIA_ID = "clip/media_id"
DATA_PATH = "clip/data_path"
LABEL_INDEX = "clip/label/index"
LABEL_STRING = "clip/label/string"
LABEL_AUDIBLE = "clip/label/audible"
LABEL_VISIBLE = "clip/label/visible"
BACKGROUND_MUSIC = "clip/background_music"
STATIC_IMAGE = "clip/static_image"
VOICE_OVER = "clip/voice_over"
AUDIO = "audio/encoded"
AUDIO_SAMPLES = "audio/num_samples"
HEIGHT = "image/height"
WIDTH = "image/width"
FRAMES = "image/encoded"
TIMESTAMPS = "image/timestamp"


@dataclasses.dataclass(frozen=True)
class Audio:
    """How the waveforms of a set are stored.

    Attributes:
        sample_rate: Samples a second (Hz), mono.
        codec: `pcm16` or `flac`, of `AUDIO_CODECS`.
        max_samples: Length of the longest waveform.
    """

    sample_rate: int
    codec: str = "pcm16"
    max_samples: int = 0


@dataclasses.dataclass(frozen=True)
class Video:
    """How the frames of a set are stored.

    Attributes:
        fps: Stored frames a second.
        short_side: Frames with a longer shorter side were scaled down to this many pixels.
        max_frames: Frames of the longest clip.
        max_height: Height of the tallest frame, pixels.
        max_width: Width of the widest frame, pixels.
    """

    fps: float
    short_side: int
    max_frames: int = 0
    max_height: int = 0
    max_width: int = 0


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a set.

    Attributes:
        clips: Number of records.
        failed: Clips that were listed and could not be read; `failures.csv` names them.
        shards: File names, in order.
        class_counts: Clips per class id, by their first label.
        without_audio: Records that lack a waveform.
        without_video: Records that lack frames.
    """

    clips: int
    failed: int
    shards: tuple[str, ...]
    class_counts: tuple[int, ...]
    without_audio: int = 0
    without_video: int = 0


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """The description that lies beside the shards as `dataset.json`.

    Attributes:
        dataset: `vggsound`, `cremad` or `synthetic`.
        classes: Class names; a label id is an index into them.
        audio: How waveforms are stored.
        video: How frames are stored.
        splits: `train`, `validation`, `test`.
        options: The build's options, as given.
        notes: What a reader of results must know (a leak of actors, say).
        schema_version: Of the record format.
    """

    dataset: str
    classes: tuple[str, ...]
    audio: Audio
    video: Video
    splits: dict[str, Split]
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: str = ""
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """The description as text."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True) + "\n"

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
            info = cls(
                **fields
                | {
                    "classes": tuple(fields["classes"]),
                    "audio": Audio(**fields["audio"]),
                    "video": Video(**fields["video"]),
                    "splits": splits,
                }
            )
        except (
            AttributeError, KeyError, TypeError, RecursionError, json.JSONDecodeError
        ) as error:  # fmt: skip
            raise ValueError(f"not a description of a record set: {error!r}") from error
        _check(info)
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
    """Refuses what no build writes: a description may come from anywhere.

    Shards are files beside it; a class's name is a line of `classes.txt` and of the terminal.
    """
    _require(isinstance(info.dataset, str), "dataset", info.dataset)
    _require(isinstance(info.notes, str), "notes", info.notes)
    _require(bool(info.classes), "classes", info.classes)
    for name in info.classes:
        _require(isinstance(name, str) and bool(name) and name.isprintable(), "class", name)
    audio, video = info.audio, info.video
    _require(audio.codec in AUDIO_CODECS, "codec", audio.codec)
    _require(_is_count(audio.sample_rate) and audio.sample_rate > 0, "sample_rate", audio)
    _require(_is_count(audio.max_samples, MAX_SAMPLES), "max_samples", audio.max_samples)
    _require(_is_number(video.fps), "fps", video.fps)
    for name in ("short_side", "max_frames", "max_height", "max_width"):
        _require(_is_count(getattr(video, name)), name, getattr(video, name))
    size = video.max_height * video.max_width
    _require(size <= MAX_PIXELS, "max_height, max_width", (video.max_height, video.max_width))
    for name, split in info.splits.items():
        _require(name in SPLITS, "split", name)
        for field in ("clips", "failed", "without_audio", "without_video"):
            _require(_is_count(getattr(split, field)), field, getattr(split, field))
        counts = split.class_counts
        _require(all(map(_is_count, counts)), "class_counts", counts)
        _require(len(counts) in (0, len(info.classes)), "class_counts", len(counts))
        _require(all(map(is_file_name, split.shards)), "shards", split.shards)
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
