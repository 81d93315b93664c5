"""GRID in its published layouts."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from tests.tfrecords import files
from tests.tfrecords.building.test_build import failures, records
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Grid, SourceError, grid

ALIGNMENT = """\
0 23750 sil
23750 29500 bin
29500 34000 blue
34000 35500 at
35500 41000 f
41000 47250 two
47250 53000 now
53000 74500 sil
"""


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def source(tmp_path):
    """Five speakers with three sentences each, in the layout of the archives; empty films."""
    for k in (1, 2, 3, 20, 34):
        for name in ("bbaf2n", "lgwm6p", "sbwozn"):
            write(tmp_path / f"s{k}" / f"{name}.mpg")
            write(tmp_path / "alignments" / f"s{k}" / f"{name}.align", ALIGNMENT)
    write(tmp_path / "alignments" / "s21" / "bbaf2n.align", ALIGNMENT)
    return tmp_path


def test_each_word_is_a_clip_and_silence_none(source):
    found = Grid().listing(source, 0.2, 0)
    assert found.failures == ()
    assert len(found.classes) == len(set(found.classes)) == 51
    assert len(found.clips) == 5 * 3 * 6
    clips = {clip.media_id: clip for clip in found.clips}
    two = clips["s20/bbaf2n_6_two"]
    assert found.classes[two.labels[0]] == "two"
    assert (two.start, two.end) == (41_000 / 25_000, 47_250 / 25_000)
    assert two.files == dict.fromkeys(("audio", "video"), "s20/bbaf2n.mpg")
    at = clips["s1/bbaf2n_4_at"]
    assert at.end - at.start == pytest.approx(0.2)
    assert at.end + at.start == pytest.approx((34_000 + 35_500) / 25_000)
    assert "speakers without films left out: 1" in found.notes


def test_no_speaker_is_in_two_splits_or_no_sentence(source):
    def parts(found, depth):
        places = collections.defaultdict(set)
        for clip in found.clips:
            name = clip.media_id.partition("_")[0]
            places["/".join(name.split("/")[:depth])].add(clip.split)
        return places

    by_speaker = parts(Grid().listing(source, 0.2, 0), 1)
    assert all(len(splits) == 1 for splits in by_speaker.values())
    assert set.union(*by_speaker.values()) == {"train", "validation", "test"}
    found = Grid(apart="sentences").listing(source, 0.2, 0)
    assert all(len(splits) == 1 for splits in parts(found, 2).values())
    assert any(len(splits) > 1 for splits in parts(found, 1).values())
    assert "the same speakers are in all splits" in found.notes


@pytest.mark.parametrize("slot", list(grid.SLOTS))
def test_words_of_one_place_in_the_sentence(source, slot):
    found = Grid(words=slot).listing(source, 0.2, 0)
    assert found.classes == grid.SLOTS[slot]
    assert len(found.clips) == 15


def test_other_layouts_and_sound_of_its_own(tmp_path):
    for k in (1, 2, 3):
        write(tmp_path / f"s{k}" / "video" / "mpg_6000" / "bbaf2n.mpg")
        write(tmp_path / f"s{k}" / "align" / "bbaf2n.align", ALIGNMENT)
        write(tmp_path / "audio_25k" / f"s{k}" / "bbaf2n.wav")
    found = Grid().listing(tmp_path, 0.2, 0)
    assert len(found.clips) == 18
    assert dict(found.clips[0].files) == {
        "audio": "audio_25k/s1/bbaf2n.wav",
        "video": "s1/video/mpg_6000/bbaf2n.mpg",
    }


def test_what_is_wrong_is_counted_or_named(source, tmp_path_factory):
    write(source / "s1" / "lbax4n.mpg")
    write(source / "alignments" / "s1" / "gone1n.align", "0 1000 bin\n")
    odd = "0 9000 bin\n1 2\n0 9000 hello\n9000 8000 blue\n"
    write(source / "alignments" / "s1" / "bbaf2n.align", odd)
    files.pointer(source / "alignments" / "s2" / "bbaf2n.align")
    found = Grid().listing(source, 0.2, 0)
    assert sorted((f.clip, f.reason) for f in found.failures) == [
        ("s1/bbaf2n 0 9000 hello", "bad line"),
        ("s1/bbaf2n 1 2", "bad line"),
        ("s1/bbaf2n_4_blue", "bad line"),
        ("s1/lbax4n", "no alignment"),
        ("s2/bbaf2n", "bad line"),
    ]
    assert any(clip.path == "s1/gone1n.mpg" for clip in found.clips)  # missing when decoded
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(SourceError, match="holds no films of GRID"):
        Grid().listing(empty, 0.2, 0)
    write(empty / "s1" / "bbaf2n.mpg")
    with pytest.raises(SourceError, match="holds no alignments"):
        Grid().listing(empty, 0.2, 0)
    write(empty / "s1" / "bbaf2n.align", ALIGNMENT)
    with pytest.raises(SourceError, match=r"films of 1 speakers, too few .* --apart=sentences"):
        Grid().listing(empty, 0.2, 0)
    with pytest.raises(SourceError, match="--words=verb is not one of all, command"):
        Grid(words="verb")
    with pytest.raises(SourceError, match="--apart=films is not one of speakers, sentences"):
        Grid(apart="films")


def test_a_record_holds_its_word(tmp_path):
    seconds = (np.arange(3 * 48_000) / 48_000).astype(np.float32)
    tone = 0.5 * np.sin(2 * np.pi * np.where(seconds < 1.5, 400, 900) * seconds)
    frames = np.stack([np.full((32, 48, 3), 20 + 3 * k, np.uint8) for k in range(75)])
    for k in (1, 2, 3):
        path = tmp_path / f"s{k}" / "bbaf2n.mpg"
        files.write(path, frames, fps=25, sound=tone.astype(np.float32), rate=48_000)
        text = "0 23750 sil\n25000 31250 bin\n50000 56250 now\n"
        write(tmp_path / "alignments" / f"s{k}" / "bbaf2n.align", text)
    output = tmp_path / "out"
    options = BuildOptions(Grid(), str(tmp_path), str(output), workers=1)
    info = builder.build(options, progress=False)
    assert failures(output) == {}
    assert info.modalities["video"].fps == 25
    assert [info.splits[split].clips for split in info.splits] == [2, 2, 2]
    for name, example in records(output, "test").items():
        start, expected = (25, 400) if name.endswith("bin") else (50, 900)
        pcm = np.frombuffer(example.context.feature[schema.AUDIO].bytes_list.value[0], "<i2")
        assert abs(len(pcm) - 4_000) < 20
        assert abs(np.argmax(np.abs(np.fft.rfft(pcm))) * 16_000 / len(pcm) - expected) < 10
        stored = example.feature_lists.feature_list[schema.FRAMES].feature
        grays = [tf.io.decode_jpeg(f.bytes_list.value[0]).numpy().mean() for f in stored]
        # the container's clock starts a little before the first frame
        np.testing.assert_allclose(grays, 20 + 3 * np.arange(start, start + 7), atol=5)
