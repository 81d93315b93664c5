"""A list of the user's own clips: what users write into one."""

import json

import pytest

from tfrecords.datasets import Manifest, SourceError


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


def test_empty_columns_of_spreadsheets_and_other_columns_do_no_harm(tmp_path):
    text = "path,label,,speaker age,\na.wav,x,,30,\nb.wav,x,,31,\nc.wav,x,,,\n"
    found = listing(tmp_path, text)
    assert len(found.clips) == 3
    assert "columns not used: speaker age" in found.notes
