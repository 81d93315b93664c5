"""A list of the user's own clips: what users write into one, and what goes wrong with it."""

import collections
import csv
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tfrecords import files
from tests.tfrecords.building.test_build import command, failures, records
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Manifest, SourceError
from tfrecords.description import DatasetInfo


def write_list(directory, text, name="clips.csv", encoding="utf-8"):
    path = directory / name
    path.write_bytes(text.encode(encoding))
    return path


def listing(directory, text, name="clips.csv", encoding="utf-8", **options):
    path = write_list(directory, text, name, encoding)
    return Manifest(labels=(str(path),), **options).listing(directory, 0.2, 0)


def message(directory, text, name="clips.csv", **options):
    with pytest.raises(SourceError) as error:
        listing(directory, text, name, **options)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{directory}/", "")


def by_name(found):
    return {clip.media_id: clip for clip in found.clips}


def names_of(found, clip):
    return [found.classes[i] for i in clip.labels]


TEXT = """\
path,label,split,group,start,end,id
a.mp4,dog|loud,train,x,0,1.5,-one
"b, b.mp4","dog, wet",validation,y,,,"two, 2"
-c/ü.MP4,Œuvre,test,z,2,,
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_all_columns_in_the_forms_that_spreadsheets_write(tmp_path, encoding, ends):
    found = listing(tmp_path, TEXT.replace("\n", ends), encoding=encoding)
    assert found.failures == ()
    assert found.classes == ("dog", "dog, wet", "loud", "Œuvre")
    assert found.modalities == {"audio": "audio", "video": "video"}
    clips = by_name(found)
    assert list(clips) == ["-one", "two, 2", "-c/ü.MP4@2-"]
    one, two, three = clips.values()
    assert names_of(found, one) == ["dog", "loud"]
    assert (one.split, one.start, one.end) == ("train", 0.0, 1.5)
    assert names_of(found, two) == ["dog, wet"]
    assert two.files == {"audio": "b, b.mp4", "video": "b, b.mp4"}
    assert (three.split, three.start, three.end) == ("test", 2.0, None)


def test_json_lines_say_the_same(tmp_path):
    rows = [
        {"path": "a.mp4", "label": ["dog", "loud"], "split": "train", "start": 0, "end": 1.5},
        {"path": "b.mp4", "label": 7, "split": "validation", "id": None},
        {"path": "ü.mp4", "label": "Œuvre", "split": "test"},
    ]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n\n"
    found = listing(tmp_path, text, "clips.jsonl", "utf-8-sig")
    assert [names_of(found, clip) for clip in found.clips] == [["dog", "loud"], ["7"], ["Œuvre"]]
    assert [clip.media_id for clip in found.clips] == ["a.mp4@0-1.5", "b.mp4", "ü.mp4"]
    assert (found.clips[0].start, found.clips[0].end) == (0.0, 1.5)


def test_bad_json_lines_are_counted(tmp_path):
    text = '{"path": "a.wav", "label": "x"}\n{"path": "b.w\n[1]\n{"path": "c.wav"}\n'
    text += '{"path": "b.wav", "label": "x"}\n{"path": "d.wav", "label": "x"}\n'
    found = listing(tmp_path, text, "clips.jsonl")
    assert [clip.media_id for clip in found.clips] == ["a.wav", "b.wav", "d.wav"]
    assert [(f.clip, f.reason) for f in found.failures] == [
        ("clips.jsonl, line 2", "bad line"),
        ("clips.jsonl, line 3", "bad line"),
        ("c.wav", "no label"),
    ]


def test_halves_of_characters_in_json_are_counted(tmp_path):
    good = "".join(f'{{"path": "{k}.wav", "label": "x"}}\n' for k in range(3))
    bad = [
        r'{"path": "\ud800.wav", "label": "x"}',
        r'{"path": "a.wav", "label": "\ud800"}',
        r'{"path": "b.wav", "label": "x", "group": "\ud800"}',
        r'{"path": "\ud800", "label": "x", "start": "soon"}',
    ]
    found = listing(tmp_path, good + "\n".join(bad), "clips.jsonl")
    assert len(found.clips) == 3
    names = sorted((f.clip, f.reason) for f in found.failures)
    assert names == [
        (r"\ud800", "bad line"),
        (r"\ud800.wav", "bad line"),
        ("a.wav", "bad line"),
        ("b.wav", "bad line"),
    ]


def test_a_column_for_each_modality_and_other_names_for_them(tmp_path):
    text = "flow:video,audio,video,label\nf0.avi,0.wav,0.mp4,x\n,1.wav,1.mp4,x\nf2.avi,,2.mp4,x\n"
    found = listing(tmp_path, text)
    assert list(found.modalities.items()) == [
        ("flow", "video"),
        ("audio", "audio"),
        ("video", "video"),
    ]
    assert [dict(clip.files) for clip in found.clips] == [
        {"flow": "f0.avi", "audio": "0.wav", "video": "0.mp4"},
        {"audio": "1.wav", "video": "1.mp4"},
        {"flow": "f2.avi", "video": "2.mp4"},
    ]


def test_sound_alone_is_told_by_the_endings_and_anything_by_a_flag(tmp_path):
    text = "path,label\n" + "".join(f"{k}.{e},x\n" for k, e in enumerate(("WAV", "flac", "m4a")))
    assert listing(tmp_path, text).modalities == {"audio": "audio"}
    assert listing(tmp_path, text, modalities=("video",)).modalities == {"video": "video"}
    assert set(listing(tmp_path, text + "9.mp4,x\n").modalities) == {"audio", "video"}


def test_digits_are_sorted_by_value_and_given_classes_keep_their_order(tmp_path):
    text = "path,label\n" + "".join(f"{k}.wav,{k}\n" for k in (10, 9, 2))
    assert listing(tmp_path, text).classes == ("2", "9", "10")
    classes = tmp_path / "classes.txt"
    classes.write_text("10\r\n9 \n\n2\nnone\n", encoding="utf-8-sig")
    found = listing(tmp_path, text + "x.wav,3\n", classes=str(classes))
    assert found.classes == ("10", "9", "2", "none")
    assert [clip.labels for clip in found.clips] == [(0,), (1,), (2,)]
    assert [(f.clip, f.reason) for f in found.failures] == [("x.wav", "unknown label")]
    assert "classes as given" in found.notes
    classes.write_text("a\na\n")
    assert "names no class, or one of them twice" in message(tmp_path, text, classes=str(classes))
    assert "cannot be read" in message(tmp_path, text, classes=str(tmp_path / "nowhere"))


def test_lines_that_cannot_be_used_are_counted_with_their_reasons(tmp_path):
    text = "path,label,split,start,end,id\n" + "\n".join(
        f"{k}.wav,x,train,,,ok{k}" for k in range(4)
    )
    text += """
