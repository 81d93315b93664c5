r"""Hands the shards of a build to Apache Beam: `--runner`, extra `[beam]`.

One element is one shard, and what becomes of it is what becomes of it in a local build: decoding
runs in a process of its own that may die of a clip, and the bytes are the same. Source and output
must have the same paths on all machines (a file system they share; no addresses of object stores),
and this project must be installed there. Runners take further options:

    --runner=DirectRunner \
        --beam_options=--direct_num_workers=8,--direct_running_mode=multi_processing
    --runner=FlinkRunner --beam_options=--flink_master=HOST:8081,--environment_type=EXTERNAL,...
    --runner=SparkRunner --beam_options=--job_endpoint=HOST:8099,--environment_type=DOCKER,...
    --runner=DataflowRunner --beam_options=--project=...,--region=...,--temp_location=gs://...

The tests run DirectRunner; Flink, Spark and Dataflow have not been tried here.
"""

import dataclasses
import logging
import pathlib
import re

from tfrecords.building import lock
from tfrecords.building.options import BuildOptions
from tfrecords.building.shards import Shard
from tfrecords.building.writer import Writer
from tfrecords.datasets.listing import BuildError, Listing
from tfrecords.stored import Stored, find


def write(options: BuildOptions, listing: Listing, missing: list[Shard]) -> None:
    """Writes shards, many at a time.

    Args:
        options: BuildOptions of the build, above all `runner` and `beam_options`. `max_failures` is
            judged within each shard.
        listing: Listing, what the data set lists, without its clips, which the shards name.
        missing: List of shards, those to write.

    Raises:
        BuildError: Beam is not installed, or the pipeline failed.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise BuildError(
            f"--runner={options.runner} needs Apache Beam: pip install 'amr-tf[beam]'"
        ) from error
    logging.getLogger("apache_beam").setLevel(logging.WARNING)  # it tells of its every step
    options = dataclasses.replace(options, workers=options.workers or 1)
    # Classes are sent by their modules' names: machines import those that register them.
    kinds = tuple(map(find, listing.modalities.values()))
    flags = [f"--runner={options.runner}", *options.beam_options]
    try:
        with beam.Pipeline(options=PipelineOptions(flags)) as pipeline:
            elements = pipeline | beam.Create(missing) | beam.Reshuffle()
            elements | "Write" >> beam.Map(
                _write, options, dataclasses.replace(listing, clips=(), failures=()), kinds
            )
    except Exception as error:
        raise BuildError(f"--runner={options.runner}: {_reason(error)}") from error


def _write(
    shard: Shard, options: BuildOptions, listing: Listing, kinds: tuple[type[Stored], ...]
) -> None:
    """Writes one shard, on whatever machine."""
    del kinds  # they are there
    lock.check_versions(pathlib.Path(options.output))
    Writer(options, listing).write([shard], progress=False)


def _reason(error: Exception) -> str:
    """The reason why `_write` failed, taken from Beam's longer message."""
    told = re.findall(r"(?:[\w.]*Error: )?(.+) \[while running ", str(error))
    return told[-1] if told else f"{type(error).__name__}: {error}".splitlines()[-1]
