"""The pages about data sets: the table is that of the data sets, and the example builds."""

import dataclasses
import pathlib
import re
import shutil

import pytest

from tests.tfrecords import files
from tests.tfrecords.building.test_build import ROOT, command
from tfrecords import datasets
from tfrecords.description import DatasetInfo

PAGE = (ROOT / "docs" / "datasets.md").read_text()
OURS = [
    name
    for name, dataset in datasets.DATASETS.items()
    if dataset.__module__.startswith("tfrecords.datasets.")
]


@pytest.mark.parametrize("name", OURS)
def test_the_table_tells_each_set_as_it_tells_itself(name):
    dataset = datasets.find(name)
    (row,) = re.findall(rf"^\|.*`--dataset={name}\b.*\|$", PAGE, re.MULTILINE)
    assert len(re.split(r"(?<!\\)\|", row)) == 8
    assert dataset.about.licence in row
    assert dataset.about.get in row
    assert dataset.help
    assert dataset.about.what


OPTIONED = ["ave", "kinetics_sounds", "ravdess", "ucf101", "grid", "av_digits"]


@pytest.mark.parametrize("name", OPTIONED)
def test_options_are_on_the_page(name):
    for field in dataclasses.fields(datasets.find(name)):
        assert f"--{field.name}" in PAGE


def test_the_example_builds(tmp_path, monkeypatch):
    page = (ROOT / "docs" / "extending.md").read_text()
    (code,) = re.findall(r"```python\n(# named.py\n.*?)```", page, re.DOTALL)
    (tmp_path / "named.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    source = tmp_path / "clips"
    clip = files.clip(source / "dog_001.mp4", seconds=0.3)
    for name in ("dog_002", "cat_001", "cat_002", "old_dog_001"):
        shutil.copy(clip, source / f"{name}.mp4")
    done = command(
        "--plugins=named", "--dataset=named", f"--source={source}", f"--output={tmp_path / 'out'}",
        "--workers=1",
    )  # fmt: skip
    _, errors = done.communicate(timeout=600)
    assert done.returncode == 0, errors
    info = DatasetInfo.load(pathlib.Path(tmp_path, "out"))
    assert info.classes == ("cat", "dog", "old_dog")
    assert sum(split.clips for split in info.splits.values()) == 5
