"""The data sets: each lists its clips with labels and splits.

A new data set is one new file and one line below; a user's own is registered by `register`.
"""

from collections.abc import Callable

from tfrecords import registration
from tfrecords.datasets.arrays import Arrays
from tfrecords.datasets.av_digits import AVDigits
from tfrecords.datasets.ave import AVE
from tfrecords.datasets.base import About, Dataset, option
from tfrecords.datasets.cremad import Cremad
from tfrecords.datasets.folders import Folders
from tfrecords.datasets.grid import Grid
from tfrecords.datasets.kinetics_sounds import KineticsSounds
from tfrecords.datasets.listing import Annotation, BuildError, Failure, Listed, Listing, SourceError
from tfrecords.datasets.manifest import Manifest
from tfrecords.datasets.ravdess import RAVDESS
from tfrecords.datasets.synthetic import Synthetic
from tfrecords.datasets.ucf101 import UCF101
from tfrecords.datasets.vggsound import VGGSound

DATASETS: dict[str, type[Dataset]] = {}  # without TensorFlow, which worker processes lack
DEMO = "synthetic"  # what a first run trains on


def register(name: str) -> Callable[[type[Dataset]], type[Dataset]]:
    """A decorator that registers a data set, so that commands know it by a name.

    Args:
        name: String, a lower-case identifier, as in `--dataset=NAME`.

    Raises:
        TypeError: The class is not a subclass of `Dataset`.
        ValueError: The name is not a lower-case identifier, or another data set has it.
    """

    def registered(dataset: type[Dataset]) -> type[Dataset]:
        registration.register(DATASETS, name, dataset, Dataset, "data set")
        dataset.name = name
        return dataset

    return registered


def find(name: str) -> type[Dataset]:
    """The data set of a name.

    Raises:
        BuildError: There is none; the message lists the existing ones.
    """
    if name not in DATASETS:
        raise BuildError(
            f"--dataset={name}: there are {', '.join(DATASETS)}; name a module that registers "
            "another with --plugins"
        )
    return DATASETS[name]


register("manifest")(Manifest)
register("folders")(Folders)
register("arrays")(Arrays)
register("synthetic")(Synthetic)
register("vggsound")(VGGSound)
register("cremad")(Cremad)
register("ave")(AVE)
register("kinetics_sounds")(KineticsSounds)
register("ravdess")(RAVDESS)
register("ucf101")(UCF101)
register("grid")(Grid)
register("av_digits")(AVDigits)

__all__ = [
    "AVE",
    "DATASETS",
    "DEMO",
    "RAVDESS",
    "UCF101",
    "AVDigits",
    "About",
    "Annotation",
    "Arrays",
    "BuildError",
    "Cremad",
    "Dataset",
    "Failure",
    "Folders",
    "Grid",
    "KineticsSounds",
    "Listed",
    "Listing",
    "Manifest",
    "SourceError",
    "Synthetic",
    "VGGSound",
    "find",
    "option",
    "register",
]
