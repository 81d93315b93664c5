"""A folder for each class, with and without a folder for each split."""

import os
import shutil

import pytest

from tests.tfrecords import files
from tests.tfrecords.building.test_build import command, failures, records
from tfrecords import schema
from tfrecords.datasets import Folders, SourceError
from tfrecords.description import DatasetInfo


def touch(directory, *names):
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def listing(directory, **options):
    return Folders(**options).listing(directory, 0.2, 0)


def by_name(found):
    return {clip.media_id: clip for clip in found.clips}


def test_the_folders_are_the_classes(tmp_path):
    names = [f"{c}/{k}.mp4" for c in ("cat", "dog, wet", "Œuvre") for k in range(7)]
    touch(tmp_path, *names, "notes.txt", "cat/.hidden.mp4", ".git/x.mp4", "cat/.thumbs/y.mp4")
    found = listing(tmp_path)
    assert found.classes == ("cat", "dog, wet", "Œuvre")
    assert found.modalities == {"audio": "audio", "video": "video"}
    assert set(by_name(found)) == {name.removesuffix(".mp4") for name in names}
    assert found.failures == ()
    assert {clip.split for clip in found.clips} == {"train", "validation", "test"}
    for name, clip in by_name(found).items():
        assert found.classes[clip.labels[0]] == name.split("/")[0]
        assert dict(clip.files) == {"audio": f"{name}.mp4", "video": f"{name}.mp4"}


def test_folders_of_splits_are_kept(tmp_path):
    touch(tmp_path, *(f"{s}/{c}/1.wav" for s in ("Train", "val", "test") for c in ("10", "9")))
    found = listing(tmp_path)
    assert found.classes == ("9", "10")
    assert found.modalities == {"audio": "audio"}
    assert {name: clip.split for name, clip in by_name(found).items()} == {
        "Train/10/1": "train",
        "Train/9/1": "train",
        "val/10/1": "validation",
        "val/9/1": "validation",
        "test/10/1": "test",
        "test/9/1": "test",
    }


def test_a_class_called_train_among_others_is_a_class(tmp_path):
    touch(tmp_path, *(f"{c}/{k}.mp4" for c in ("bus", "train") for k in range(3)))
    assert listing(tmp_path).classes == ("bus", "train")


def test_nested_folders_and_endings_in_capitals(tmp_path):
    touch(tmp_path, "a/x/1.MP4", "a/y/1.Mkv", "a/1.webm", "b/z/v.1.mov", "b/z/v.2.mov")
    assert set(by_name(listing(tmp_path))) == {"a/x/1", "a/y/1", "a/1", "b/z/v.1", "b/z/v.2"}


def test_sound_beside_a_film_of_its_name_is_its_sound(tmp_path):
    touch(tmp_path, "a/001.wav", "a/001.mp4", "a/002.mp4", "a/003.wav", "a/b/001.mp4")
    clips = by_name(listing(tmp_path))
    assert {name: dict(clip.files) for name, clip in clips.items()} == {
        "a/001": {"audio": "a/001.wav", "video": "a/001.mp4"},
        "a/002": {"audio": "a/002.mp4", "video": "a/002.mp4"},
        "a/003": {"audio": "a/003.wav"},
        "a/b/001": {"audio": "a/b/001.mp4", "video": "a/b/001.mp4"},
    }


def test_other_endings_and_second_films_of_one_name_are_noted(tmp_path):
    touch(tmp_path, "a/1.mp4", "a/1.avi", "a/2.mp4", "a/3.mp4", "a/1.txt", "a/README", "b/x.txt")
    found = listing(tmp_path)
    assert [(f.clip, f.reason) for f in found.failures] == [("a/1.mp4", "duplicate")]
    assert "3 files are not taken, by their endings: .txt 2, none 1" in found.notes
    assert "folders without media: b" in found.notes


@pytest.mark.skipif(os.name != "posix", reason="other systems' file names are texts")
def test_names_that_are_no_unicode_are_counted(tmp_path):
    touch(tmp_path, "a/1.mp4", "a/2.mp4", "a/3.mp4")
    (tmp_path / "a" / os.fsdecode(b"\xe9.mp4")).touch()
    (found,) = listing(tmp_path).failures
    assert (found.clip, found.reason) == ("a/\\udce9", "bad line")


def test_classes_in_a_given_order(tmp_path):
    touch(tmp_path, "x/1.wav", "x/2.wav", "y/1.wav", "z/1.wav")
    (tmp_path / "classes.txt").write_text("y\nx\n")
    found = listing(tmp_path, classes=str(tmp_path / "classes.txt"))
    assert found.classes == ("y", "x")
    assert [(f.clip, f.reason) for f in found.failures] == [("z/1", "unknown label")]


def test_sources_that_cannot_be_used_are_one_clear_error(tmp_path):
    def said():
        with pytest.raises(SourceError) as error:
            listing(tmp_path)
        return str(error.value)

    assert "holds no folders: put each class's clips into one" in said()
    touch(tmp_path, "1.mp4", "2.mp4")
    assert "holds no folders" in said()
    touch(tmp_path, "a/readme.md")
    assert said().startswith("the list holds no usable clip")
    touch(tmp_path, "a/1.mp4", "b/1.mp4")
    assert said().startswith("2 groups of clips cannot be dealt to 3 splits")
    with pytest.raises(SourceError, match="is not a directory"):
        listing(tmp_path / "1.mp4")


def test_the_command_builds_from_folders(tmp_path):
    clip = files.clip(tmp_path / "source" / "train" / "cat" / "1.mp4", seconds=0.3)
    for name in ("train/dog/2.MP4", "val/cat/3.mp4", "test/dog/4.mp4"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, tmp_path / "source" / name)
    files.write(tmp_path / "source/test/dog/4.wav", sound=files.tone(900, 0.3))
    (tmp_path / "source/test/dog/5.mp4").write_text("no film")
    output = tmp_path / "out"
    done = command(
        "--dataset=folders", f"--source={tmp_path / 'source'}", f"--output={output}", "--workers=1"
    )
    _, errors = done.communicate(timeout=600)
    assert done.returncode == 0, errors
    assert DatasetInfo.load(output).classes == ("cat", "dog")
    assert {s: set(records(output, s)) for s in ("train", "validation", "test")} == {
        "train": {"train/cat/1", "train/dog/2"},
        "validation": {"val/cat/3"},
        "test": {"test/dog/4"},
    }
    assert failures(output)["test/dog/5"][0] == "undecodable"
    context = records(output, "test")["test/dog/4"].context
    assert context.feature[schema.AUDIO_SAMPLES].int64_list.value[0] == 4_800
