"""A small set of rendered clips that several tests build from."""

import pytest

from tfrecords import synthetic

RECIPE = synthetic.Recipe(num_train=16, num_test=6)


@pytest.fixture(scope="session")
def recipe():
    return RECIPE


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """Directory of 16 train and 6 test clips. Tests leave it as it is."""
    directory = tmp_path_factory.mktemp("rendered")
    synthetic.render(directory, RECIPE, num_workers=2, progress=False)
    return directory
