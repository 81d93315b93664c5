"""What comes from somewhere else stays in its place and within limits: names, sizes, text."""

import csv
import dataclasses
import io
import json
import pathlib
import struct

import numpy as np
import pytest
import rich.console
import tensorflow as tf
from PIL import Image

from amr_tf.modalities import pictures
from tests.tfrecords import files
from tests.tfrecords.reading import test_pipeline
from tfrecords import flac, inspect
from tfrecords.building import media
from tfrecords.datasets import cremad, vggsound
from tfrecords.description import DESCRIPTION, SPLITS, DatasetInfo, Split
from tfrecords.reading import clips
from tfrecords.reading.records import RecordSet
from tfrecords.stored import StoredAudio, StoredVideo

OUTSIDE = (
    "../x", "../../etc/passwd", "/etc/passwd", "a/b", "..", "x\0y", "x\ny", "~root/x", "C:\\x",
    "%2e%2e/x", "x" * 5000 + "/..", "",
)  # fmt: skip


def described(**changes):
    """A description of records as JSON, with changes at its top level."""
    split = Split(1, 0, ("train-00000-of-00001.tfrecord",), (1, 0))
    info = DatasetInfo(
        "vggsound",
        ("a", "b"),
        {"audio": StoredAudio(16_000), "video": StoredVideo(4.0, 256)},
        {"train": split},
    )
    return json.dumps(json.loads(info.to_json()) | changes)


def split(**changes):
    return {"clips": 0, "failed": 0, "shards": [], "class_counts": []} | changes


def stored(kind, name=None, **numbers):
    return {"modalities": [{"name": name or kind, "kind": kind, **numbers}]}


@pytest.mark.parametrize("name", OUTSIDE)
def test_lists_of_vggsound_name_no_file_elsewhere(name, tmp_path):
    rows = [["good", "1", "airplane", "train"], [name, "1", "airplane", "train"],
            [f"{name}_000001.mp4", "airplane"]]  # fmt: skip
    with (tmp_path / "vggsound.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    listing = vggsound.listing(tmp_path)
    assert [clip.files["video"] for clip in listing.clips] == ["good_000001.mp4"]
    assert [failure.reason for failure in listing.failures] == ["bad line"] * 2


def test_a_start_of_thousands_of_digits_is_a_bad_line_or_a_missing_file(tmp_path):
    rows = [
        "good,1,airplane,train",
        f"x,{'9' * 5000},airplane,train",
        f"y,{'9' * 300},airplane,test",
    ]
    (tmp_path / "vggsound.csv").write_text("\n".join(rows) + "\n")
    listing = vggsound.listing(tmp_path)
    assert [failure.reason for failure in listing.failures] == ["bad line"]
    outcome = files.outcome(tmp_path / listing.clips[1].path, None, media.Settings(), ())
    assert outcome.reason == "unreadable"  # the name is too long for the file system


@pytest.mark.parametrize("name", [*OUTSIDE[:-1], "1001_DFA_ANG_XX/../../x", "1001_DFA_ANG_XX\n"])
def test_lists_of_crema_d_name_no_file_elsewhere(name, tmp_path):
    good = ["1001_DFA_ANG_XX", "1002_DFA_ANG_XX", "1003_DFA_ANG_XX"]
    with (tmp_path / "SentenceFilenames.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["n", "Filename"], *([1, n] for n in [*good, name])])
    listing = cremad.listing(tmp_path, split="random")
    assert sorted({clip.files["video"] for clip in listing.clips}) == [
        f"VideoFlash/{n}.flv" for n in good
    ]
    assert len(listing.failures) == 1


@pytest.mark.parametrize("name", OUTSIDE)
def test_shards_lie_beside_their_description(name, tmp_path):
    text = described(splits={"train": split(shards=[name])})
    (tmp_path / DESCRIPTION).write_text(text)
    with pytest.raises(ValueError, match="not a description of a record set: shards is"):
        RecordSet(tmp_path, skip_corrupt=True)


@pytest.mark.parametrize(
    "name", ["", "a\nb", "a\x1b[31mb", "a\u2028b", "a\x0bb", "a\rb", 7, None, ["a"]]
)
def test_class_names_are_single_printable_lines(name):
    """They are the lines of classes.txt: a break would shift all that follow."""
    with pytest.raises(ValueError, match="class is"):
        DatasetInfo.from_json(described(classes=[name, "b"]))


def test_class_names_keep_what_means_something_elsewhere(tmp_path):
    names = ["[/red] <b>&amp;</b> | =1+1", "b, “c” 鳥"]
    info = DatasetInfo.from_json(described(classes=names))
    assert list(info.classes) == names
    splits = {name: Split(0, 0, (), (0, 0)) for name in SPLITS}
    out = io.StringIO()
    console = rich.console.Console(file=out, width=200)
    inspect.describe(tmp_path, dataclasses.replace(info, splits=splits), console)
    assert names[0] in out.getvalue()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (stored("audio", sample_rate=0), "sample_rate"),
        (stored("audio", sample_rate=16_000, max_samples=10**12), "max_samples"),
        (stored("audio", sample_rate=16_000, codec="mp3"), "codec"),
        (stored("video", fps=float("nan"), short_side=1), "fps"),
        (stored("video", fps=4, short_side=1, max_height=1 << 20, max_width=999), "max_h"),
        (stored("video", fps=4, short_side="1"), "short_side"),
        (stored("features", dimensions=[10**9]), "dimensions"),
        (stored("features", dimensions=[2], mean=[1.0]), "mean"),
        (stored("features", dimensions=[1], std=[float("inf")]), "std"),
        (stored("audio", name="../x", sample_rate=16_000), "modality"),
        ({"modalities": []}, "modalities"),
        ({"splits": {"test": split(without={"flow": 1})}}, "without"),
        ({"classes": []}, "classes"),
        ({"options": []}, "options"),
        ({"options": {"require": 3}}, "options.require"),
        ({"notes": 3}, "notes"),
        ({"dataset": None}, "dataset"),
        ({"splits": {"../x": split()}}, "split"),
        ({"splits": {"test": split(clips=-1)}}, "clips"),
        ({"splits": {"test": split(clips=True)}}, "clips"),
        ({"splits": {"test": split(class_counts=[1])}}, "class_counts"),
    ],
)  # fmt: skip
def test_descriptions_with_impossible_values_are_refused(changes, what):
    with pytest.raises(ValueError, match=f"not a description of a record set: {what}"):
        DatasetInfo.from_json(described(**changes))


