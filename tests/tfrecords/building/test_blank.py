"""Clips in which nothing is to be heard, or nothing moves."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest

from tests.tfrecords import files
from tests.tfrecords.building.test_build import failures
from tfrecords import inspect, summary
from tfrecords.building import builder
from tfrecords.building.decoded import Sound
from tfrecords.building.motion import Motion
from tfrecords.datasets import BuildError
from tfrecords.description import DatasetInfo

SILENT, FAINT, STILL, SHORT = (f"video00000{k}_000001" for k in (0, 2, 3, 4))


@pytest.fixture
def some_blank(clips):
    """Of six clips one is silent, one hardly to be heard, one still, and one of a single frame."""
    source = pathlib.Path(clips.source)
    moving, still = files.gray_frames(8), np.full((8, 48, 64, 3), 90, np.uint8)
    files.write(source / f"{SILENT}.mp4", moving, sound=files.tone(440, 1, level=0))
    files.write(source / f"{FAINT}.mp4", moving, sound=files.tone(440, 1, level=0.002))
    files.write(source / f"{STILL}.mp4", still, sound=files.tone(440, 1))
    files.write(source / f"{SHORT}.mp4", still[:1], sound=files.tone(440, 1))
    return dataclasses.replace(clips, fps=4.0)


def test_silent_and_still_clips_are_kept_counted_and_named(some_blank, capsys):
    info = builder.build(some_blank, progress=False)
    output = pathlib.Path(some_blank.output)
    assert {name: split.blank for name, split in info.splits.items()} == {
        "train": {"audio": 1, "video": 1},
        "validation": {},
        "test": {},
    }
    assert sum(split.clips for split in info.splits.values()) == 6
    report = json.loads((output / "train-00000-of-00001.tfrecord.json").read_text())
    assert report["blank"] == {"audio": [SILENT], "video": [STILL]}
    assert DatasetInfo.load(output) == info
    summary.show(info, output)
    told = capsys.readouterr().out
    assert "silent audio: 1 of 6 records; tfrecords.inspect names them" in told
    assert "still video: 1 of 6 records" in told
    inspect.name_blank(output, info)
    assert capsys.readouterr().out == f"silent audio: {SILENT}\nstill video: {STILL}\n"
    for path in output.glob("*.tfrecord.json"):
        path.unlink()
    inspect.name_blank(output, info)
    assert capsys.readouterr().out == ""


def test_they_are_refused_where_that_is_asked_for(some_blank):
    chosen = dataclasses.replace(some_blank, min_loudness=-50.0, min_motion=2.0)
    info = builder.build(chosen, progress=False)
    found = failures(pathlib.Path(chosen.output))
    assert {clip: reason for clip, (reason, _) in found.items()} == {
        SILENT: "silent", FAINT: "silent", STILL: "still",
    }  # fmt: skip
    assert re.fullmatch(r"audio has -5[67]\.\d, -50 is required", found[FAINT][1])
    assert found[STILL][1] == "video has 0.0, 2 is required"
    assert sum(split.clips for split in info.splits.values()) == 3
    with pytest.raises(BuildError, match=r"min_loudness \(-50\.0 there, -60\.0 now\)"):
        builder.build(dataclasses.replace(chosen, min_loudness=-60.0), progress=False)


def test_a_modality_that_is_not_required_is_left_out(some_blank):
    chosen = dataclasses.replace(some_blank, min_loudness=-50.0, require="video")
    info = builder.build(chosen, progress=False)
    assert info.splits["train"].without == {"audio": 2}


def test_a_loudness_above_the_loudest_is_refused(clips):
    with pytest.raises(BuildError, match=r"--min_loudness=3\.0 is above the loudest, 0 dB"):
        dataclasses.replace(clips, min_loudness=3.0)


@pytest.mark.parametrize(
    ("level", "wanted"), [(1.0, -3.01), (0.5, -9.03), (0.001, -63.0), (0.0, -np.inf)]
)
def test_loudness_is_that_of_a_sine(level, wanted):
    samples = np.round(32_767 * files.tone(440, 1, level=level)).astype(np.int16)
    assert Sound(samples).loudness == pytest.approx(wanted, abs=0.1)


def test_a_small_thing_that_moves_is_motion_and_noise_is_none(rng):
    picture = rng.integers(60, 200, (120, 160, 3)).astype(np.uint8)
    still, moving = Motion(), Motion()
    for k in range(8):
        noise = rng.normal(0, 3, picture.shape)
        still.add(np.clip(picture + noise, 0, 255).astype(np.uint8))
        frame = picture.copy()
        frame[60:66, 10 + 10 * k : 16 + 10 * k] = 255
        moving.add(frame)
    assert still.value < 2
    assert moving.value > 10


def test_one_frame_does_not_move():
    motion = Motion()
    motion.add(np.full((20, 30, 3), 77, np.uint8))
    assert motion.value == 0