a.wav,x,training set,,,split
a.wav,x,Val,2,1,ends
a.wav,x,,nan,,nan
a.wav,x,,-1,,early
a.wav,x,,1:20,,text
a.wav,x
a.wav,x,,,,more,cells
a.wav,,,,,empty
a.wav, | ,,,,bars
a.wav,"x\ty",,,,tab
a.wav,x,,,,ok1
,x,,,,nofile

"""
    found = listing(tmp_path, text)
    assert [clip.media_id for clip in found.clips] == ["ok0", "ok1", "ok2", "ok3"]
    assert {(f.clip, f.reason) for f in found.failures} == {
        ("split", "bad line"),
        ("ends", "bad line"),
        ("nan", "bad line"),
        ("early", "bad line"),
        ("text", "bad line"),
        ("a.wav", "bad line"),
        ("more", "bad line"),
        ("empty", "no label"),
        ("bars", "no label"),
        ("tab", "bad line"),
        ("ok1", "duplicate"),
        ("nofile", "missing"),
    }
    assert len(found.failures) == 12
    assert {f.clip: f.split for f in found.failures if f.split} == {"ends": "validation"}
    details = {f.clip: f.detail for f in found.failures}
    assert details["ends"] == "clips.csv, line 7: the clip ends at 1 s and starts at 2"
    assert details["a.wav"] == "clips.csv, line 11: 2 cells, and the first line names 6"


def test_empty_columns_of_spreadsheets_and_other_columns_do_no_harm(tmp_path):
    text = "path,label,,speaker age,\na.wav,x,,30,\nb.wav,x,,31,\nc.wav,x,,,\n"
    found = listing(tmp_path, text)
    assert len(found.clips) == 3
    assert "columns not used: speaker age" in found.notes


def test_lists_that_cannot_be_used_are_one_clear_error(tmp_path):
    def said(text, name="clips.csv"):
        return message(tmp_path, text, name)

    assert said("file,label\na,b\n") == (
        "clips.csv: no column says where the clips are: name one `path` (a file that holds all "
        "modalities) or `audio`, `video` (one file each); there are file, label"
    )
    assert (
        said("path,class\na,b\n") == "clips.csv: there is no column `label`; there are path, class"
    )
    assert said("path,audio,label\n").startswith("clips.csv: there are the column `path` and col")
    assert said("smell:odour,label\n") == (
        "clips.csv: the modality smell is of the kind 'odour': there are audio, video, features"
    )
    assert said("my flow:video,label\n").endswith("is no name of letters, digits and _")
    assert said("audio,audio:audio,label\n").endswith("'audio' is another column's")
    assert said("path:video,label\n").endswith("'path' is another column's")
    assert said("path,label,path\n") == "clips.csv: two columns have one name: path, label, path"
    assert said("") == "clips.csv is empty: the first line is to name the columns"
    assert said("", "clips.jsonl") == "clips.jsonl is empty: each line is to be a JSON object"
    assert said("path,label\n") == "the list holds no usable clip"
    assert said("path,label\na.wav,\n") == (
        "the list holds no usable clip; for example a.wav: clips.csv, line 2: the label is empty"
    )
    assert said('path,label\n"a.wav,x\n') == "clips.csv, line 2: unexpected end of data"
    assert "Git LFS pointer: run `git lfs pull`" in said(files.pointer(tmp_path / "p").read_text())
    assert "Git LFS pointer" in said((tmp_path / "p").read_text(), "clips.jsonl")
    write_list(tmp_path, "path,label\né.wav,x\n", encoding="latin-1")
    with pytest.raises(SourceError, match="cannot be read as a list of clips"):
        Manifest().listing(tmp_path, 0.2, 0)
    with pytest.raises(SourceError, match=r"nowhere\.csv does not exist"):
        Manifest(labels=(str(tmp_path / "nowhere.csv"),)).listing(tmp_path, 0.2, 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"--labels is missing, and .* none of manifest\.csv"):
        Manifest().listing(tmp_path / "empty", 0.2, 0)
    with pytest.raises(SourceError, match="is not a directory"):
        Manifest().listing(tmp_path / "nowhere", 0.2, 0)
    for modalities in (("smell",), ("a b",)):
        with pytest.raises(SourceError, match="--modalities"):
            listing(tmp_path, "path,label\na.mp4,x\n", modalities=modalities)


def test_too_few_clips_for_splits_are_a_clear_error(tmp_path):
    text = "path,label,group\na.wav,x,anna\nb.wav,x,anna\nc.wav,y,ben\n"
    assert message(tmp_path, text).startswith("2 groups of clips cannot be dealt to 3 splits")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
CELLS = TEXTS | st.sampled_from(["train", "test", "a.wav", "1", "-1", "nan", "x|y", ""])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=5, max_size=7), max_size=9))
def test_whatever_a_list_holds_each_line_is_a_clip_or_a_failure(tmp_path, rows):
    good = [[f"good{k}.wav", "x", "", "", "", ""] for k in range(4)]
    path = tmp_path / "clips.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        header = ["path", "label", "split", "group", "start", "end"]
        csv.writer(file).writerows([header, *good, *rows])
    found = Manifest(labels=(str(path),)).listing(tmp_path, 0.2, 0)
    written = sum(any(cell.strip() for cell in cells) for cells in rows)
    assert len(found.clips) + len(found.failures) == 4 + written
    assert {"train", "validation", "test"} == {clip.split for clip in found.clips}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.sampled_from(["a.csv", "a.jsonl"]))
def test_whatever_bytes_a_list_has_the_error_is_clear(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError):
        Manifest(labels=(str(tmp_path / name),)).listing(tmp_path, 0.2, 0)


def build(source, text, name="clips.csv", **options):
    """Builds from a list; returns the description, and all records and failures by clip."""
    labels = write_list(source, text, name)
    output = source / "out"
    chosen = BuildOptions(
        Manifest(labels=(str(labels),)), str(source), str(output), workers=1, fps=8, **options
    )
    info = builder.build(chosen, progress=False)
    found = {k: v for split in info.splits for k, v in records(output, split).items()}
    return info, found, failures(output)


def pitch(example):
    """The strongest frequency of a record's sound in Hz, and its length in seconds."""
    pcm = np.frombuffer(example.context.feature[schema.AUDIO].bytes_list.value[0], "<i2")
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return np.argmax(spectrum) * 16_000 / len(pcm), len(pcm) / 16_000


