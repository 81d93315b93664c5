"""Kinds of modalities by name, and one of a user's own from the media to the tools."""

import importlib
import io
import pathlib
import shutil

import numpy as np
import pytest
import rich.console
from PIL import Image

from tests.tfrecords.building.test_build import command
from tests.tfrecords.stored import sets
from tfrecords import formats, inspect, schema, stored
from tfrecords.building.decoding import Source
from tfrecords.datasets import Arrays, BuildError
from tfrecords.description import DatasetInfo
from tfrecords.reading.records import RecordSet

KIND = """
import dataclasses
from tfrecords import stored
from tfrecords.building.container import check_file
from tfrecords.building.errors import MediaError

@stored.register
@dataclasses.dataclass(frozen=True)
class StoredLetters(stored.Stored):
    kind = "letters"
    endings = frozenset({".abc"})
    longest: int = 0

    def check(self):
        pass

    @property
    def decoded_bytes(self):
        return self.longest

    @classmethod
    def read(cls, path, settings, window):
        check_file(path)
        text = path.read_text().strip()
        if not text.isalpha():
            raise MediaError("undecodable", f"{path.name} holds more than letters")
        return text, 0.0

    @classmethod
    def count(cls, counted, value):
        counted["longest"] = max(counted.get("longest", 0), len(value))

    @classmethod
    def of_build(cls, built):
        return cls(built.most("longest"))

    def extent(self, value):
        return "letters", len(value)

    def draw(self, panels, value):
        panels[0].text(0, 0, value)
"""
FORMAT = """
import letters_kind
import tensorflow as tf
from tfrecords import formats

@formats.register("letters")
class LettersFormat(formats.Format):
    context = {"letters": tf.io.FixedLenFeature([], tf.string, "")}

    def write(self, value):
        return {"letters": formats.bytes_feature(value)}

    def parse(self, found, stored):
        return {"letters": tf.strings.bytes_split(found["letters"])}

    def read(self, found, stored):
        return found["letters"][0].decode() if "letters" in found else None
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Two modules: the kind, which workers import without TensorFlow, and its format."""
    (tmp_path / "letters_kind.py").write_text(KIND)
    (tmp_path / "letters_format.py").write_text(FORMAT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield tmp_path
    stored.STORED.pop("letters", None)
    formats.FORMATS.pop("letters", None)


def test_a_kind_of_the_users_own(plugin):
    source = plugin / "source"
    for k, split in enumerate(("train", "train", "val", "test")):
        for label in ("x", "y"):
            path = source / split / label / f"{k}.abc"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("abcd"[: k + 1])
    (source / "train" / "x" / "bad.abc").write_text("1")
    output = plugin / "out"
    flags = (f"--source={source}", f"--output={output}", "--workers=2")
    done = command("--plugins=letters_format", "--dataset=folders", *flags)
    _, errors = done.communicate(timeout=600)
    assert done.returncode == 0, errors
    assert sets.failures(output) == {
        "train/x/bad": ("undecodable", "bad.abc holds more than letters")
    }
    with pytest.raises(ValueError, match="no kind of modality 'letters': there are audio, video"):
        DatasetInfo.load(output)
    importlib.import_module("letters_format")
    info = DatasetInfo.load(output)
    assert info.modalities["letters"].longest == 4
    assert sets.read(output, info)["val/y/2"]["letters"] == "abc"
    parsed = sets.parsed(output, info)
    assert parsed["train/x/1"]["letters"]["letters"].tolist() == [b"a", b"b"]
    assert list(inspect.verify(output, progress=False)) == []
    inspect.contact_sheet(output, plugin / "sheet.png")
    np.savez(plugin / "set.npz", **{"a:letters": np.zeros(3), "label": [0, 1, 0]})
    with pytest.raises(BuildError, match="letters is not read from arrays"):
        Arrays().listing(plugin / "set.npz", 0.2, 0)


def test_what_is_no_kind_is_refused(monkeypatch):
    monkeypatch.setattr(stored, "STORED", dict(stored.STORED))
    with pytest.raises(TypeError, match=r"a subclass of tfrecords\.stored\.Stored"):
        stored.register(int)
    wrong = type("Wrong", (stored.StoredImage,), {"kind": "Two Words"})
    with pytest.raises(ValueError, match="lower-case identifier, not 'Two Words'"):
        stored.register(wrong)
    other = type("Other", (stored.StoredImage,), {"kind": "image"})
    with pytest.raises(ValueError, match="there is a kind of modality 'image' already"):
        stored.register(other)
    stored.register(stored.StoredImage)
    with pytest.raises(ValueError, match="no kind of modality 'odour': there are audio, video, im"):
        Source("odour", pathlib.Path("a"))
    with pytest.raises(ValueError, match="no record format of the kind of modality 'odour'"):
        formats.find("odour")
    with pytest.raises(TypeError, match=r"a subclass of tfrecords\.formats\.Format"):
        formats.register("odour")(int)
    with pytest.raises(ValueError, match="there is a record format 'text' already"):
        formats.register("text")(type("Mine", (formats.TextFormat,), {}))


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """A set of all kinds, two of some, of which clips lack this and that; and its description."""
    directory = tmp_path_factory.mktemp("every")
    rng = np.random.default_rng(0)
    flow = rng.integers(0, 255, (12, 3, 16, 24, 2), dtype=np.uint8)
    flow[:] = flow[:, :, :1, :1]
    texts = np.array([f"word{k} $a_b$ <b> [red] " * (k % 5) for k in range(12)])
    path = sets.save(
        directory,
        **{"label": np.arange(12) % 3, "flow:video": flow, "title:text": texts, "text": texts},
        audio=rng.integers(-9_000, 9_000, (12, 4_000)).astype(np.int16),
        video=rng.integers(0, 255, (12, 2, 16, 24, 3), dtype=np.uint8),
        image=rng.integers(0, 255, (12, 16, 24), dtype=np.uint8),
        pose=rng.normal(size=(12, 3, 2)),
    )
    info, found, failed = sets.built(
        Arrays(), path, directory / "out", require="any", clips_per_shard=12
    )
    assert failed == {}
    return directory / "out", info, found, flow


def test_an_optical_flow_is_a_video_whose_third_channel_tells_nothing(every):
    _, info, found, flow = every
    assert info.modalities["flow"].max_frames == 3
    for k in range(12):
        frames = [Image.open(io.BytesIO(f)) for f in found[f"row-{k:02d}"]["flow"]]
        pixels = np.stack([np.asarray(f) for f in frames]).mean((1, 2))
        np.testing.assert_allclose(pixels[:, :2], flow[k, :, 0, 0], atol=4)
        np.testing.assert_allclose(pixels[:, 2], 128, atol=4)


def test_the_tools_know_all_kinds(every, capsys):
    directory, info, _found, _ = every
    assert [stored.kind for stored in info.modalities.values()] == [
        "video", "text", "text", "audio", "video", "image", "features"
    ]  # fmt: skip
    assert sum(split.without.get("text", 0) for split in info.splits.values()) == 3
    console = rich.console.Console(width=200)
    inspect.describe(directory, info, console)
    out = capsys.readouterr().out
    for told in (
        "flow: frames", "title: words", "audio: seconds", "image: shorter side, pixels",
        "pose: largest magnitude",
    ):  # fmt: skip
        assert told in out
    inspect.contact_sheet(directory, directory.parent / "sheet.png")
    assert (directory.parent / "sheet.png").stat().st_size > 10_000
    assert list(inspect.verify(directory, progress=False)) == []


def test_what_is_sound_of_a_damaged_shard_is_saved(every, tmp_path):
    directory, info, found, _ = every
    copy = shutil.copytree(directory, tmp_path / "set")
    path = copy / info.splits["train"].shards[0]
    content = bytearray(path.read_bytes())
    content[-40] ^= 255  # of the last record's content
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="1 corrupt record of 12 skipped"):
        records = RecordSet(copy, skip_corrupt=True)
    assert records.num_skipped == 1
    kept = [schema.read(r, info.modalities) for r in schema.records(records.shards("train"))]
    assert len(kept) == info.splits["train"].clips - 1
    for clip in kept:
        for name in info.modalities:
            np.testing.assert_array_equal(clip.get(name), found[clip["media_id"]].get(name))


def test_a_damaged_text_is_found(every, tmp_path):
    directory, info, _, _ = every
    (record, *_) = sets.records(directory, info)
    example = schema.tf.train.SequenceExample.FromString(record)
    example.context.feature[schema.TEXT].bytes_list.value[:] = [b"\xff"]
    with pytest.raises(ValueError, match="utf-8"):
        schema.read(example.SerializeToString(), info.modalities)