def test_deep_nesting_is_refused():
    with pytest.raises(ValueError, match="not a description"):
        DatasetInfo.from_json("[" * 200_000)


def claiming(jpeg, height, width):
    """A JPEG whose header has another size."""
    changed = bytearray(jpeg)
    at = changed.index(b"\xff\xc0")
    changed[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(changed)


def jpeg():
    out = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize("training", [True, False])
def test_a_record_with_a_giant_frame_is_named(training, tmp_path):
    giant = claiming(jpeg(), 60_000, 60_000)
    test_pipeline.write(
        tmp_path, lambda clip: clip | {"frames": [giant]} if clip["label"] == 6 else clip
    )
    pipeline = test_pipeline.make(tmp_path, cache="no")
    stream = pipeline.train() if training else pipeline.evaluate("train")
    with (
        pytest.raises(ValueError, match=r"train-00001\.tfrecord, record 1, is corrupt \(.*pixels"),
        pipeline.records.naming_corrupt_records(),
    ):
        test_pipeline.take(stream, 3)


def test_frames_up_to_the_limit_are_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 16 * 16)

    def decode(one):
        stored = {"frames": tf.constant([one]), "size": tf.constant([16, 16])}
        return clips.decode({"video": stored})["video"]["frames"]

    assert decode(jpeg()).shape == (1, 16, 16, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a JPEG claims too many pixels"):
        decode(claiming(jpeg(), 16, 17))


def test_a_flac_stream_that_claims_hours_is_refused():
    decode = flac.graph_decoder()
    stream = bytearray(flac.encode(np.arange(400, dtype=np.int16), 16_000))
    assert decode(tf.constant(bytes(stream))).shape == (400,)
    stream[21] |= 0x0F  # the highest bits of its length
    with pytest.raises(tf.errors.InvalidArgumentError, match="claims too many samples"):
        decode(tf.constant(bytes(stream)))
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(b"fLaC"))


def test_a_wav_header_that_claims_days_costs_nothing(tmp_path):
    path = files.write(tmp_path / "a.wav", sound=files.tone(440, 1))
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFF_FFF0)  # 37 hours
    path.write_bytes(content)
    outcome = files.outcome(path, None, media.Settings(), ("audio",))
    assert getattr(outcome, "reason", "decoded") in ("truncated", "decoded")
    if not isinstance(outcome, media.MediaError):
        assert len(outcome.values["audio"].waveform) <= 16_000


def test_a_video_header_that_claims_giant_frames_is_refused(tmp_path):
    path = files.write(tmp_path / "a.mp4", files.gray_frames(4))
    content = bytearray(path.read_bytes())
    at = (
        content.index(b"avc1", content.index(b"stsd")) + 4 + 24
    )  # width and height of the sample entry
    assert struct.unpack(">HH", content[at : at + 4]) == (64, 48)
    content[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    path.write_bytes(content)
    outcome = files.outcome(path, None, media.Settings(), ("video",))
    # FFmpeg believes the stream's own header, which says 64 x 48, or refuses
    if isinstance(outcome, media.MediaError):
        assert outcome.reason in ("too large", "undecodable", "truncated")
    else:
        pictures = outcome.values["video"]
        assert pictures.height == 48
        assert 64 <= pictures.width <= 85  # the false header makes it think of pixels of 4:3


def test_names_do_not_reach_the_output(tmp_path):
    """A shard's name follows from split and number alone, whatever its clips are called."""
    from tfrecords.building.shards import plan

    names = [files.listed(name, path=name) for name in ("../../x", "/etc/passwd", "a\nb")]
    assert [shard.file for shard in plan(names, 0, 2)] == [
        "train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord",
    ]  # fmt: skip
    assert all(pathlib.PurePath(shard.file).name == shard.file for shard in plan(names, 0, 2))
