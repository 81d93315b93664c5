"""Small sets of clips that several tests build from."""

import shutil

import pytest

from tests.tfrecords import files
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Synthetic

RECIPE = Synthetic(num_train=16, num_test=6)


@pytest.fixture(scope="session")
def recipe():
    return RECIPE


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Directory of 16 train and 6 test clips. Tests leave it as it is."""
    directory = tmp_path_factory.mktemp("rendered")
    RECIPE.prepare(directory, 0, 2, False)
    return directory


@pytest.fixture
def clips(tmp_path):
    """Six clips in VGGSound's layout: four train, of which one is validation, and two test."""
    source = tmp_path / "source"
    rows = []
    for i, split in enumerate(["train"] * 4 + ["test"] * 2):
        path = source / f"video{i:06d}_000001.mp4"
        if i == 0:
            files.clip(path, seconds=0.5)
        else:
            shutil.copy(source / "video000000_000001.mp4", path)
        rows.append(f"video{i:06d},1,airplane,{split}")
    (source / "vggsound.csv").write_text("\n".join(rows) + "\n")
    return BuildOptions(
        "vggsound", str(source), str(tmp_path / "out"), workers=1, validation_fraction=1e-6
    )
