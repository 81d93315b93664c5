"""A list of the user's own clips: what is wrong with it is counted, or one clear error."""

import csv

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tfrecords import files
from tests.tfrecords.datasets.test_manifest import listing, message, write_list
from tfrecords.datasets import Manifest, SourceError


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
        "clips.csv: the modality smell is of the kind 'odour': there are audio, video, "
        "image, text, features"
    )
    assert said("my flow:video,label\n").endswith("is not a name of letters, digits and _")
    assert said("audio,audio:audio,label\n").endswith("'audio' is another column's")
    assert said("path:video,label\n").endswith("'path' is another column's")
    assert said("path,label,path\n") == "clips.csv: two columns have one name: path, label, path"
    assert said("") == "clips.csv is empty: the first line must name the columns"
    assert said("", "clips.jsonl") == "clips.jsonl is empty: each line must be a JSON object"
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
