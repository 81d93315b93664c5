"""Recipes and presets, as what differs from the defaults of `Config`."""

from collections.abc import Mapping
from typing import Any

from tfrecords.datasets import DATASETS

# Fewer clips come in smaller batches: about as many steps as the full preset.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"batch_size": 24},
    "half": {"batch_size": 32},
    "full": {},
}


def recipes() -> dict[str, Mapping[str, Any]]:
    """Name -> flags: the defaults, and the published recipes of the registered data sets."""
    found: dict[str, Mapping[str, Any]] = {"demo": {}}
    for name, dataset in DATASETS.items():
        for recipe, flags in dataset.recipes.items():
            found[recipe] = {**flags, "dataset": name}
    return found
