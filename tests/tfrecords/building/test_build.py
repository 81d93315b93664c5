import csv
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.tfrecords import files
from tfrecords import schema
from tfrecords.building import builder as build
from tfrecords.building import decoding, lock, options, shards
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import BuildError, Cremad, vggsound
from tfrecords.description import DatasetInfo

ROOT = pathlib.Path(__file__).parents[3]


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def failures(output):
    with (output / "failures.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["clip", "reason", "detail"]
    return {clip: (reason, detail) for clip, reason, detail in rows}


def records(output, split):
    """The parsed records of a split by clip name."""
    info = DatasetInfo.load(output)
    found = {}
    for file in info.splits[split].shards:
        for record in tf.data.TFRecordDataset(str(output / file)):
            example = tf.train.SequenceExample.FromString(record.numpy())
            found[example.context.feature[schema.MEDIA_ID].bytes_list.value[0].decode()] = example
    return found


# Runs the command and kills it as soon as a shard is written.
KILLED = """
import os, signal
from tfrecords import build
from tfrecords.building import shards
write = shards.write
def write_and_die(*arguments):
    write(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
shards.write = write_and_die
build.main()
"""


def command(*flags, program=("-m", "tfrecords.build")):
    """Starts the command in a user's environment."""
    loud = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        [sys.executable, *program, *flags],
        cwd=ROOT,
        env=loud,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture(scope="module")
def rendered_options(rendered, recipe):
    return BuildOptions(recipe, str(rendered), "", clips_per_shard=4, workers=1)


@pytest.fixture(scope="module")
def built(rendered_options, tmp_path_factory):
    """Options and directory of a finished build by one worker. Tests leave it as it is."""
    output = tmp_path_factory.mktemp("records") / "set"
    chosen = dataclasses.replace(rendered_options, output=str(output))
    build.build(chosen, progress=False)
    return chosen, output


def test_records_hold_what_the_files_hold(built, rendered):
    chosen, output = built
    info = DatasetInfo.load(output)
    assert info.dataset == "synthetic"
    assert sum(split.clips for split in info.splits.values()) == 22
    assert info.splits["test"].clips == 6
    assert 0 < info.splits["validation"].clips < 8
    assert sum(sum(split.class_counts) for split in info.splits.values()) == 22
    audio, video = info.modalities["audio"], info.modalities["video"]
    assert audio.sample_rate == 16_000
    assert (video.fps, video.max_height, video.max_width) == (4.0, 64, 64)
    examples = records(output, "test")
    assert len(examples) == 6
    with (rendered / "vggsound.csv").open(newline="") as file:
        labels = {f"{i}_{int(s):06d}": label for i, s, label, split in csv.reader(file)}
    longest = 0
    for name, example in examples.items():
        feature = example.context.feature
        assert feature[schema.LABEL_STRING].bytes_list.value[0].decode() == labels[name]
        assert info.classes[feature[schema.LABEL_INDEX].int64_list.value[0]] == labels[name]
        assert feature[schema.DATA_PATH].bytes_list.value[0].decode() == f"video/{name}.mp4"
        clip = files.decode(rendered / "video" / f"{name}.mp4", settings=chosen.settings)
        pcm = np.frombuffer(feature[schema.AUDIO].bytes_list.value[0], "<i2")
        np.testing.assert_array_equal(pcm, clip.waveform)
        assert feature[schema.AUDIO_SAMPLES].int64_list.value[0] == len(pcm)
        lists = example.feature_lists.feature_list
        stored = [f.bytes_list.value[0] for f in lists[schema.FRAMES].feature]
        assert stored == list(clip.frames)
        assert tf.io.decode_jpeg(stored[0]).shape == (64, 64, 3)
        times = [f.int64_list.value[0] for f in lists[schema.TIMESTAMPS].feature]
        assert times == [250_000 * k for k in range(len(stored))]
        longest = max(longest, len(pcm))
    assert audio.max_samples >= longest


def test_reports_beside_the_shards_are_true(built):
    _, output = built
    info = DatasetInfo.load(output)
    for split in info.splits.values():
        for file in split.shards:
            report = json.loads((output / f"{file}.json").read_text())
            content = (output / file).read_bytes()
            assert report["sha256"] == hashlib.sha256(content).hexdigest()
            assert report["bytes"] == len(content)
            assert report["clips"] == sum(1 for _ in tf.data.TFRecordDataset(str(output / file)))


def test_bytes_do_not_depend_on_workers(built, tmp_path):
    chosen, output = built
    other = dataclasses.replace(chosen, output=str(tmp_path / "o"), workers=2)
    build.build(other, progress=False)
    assert contents(tmp_path / "o") == contents(output)


def test_bytes_do_not_depend_on_ranges(built, tmp_path):
    chosen, output = built
    for k in (2, 0):
        part = dataclasses.replace(chosen, output=str(tmp_path / "o"), shard_range=(k, 3))
        assert build.build(part, progress=False) is None
        assert not (tmp_path / "o" / "dataset.json").exists()
    last = dataclasses.replace(chosen, output=str(tmp_path / "o"), shard_range=(1, 3))
    assert build.build(last, progress=False) == DatasetInfo.load(output)
    assert contents(tmp_path / "o") == contents(output)


def test_a_second_run_finishes_what_is_missing_and_touches_nothing_else(built, tmp_path):
    chosen, output = built
    copy = shutil.copytree(output, tmp_path / "o")
    chosen = dataclasses.replace(chosen, output=str(copy))
    names = sorted(path.name for path in copy.glob("train-*.tfrecord"))
    (copy / names[0]).unlink()
    (copy / f"{names[1]}.json").unlink()
    with (copy / names[2]).open("ab") as file:
        file.write(b"?")
    kept = [path for path in copy.glob("*.tfrecord*") if not path.name.startswith(tuple(names[:3]))]
    assert len(kept) > 4
    times = {path: path.stat().st_mtime_ns for path in kept}
    (copy / f".{names[1]}.0123abcd.part").write_bytes(b"of a killed build")
    build.build(chosen, progress=False)
    assert contents(copy) == contents(output)
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    everything = {path: path.stat().st_mtime_ns for path in copy.iterdir()}
    build.build(chosen, progress=False)
    assert {path: path.stat().st_mtime_ns for path in copy.iterdir()} == everything


def test_a_killed_build_goes_on_to_the_same_bytes(built, tmp_path):
    chosen, output = built
    flags = [
        "--dataset=synthetic",
        f"--source={chosen.source}",
        f"--output={tmp_path / 'o'}",
        "--num_train=16",
        "--num_test=6",
        "--clips_per_shard=4",
        "--workers=1",
    ]
    with command(*flags, program=("-c", KILLED)) as process:
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert len(list((tmp_path / "o").glob("*.tfrecord.json"))) == 1
    assert not (tmp_path / "o" / "dataset.json").exists()
    for path in (tmp_path / "o").glob("*.tfrecord"):
        assert path.read_bytes() == (output / path.name).read_bytes()
    with command(*flags) as process:
        told, errors = process.communicate()
    assert process.returncode == 0, errors
    assert contents(tmp_path / "o") == contents(output)
    assert "10 classes; records and dataset.json in" in told
    lines = errors.splitlines()
    assert "22 of 22" in lines[-1]
    # the progress, in as many lines as it takes; nothing of TensorFlow or FFmpeg
    assert all(line.startswith("synthetic to records: ") for line in lines), errors


def test_a_changed_option_is_refused_and_named(built):
    chosen, output = built
    before = contents(output)
    with pytest.raises(BuildError) as error:
        build.build(dataclasses.replace(chosen, fps=2.0, require="any"), progress=False)
    assert "was begun with other options: " in str(error.value)
    assert "fps (4.0 there, 2.0 now)" in str(error.value)
    assert "require (audio,video there,  now)" in str(error.value)
    assert str(error.value).endswith(". Use those, another --output, or --overwrite")
    assert contents(output) == before


def test_overwrite_deletes_the_records_and_nothing_else(clips):
    build.build(clips, progress=False)
    output = pathlib.Path(clips.output)
    (output / "mine.txt").write_text("mine")
    again = dataclasses.replace(clips, fps=2.0, clips_per_shard=2, overwrite=True)
    info = build.build(again, progress=False)
    assert info.modalities["video"].fps == 2.0
    assert sorted(path.name for path in output.glob("train*.tfrecord")) == [
        "train-00000-of-00002.tfrecord",
        "train-00001-of-00002.tfrecord",
    ]
    assert (output / "mine.txt").read_text() == "mine"


def test_every_listed_clip_is_written_or_failed(clips):
    source = pathlib.Path(clips.source)
    with (source / "vggsound.csv").open("a") as file:
        file.write("video000001,1,airplane,train\nvideo000009,1,spaceship,test\nwhat\n")
        file.write("video000007,1,airplane,test\n")
    files.pointer(source / "video000001_000001.mp4")
    whole = (source / "video000002_000001.mp4").read_bytes()
    (source / "video000002_000001.mp4").write_bytes(whole[:2000])
    files.write(source / "video000004_000001.mp4", files.gray_frames(8))
    info = build.build(clips, progress=False)
    found = failures(pathlib.Path(clips.output))
    assert {clip: reason for clip, (reason, _) in found.items()} == {
        "video000001_000001": "lfs pointer",
        "video000009_000001": "unknown label",
        "vggsound.csv, line 9": "bad line",
        "video000007_000001": "missing",
        "video000002_000001": "truncated",
        "video000004_000001": "no audio stream",
    }
    train, validation, test = (info.splits[name] for name in ("train", "validation", "test"))
    assert (train.clips + validation.clips, train.failed + validation.failed) == (2, 3)
    assert (test.clips, test.failed) == (1, 3)
    assert info.splits["test"].class_counts == tuple(
        int(name == "airplane") for name in vggsound.class_names()
    )


def test_a_clip_that_kills_its_decoder_costs_itself_alone(clips, monkeypatch):
    source = pathlib.Path(clips.source)
    with (source / "vggsound.csv").open("a") as file:
        file.write("crash,1,airplane,train\nhang,1,airplane,train\n")
    monkeypatch.setattr(decoding, "outcome", files.hostile)
    info = build.build(dataclasses.replace(clips, timeout=5.0), progress=False)
    assert sum(split.clips for split in info.splits.values()) == 6
    assert failures(pathlib.Path(clips.output)) == {
        "crash_000001": ("crashed", "the process ended by SIGSEGV"),
        "hang_000001": ("timed out", "not done after 5 s"),
    }


def test_a_record_may_lack_what_is_not_required(clips):
    source = pathlib.Path(clips.source)
    files.write(source / "video000004_000001.mp4", files.gray_frames(8))
    files.write(source / "video000005_000001.mp4", sound=files.tone(440, 1))
    info = build.build(dataclasses.replace(clips, require="any"), progress=False)
    test = info.splits["test"]
    assert (test.clips, test.failed, test.without) == (2, 0, {"audio": 1, "video": 1})
    examples = records(pathlib.Path(clips.output), "test")
    silent, blind = (examples[f"video00000{i}_000001"] for i in (4, 5))
    assert schema.AUDIO not in silent.context.feature
    assert len(silent.feature_lists.feature_list[schema.FRAMES].feature) == 1
    assert schema.AUDIO in blind.context.feature
    assert schema.HEIGHT not in blind.context.feature
    assert schema.FRAMES not in blind.feature_lists.feature_list


def test_cremad_goes_from_pairs_of_files_to_records(tmp_path):
    source = tmp_path / "source"
    people = ["ActorID,Age,Sex"]
    for actor in range(1001, 1007):
        name = f"{actor}_IEO_ANG_XX"
        files.clip(source / "VideoFlash" / f"{name}.flv", seconds=0.5)
        files.write(source / "AudioWAV" / f"{name}.wav", sound=files.tone(880, 0.5))
        people.append(f"{actor},30,{'Male' if actor % 2 else 'Female'}")
    (source / "VideoDemographics.csv").write_text("\n".join(people))
    chosen = BuildOptions("cremad", str(source), str(tmp_path / "o"), workers=1)
    info = build.build(chosen, progress=False)
    assert {name: split.clips for name, split in info.splits.items()} == {
        "train": 4,
        "validation": 1,
        "test": 1,
    }
    assert info.classes[5] == "ANG"
    assert info.splits["train"].class_counts == (0, 0, 0, 0, 0, 4)


def test_too_many_failures_stop_the_build(clips):
    source = pathlib.Path(clips.source)
    for i in (1, 2, 3):
        files.pointer(source / f"video00000{i}_000001.mp4")
    with pytest.raises(BuildError) as error:
        build.build(dataclasses.replace(clips, max_failures=1), progress=False)
    assert "2 of " in str(error.value)
    assert "more than --max_failures=1 allows: lfs pointer 2 (the last: video00" in str(error.value)
    assert "run `git lfs pull`" in str(error.value)
    output = pathlib.Path(clips.output)
    assert [path.name for path in output.iterdir()] == ["build.json"]
    splits = build.build(clips, progress=False).splits
    assert splits["train"].failed + splits["validation"].failed == 3


def test_a_fraction_of_failures_is_judged_after_a_hundred(clips):
    source = pathlib.Path(clips.source)
    with (source / "vggsound.csv").open("a") as file:
        file.writelines(f"absent,{i},airplane,test\n" for i in range(200))
    with pytest.raises(BuildError, match=r"of 1\d\d clips failed, more than --max_failures=0.5 "):
        build.build(dataclasses.replace(clips, max_failures=0.5), progress=False)
    info = build.build(dataclasses.replace(clips, max_failures=1.0), progress=False)
    assert info.splits["test"].failed == 200


def test_a_build_without_any_usable_clip_is_an_error(clips):
    for path in pathlib.Path(clips.source).glob("*.mp4"):
        path.unlink()
    with pytest.raises(BuildError, match="none of 6 clips could be used; for example video"):
        build.build(clips, progress=False)
    assert not (pathlib.Path(clips.output) / "dataset.json").exists()


def test_a_source_that_goes_away_is_an_error_and_not_failures(clips, monkeypatch):
    taken = shards.write

    def take_away(*arguments):
        pathlib.Path(clips.source).rename(clips.source + ".gone")
        return taken(*arguments)

    monkeypatch.setattr(shards, "write", take_away)
    with pytest.raises(BuildError, match=r"--source=.* went away while video.*the same command"):
        build.build(clips, progress=False)
    assert not list(pathlib.Path(clips.output).glob("*.tfrecord"))


def test_two_builds_do_not_write_to_one_directory(clips):
    output = pathlib.Path(clips.output)
    output.mkdir()
    with (
        lock.lock(output, (0, 2)),
        pytest.raises(BuildError, match=r"another build is writing to .*: wait for its end"),
    ):
        build.build(clips, progress=False)


def test_records_of_unknown_origin_and_damaged_descriptions_are_refused(clips):
    output = pathlib.Path(clips.output)
    output.mkdir()
    (output / "train-00000-of-00001.tfrecord").touch()
    with pytest.raises(BuildError, match=r"holds records and no build\.json"):
        build.build(clips, progress=False)
    (output / "build.json").write_text("{")
    with pytest.raises(BuildError, match=r"build\.json is damaged: --overwrite the records"):
        build.build(clips, progress=False)


def test_another_decoder_does_not_add_to_a_set(clips, monkeypatch):
    build.build(clips, progress=False)
    monkeypatch.setattr(lock.av, "__version__", "1.2.3")
    build.build(clips, progress=False)  # complete: nothing to decode
    next(pathlib.Path(clips.output).glob("*.tfrecord")).unlink()
    with pytest.raises(BuildError, match=r"was begun with .*, and this is \{'av': '1.2.3'"):
        build.build(clips, progress=False)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(clips):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(BuildError) as error:
            build.build(clips, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = r"\.train-00000-of-00001\.tfrecord\.[0-9a-f]{8}\.part cannot be written: "
    assert re.search(message, str(error.value))
    assert "File too large; the same command goes on from here" in str(error.value)
    assert [path.name for path in pathlib.Path(clips.output).iterdir()] == ["build.json"]
    splits = build.build(clips, progress=False).splits
    assert splits["train"].clips + splits["validation"].clips == 4


def test_an_unwritable_output_is_one_line(clips, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match=r"Not a directory.*file/out"):
        build.build(dataclasses.replace(clips, output=str(tmp_path / "file/out")), progress=False)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset": "x"}, "--dataset=x: there are manifest, folders, arrays, synthetic, vggsound"),
        ({"workers": 0}, "--workers=0 is less than 1"),
        ({"audio_rate": 1}, "--audio_rate=1 is less than 1000"),
        ({"fps": 0.0}, "--fps=0.0 is less than 0.01"),
        ({"validation_fraction": 1.0}, "--validation_fraction=1.0 is not in (0, 1)"),
        ({"shard_range": (2, 2)}, "--shard_range=2/2: K goes from 0 to N - 1"),
        (
            {"shard_range": (0, 2), "overwrite": True},
            "--overwrite with --shard_range would delete what other ranges have built",
        ),
    ],
)
def test_bad_options_are_refused_before_anything_is_read(changed, message):
    with pytest.raises(BuildError) as error:
        BuildOptions(**({"dataset": "vggsound", "source": "a", "output": "b"} | changed))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("options_of_set", "message"),
    [
        ({"split": "x"}, "--split=x is not one of speakers, published, random"),
        ({"folds": 3, "fold": 3}, "--folds needs --split=speakers, at least"),
        ({"folds": 3, "split": "random"}, "--folds needs --split=speakers, at least"),
    ],
)
def test_bad_options_of_a_data_set_are_refused(options_of_set, message):
    with pytest.raises(BuildError) as error:
        Cremad(**options_of_set)
    assert message in str(error.value)


