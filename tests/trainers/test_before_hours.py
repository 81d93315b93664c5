"""All that can be known before the first step is said before it, in one line."""

import collections
import dataclasses
import json
import re
import shutil

import pytest
import tensorflow as tf

from tests.trainers.config.test_run_config import parsed
from tests.trainers.conftest import command
from tfrecords.description import DESCRIPTION, DatasetInfo, Split
from trainers.running import preflight, run

SMALL = ("--batch_size=16", "--epochs=1", "--noexport")

# What is wrong, the flags of the run, and what is said
DROPOUT = "--method=dropout"
FLAGS = [
    ("a batch larger than the split", ["--batch_size=500"], r"exceeds the 1.*--batch_size=\d+$"),
    ("an option of another method", [DROPOUT, "--method_options=alpha=1"], "options rate"),
    ("an option of the wrong type", [DROPOUT, "--method_options=rate=high"], "dropout: "),
    ("an option out of its range", [DROPOUT, "--method_options=rate=2"], "dropout: "),
    ("too few modalities", ["--method=ogm", "--modalities=audio"], "at least 2"),
    ("a head without the method's score", ["--method=ogm", "--hidden=8"], "needs a head whose"),
    ("a ratio of other modalities", ["--amr_ratio=1:2:3"], "--amr_ratio=1:2:3"),
    ("a missing file of weights", ["--audio_weights=nowhere.keras"], "no such file"),
    ("a teacher that is none", ["--method=umt", "--teachers=audio=nowhere"], "holds no run"),
    ("teachers for a method without", ["--teachers=audio=x"], "learns from no teacher"),
    ("an encoder that is not there", ["--video_encoder=resnet5"], "choose one of"),
    ("several machines without their names", ["--strategy=multi_worker"], "needs TF_CONFIG"),
    ("sound at another rate", ["--audio_rate=8000"], "8000 Hz are wanted"),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "message"), [f[1:] for f in FLAGS], ids=[f[0] for f in FLAGS])
def test_flags(flags, message, records, tmp_path):
    where = [f"--data_dir={records}", f"--model_dir={tmp_path}/run"]
    done = command("fit", *where, *SMALL, *flags, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert re.search(message, line)
    assert "epoch 1/1" not in done.stdout


@pytest.fixture
def changed(records, tmp_path):
    """A function: changes the description of a copy of the records."""

    def made(**changes):
        directory = shutil.copytree(
            records, tmp_path / "records", ignore=lambda path, names: {"clips"} & set(names)
        )
        info = DatasetInfo.load(directory)
        splits = {**info.splits, **changes.pop("splits", {})}
        info = dataclasses.replace(info, **changes, splits=splits)
        (directory / DESCRIPTION).write_text(info.to_json())
        return directory

    return made


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_empty_split(split, changed, records):
    classes = len(DatasetInfo.load(records).classes)
    data = changed(splits={split: Split(0, 3, (), (0,) * classes)})
    for name in ("fit", "compare"):
        out = ["--output_dir", "--model_dir"][name == "fit"]
        done = command(name, f"--data_dir={data}", f"{out}={data}/out", check=False)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert f"the split {split!r} of {data} has no clips; 3 failed" in line
        assert "epoch" not in done.stdout


def test_one_class_and_classes_without_training_clips(changed, records):
    info = DatasetInfo.load(records)
    train = dataclasses.replace(
        info.splits["train"], class_counts=(0, 0, *info.splits["train"].class_counts[2:])
    )
    data = changed(splits={"train": train})
    config = parsed(f"--data_dir={data}", *SMALL)
    first, second = info.classes[:2]
    message = rf"2 of {len(info.classes)} classes have no training clip: {first}, {second}"
    with pytest.warns(UserWarning, match=message):
        preflight.check_records(config)
    one = json.loads((data / DESCRIPTION).read_text())
    one["classes"] = one["classes"][:1]
    for split in one["splits"].values():
        split["class_counts"] = split["class_counts"][:1]
    (data / DESCRIPTION).write_text(json.dumps(one))
    with pytest.raises(ValueError, match=r"are of one class, .*: there is nothing to tell apart"):
        preflight.check_records(config)


def test_a_full_disk_and_a_directory_that_cannot_be_written(records, tmp_path, monkeypatch):
    config = parsed(f"--data_dir={records}", *SMALL, f"--model_dir={tmp_path}/run")
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage(10_000))
    with pytest.raises(
        SystemExit, match=r"error: .*/run has 0.00 GB of room; the run's checkpoints"
    ):
        run.run(config, tf.distribute.OneDeviceStrategy("CPU:0"))
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))
    (tmp_path / "file").touch()
    config = dataclasses.replace(config, model_dir=f"{tmp_path}/file/run")
    with pytest.raises(SystemExit, match=r"error: .*Not a directory"):
        run.run(config, tf.distribute.OneDeviceStrategy("CPU:0"))


def test_a_teacher_of_other_classes_or_encoders(finished_run, records, tmp_path, changed):
    teacher = tmp_path / "audio"
    where = (f"--data_dir={records}", f"--model_dir={teacher}")
    command("fit", *where, *SMALL, "--method=audio", eager=True)
    where = (f"--model_dir={tmp_path}/run", "--method=umt", f"--teachers=audio={teacher}")
    done = command("fit", f"--data_dir={records}", *where, *SMALL, "--audio_encoder=small(width=4)",
                   check=False)  # fmt: skip
    assert "has another encoder of audio: small() there, small(width=4) here" in done.stderr
    info = DatasetInfo.load(records)
    data = changed(classes=(*info.classes[:-1], "another"))
    done = command("fit", f"--data_dir={data}", *where, *SMALL, check=False)
    assert "was trained on other classes" in done.stderr
    assert len(done.stderr.splitlines()) == 1
