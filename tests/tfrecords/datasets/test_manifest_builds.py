"""Records from a list of the user's own clips: parts of files, containers, files that are bad."""

import collections
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.tfrecords import files
from tests.tfrecords.building.test_build import command, failures, records
from tests.tfrecords.datasets.test_manifest import write_list
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Manifest
from tfrecords.description import DatasetInfo


def build(source, text, name="clips.csv", **options):
    """Builds from a list; returns the description, and all records and failures by clip."""
    labels = write_list(source, text, name)
    output = source / "out"
    options = {"workers": 1, "fps": 8, **options}
    chosen = BuildOptions(Manifest(labels=(str(labels),)), str(source), str(output), **options)
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
    info, found, failed = build(tmp_path, text, fps=None)
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
    _, errors = done.communicate(timeout=600)
    assert done.returncode == 0, errors
    info = DatasetInfo.load(tmp_path / "out")
    assert info.dataset == "manifest"
    assert sum(split.clips for split in info.splits.values()) == 4
    assert failures(tmp_path / "out") == {"4.mp4": ("missing", "no file 4.mp4")}
    assert re.search(r"classes sorted by name; train, validation, test drawn", info.notes)
    assert pathlib.Path(tmp_path / "out" / "dataset.json").is_file()