def test_modalities_that_the_set_does_not_have_cannot_be_required(clips):
    with pytest.raises(BuildError, match="--require=x: the set holds audio, video; name some"):
        build.build(dataclasses.replace(clips, require="x"), progress=False)


def test_limits_and_ranges_are_read_from_flags():
    assert options.parse_limit("3") == 3
    assert isinstance(options.parse_limit("1"), int)
    assert options.parse_limit("0.25") == 0.25
    assert isinstance(options.parse_limit("1.0"), float)
    assert options.parse_range("2/8") == (2, 8)
    for parse, text in ((options.parse_limit, "2.5"), (options.parse_limit, "x")):
        with pytest.raises(BuildError, match="is neither a count nor a fraction"):
            parse(text)
    with pytest.raises(BuildError, match="--shard_range=3 is not of the form K/N"):
        options.parse_range("3")


def test_the_plan_does_not_depend_on_the_order_of_the_list():
    clips = [files.listed(f"c{i}", (0,), "train" if i % 3 else "test") for i in range(50)]
    plan = shards.plan(clips, 0, 8)
    assert shards.plan(reversed(clips), 0, 8) == plan
    assert shards.plan(clips, 1, 8) != plan
    assert sorted(clip.media_id for shard in plan for clip in shard.clips) == sorted(
        clip.media_id for clip in clips
    )
    assert [shard.file for shard in plan[:2]] == [
        "train-00000-of-00005.tfrecord",
        "train-00001-of-00005.tfrecord",
    ]
    assert [len(shard.clips) for shard in plan] == [6, 7, 6, 7, 7, 5, 6, 6]


