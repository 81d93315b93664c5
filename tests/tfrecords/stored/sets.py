"""Small record sets of whatever kinds, and what is in them."""

import numpy as np
import tensorflow as tf

from tests.tfrecords.building.test_build import failures
from tests.tfrecords.datasets.test_manifest import write_list
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Manifest


def listed(source, text, name="clips.csv", output="out", modalities=(), **options):
    """Builds from a list of clips.

    Returns:
        The description; clip -> what `schema.read` gives; clip -> reason and detail of failures.
    """
    dataset = Manifest(labels=(str(write_list(source, text, name)),), modalities=modalities)
    return built(dataset, source, source / output, **options)


def built(dataset, source, output, **options):
    """Builds a data set; returns as `listed`."""
    chosen = BuildOptions(dataset, str(source), str(output), **{"workers": 1} | options)
    info = builder.build(chosen, progress=False)
    return info, read(output, info), failures(output)


def records(output, info):
    files = [output / file for split in info.splits.values() for file in split.shards]
    return list(schema.records(files))


def read(output, info):
    found = [schema.read(record, info.modalities) for record in records(output, info)]
    return {clip["media_id"]: clip for clip in found}


def parsed(output, info):
    """Clip -> modality -> NumPy arrays of what `schema.parse` gives, in a graph."""

    @tf.function
    def parse(record):
        return schema.parse(record, info.modalities, len(info.classes))

    names = read(output, info)
    found = [parse(tf.constant(record)) for record in records(output, info)]
    return dict(zip(names, tf.nest.map_structure(lambda x: x.numpy(), found), strict=True))


def splits(count):
    """So many names of splits: all train, but for one validation and one test."""
    return ["train"] * (count - 2) + ["validation", "test"]


def save(directory, **arrays):
    np.savez(directory / "set.npz", **arrays)
    return directory / "set.npz"