def grays(example):
    """The mean of each frame of a record."""
    frames = example.feature_lists.feature_list[schema.FRAMES].feature
    return [tf.io.decode_jpeg(f.bytes_list.value[0]).numpy().mean() for f in frames]


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A film of 20 s in two containers: each second has its own tone and its own gray."""
    directory = tmp_path_factory.mktemp("long")
    seconds = np.arange(20).repeat(16_000)
    t = np.arange(20 * 16_000) / 16_000
    sound = (0.5 * np.sin(2 * np.pi * (300 + 100 * seconds) * t)).astype(np.float32)
    frames = np.stack([np.full((32, 48, 3), 20 + 10 * (k // 8), np.uint8) for k in range(160)])
    for name in ("film.mp4", "film.mkv"):
        files.write(directory / name, frames, sound=sound)
    return directory


def test_clips_of_one_file_are_its_parts_also_far_into_it(long):
    text = "path,label,split,start,end\n"
    parts = {(n, s): e for n in ("film.mp4", "film.mkv") for s, e in ((0, 1), (3, 4), (17, 18.5))}
    text += "".join(f"{name},x,test,{start},{end}\n" for (name, start), end in parts.items())
    text += "film.mp4,x,train,19,\nfilm.mp4,x,validation,18,99\nfilm.mp4,x,train,30,31\n"
    info, found, failed = build(long, text)
    assert info.splits["test"].clips == 6
    for (name, start), end in parts.items():
        example = found[f"{name}@{start}-{end}"]
        frequency, length = pitch(example)
        assert abs(frequency - (300 + 100 * start)) < 2
        assert abs(length - (end - start)) < 0.02
        expected = [20 + 10 * int(start + k / 8) for k in range(round(8 * (end - start)))]
        np.testing.assert_allclose(grays(example), expected, atol=3)
    assert abs(pitch(found["film.mp4@19-"])[0] - 2200) < 2
    assert len(grays(found["film.mp4@18-99"])) == 16
    assert failed["film.mp4@30-31"] == ("too short", "0.000 s of sound in film.mp4")


ENDINGS = (".mkv", ".mov", ".avi", ".webm", ".flv", ".MP4", ".Mkv")
SOUNDS = (".ogg", ".flac", ".wav", ".m4a", ".WAV")


def test_the_containers_and_endings_that_people_have(tmp_path):
    for k, ending in enumerate(ENDINGS):
        rate = {".flv": 44_100, ".webm": 48_000}.get(ending, 16_000)
        sound = files.tone(500, 0.5, rate)
        files.write(tmp_path / f"v{k}{ending}", files.gray_frames(4), sound=sound, rate=rate)
    for k, ending in enumerate(SOUNDS):
        rate = 48_000 if ending == ".ogg" else 16_000
        files.write(tmp_path / f"a{k}{ending}", sound=files.tone(500, 0.5, rate), rate=rate)
    text = "audio,video,label\n"
    text += "".join(f"v{k}{e},v{k}{e},film\n" for k, e in enumerate(ENDINGS))
    text += "".join(f"a{k}{e},,sound\n" for k, e in enumerate(SOUNDS))
    info, found, failed = build(tmp_path, text, require="any")
    assert failed == {}
    assert len(found) == len(ENDINGS) + len(SOUNDS)
    for name, example in found.items():
        frequency, length = pitch(example)
        assert abs(frequency - 500) < 5, name
        assert 0.45 < length < 0.6, name
        assert len(grays(example)) == (4 if name.startswith("v") else 0), name
    without = collections.Counter()
    for split in info.splits.values():
        without.update(split.without)
    assert without == {"video": len(SOUNDS)}


def test_bad_files_are_counted_with_their_reasons_and_are_never_fatal(tmp_path):
    clip = files.clip(tmp_path / "good 1.mp4", seconds=0.5)
    for name in ("-good.mp4", "gut, ü.mp4", "cut.mp4"):
        shutil.copy(clip, tmp_path / name)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (tmp_path / "empty.mp4").touch()
    files.pointer(tmp_path / "pointer.mp4")
    (tmp_path / "text.mp4").write_text("This is no film.\n" * 20)
    (tmp_path / "folder.mp4").mkdir()
    files.write(tmp_path / "silent.mp4", files.gray_frames(4))
    text = 'path,label,split\ngood 1.mp4,x,train\n-good.mp4,x,validation\n"gut, ü.mp4",y,test\n'
    names = ["cut", "empty", "pointer", "text", "folder", "silent", "gone"]
    text += "".join(f"{name}.mp4,x,train\n" for name in names)
    text += "b\0d.mp4,x,train\n"
    info, found, failed = build(tmp_path, text, max_failures=8)
    assert set(found) == {"good 1.mp4", "-good.mp4", "gut, ü.mp4"}
    assert {name: reason for name, (reason, _) in failed.items()} == {
        "cut.mp4": "truncated",
        "empty.mp4": "truncated",
        "pointer.mp4": "lfs pointer",
        "text.mp4": "undecodable",
        "folder.mp4": "unreadable",
        "silent.mp4": "no audio stream",
        "gone.mp4": "missing",
        "b\0d.mp4": "bad line",
    }
    assert info.splits["train"].failed == 8
    feature = found["gut, ü.mp4"].context.feature
    assert feature[schema.DATA_PATH].bytes_list.value[0].decode() == "gut, ü.mp4"


def test_a_clip_that_lacks_a_modality_is_refused_unless_any_is_enough(tmp_path):
    for k in range(3):
        files.clip(tmp_path / f"{k}.mp4", seconds=0.5)
    files.write(tmp_path / "3.wav", sound=files.tone(300, 0.5))
    files.write(tmp_path / "4.mp4", files.gray_frames(4))
    text = "audio,video,label,split\n0.mp4,0.mp4,x,train\n1.mp4,1.mp4,x,validation\n"
    text += "2.mp4,2.mp4,x,test\n3.wav,,x,test\n,4.mp4,x,test\n"
    _, found, failed = build(tmp_path, text)
    assert set(found) == {"0.mp4", "1.mp4", "2.mp4"}
    assert failed["3.wav"] == ("no video", "the list names no file for video")
    assert failed["4.mp4"] == ("no audio", "the list names no file for audio")
    shutil.rmtree(tmp_path / "out")
    info, found, failed = build(tmp_path, text, require="any")
    assert failed == {}
    assert info.splits["test"].without == {"video": 1, "audio": 1}
    assert schema.AUDIO not in found["4.mp4"].context.feature
    shutil.rmtree(tmp_path / "out")
    _, found, failed = build(tmp_path, text, require="video")
    assert set(failed) == {"3.wav"}


def test_features_of_files_and_names_of_modalities_reach_the_records(tmp_path):
    for k in range(4):
        np.save(tmp_path / f"{k}.npy", np.float32([k, 2 * k, 1]))
        files.write(tmp_path / f"{k}.wav", sound=files.tone(300, 0.2))
    np.save(tmp_path / "nan.npy", np.float32([0, np.nan, 1]))
    (tmp_path / "text.npy").write_text("no array")
    text = "pose:features,left:audio,label,split\n"
    text += "".join(
        f"{k}.npy,{k}.wav,x,{s}\n" for k, s in enumerate(["train", "train", "dev", "test"])
    )
    text += "nan.npy,0.wav,x,train\ntext.npy,0.wav,x,train\n"
    info, found, failed = build(tmp_path, text)
    assert list(info.modalities) == ["pose", "left"]
    assert info.modalities["pose"].dimensions == (3,)
    assert info.modalities["pose"].mean == (0.5, 1.0, 1.0)
    assert {k: reason for k, (reason, _) in failed.items()} == {
        "nan.npy": "not finite",
        "text.npy": "undecodable",
    }
    assert len(found) == 4


def test_the_command_builds_from_a_list_in_the_source(tmp_path):
    for k in range(4):
        files.clip(tmp_path / f"{k}.mp4", seconds=0.3)
    write_list(tmp_path, "path,label\n" + "".join(f"{k}.mp4,{k % 2}\n" for k in range(5)))
    done = command(
        "--dataset=manifest", f"--source={tmp_path}", f"--output={tmp_path / 'out'}", "--workers=1"
    )
    _, errors = done.communicate(timeout=120)
    assert done.returncode == 0, errors
    info = DatasetInfo.load(tmp_path / "out")
    assert info.dataset == "manifest"
    assert sum(split.clips for split in info.splits.values()) == 4
    assert failures(tmp_path / "out") == {"4.mp4": ("missing", "no file 4.mp4")}
    assert re.search(r"classes sorted by name; train, validation, test drawn", info.notes)
    assert pathlib.Path(tmp_path / "out" / "dataset.json").is_file()