def test_help_lists_the_flags():
    with command("--help") as process:
        told, errors = process.communicate()
    assert process.returncode == 1  # absl's habit
    for flag in ("--dataset", "--max_failures", "--shard_range", "--audio_strength"):
        assert flag in told
    assert errors == ""


def test_errors_of_the_command_are_one_line(tmp_path):
    flags = ["--dataset=vggsound", f"--source={tmp_path}/no", f"--output={tmp_path}/o"]
    with command(*flags) as process:
        told, errors = process.communicate()
    assert process.returncode == 1
    assert errors == f"error: --source={tmp_path}/no is not a directory\n"
    with command(*flags, "extra") as process:
        told, errors = process.communicate()
    assert process.returncode == 1
    assert errors == "error: what is 'extra'? All options begin with --\n"
    assert told == ""


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"audio_rate": 8_000}, "--audio_rate=8000 has no effect: .* for audio"),
        ({"audio_codec": "flac"}, "--audio_codec=flac has no effect"),
        ({"min_loudness": -50.0}, "--min_loudness=-50.0 has no effect"),
        ({"fps": 2.0}, "--fps=2.0 has no effect: the set holds left, .* for video"),
        ({"min_motion": 2.0}, "--min_motion=2.0 has no effect"),
        ({"short_side": 64}, "--short_side=64 has no effect: .* for video and image"),
        ({"max_seconds": 3.0}, "--max_seconds=3.0 has no effect: .* for audio and video"),
    ],
)
def test_options_for_kinds_that_the_set_lacks_are_refused(tmp_path, changes, about):
    np.savez(tmp_path / "set.npz", left=np.ones((12, 3), np.float32), label=np.arange(12) % 2)
    options = BuildOptions("arrays", str(tmp_path / "set.npz"), str(tmp_path / "out"))
    with pytest.raises(BuildError, match=about):
        dataclasses.replace(options, **changes).list_clips()
    assert options.list_clips()
