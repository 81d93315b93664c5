"""Builds sharded TFRecords from raw clips: `python -m tfrecords.build --help`.

    python -m tfrecords.build --dataset=manifest --labels=clips.csv --source=DIR --output=DATA

A build can be killed at any moment and started again with the same command.
"""

from tfrecords import tools  # noqa: F401  isort: skip

import dataclasses
import importlib
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from absl import app, flags

from tfrecords import summary
from tfrecords.building import options
from tfrecords.building.builder import build
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import DATASETS, BuildError, Dataset
from tfrecords.plugins import load_named, named
from tfrecords.stored import AUDIO_CODECS

_DEFAULT = {field.name: field.default for field in dataclasses.fields(BuildOptions)}


def define() -> None:
    """Defines the flags, those of the data sets' options among them."""
    sets = "; ".join(f"{name}: {dataset.help}" for name, dataset in DATASETS.items())
    flags.DEFINE_enum("dataset", None, list(DATASETS), f"What the source holds. {sets}.")
    flags.DEFINE_string(
        "source", None, "What the data set is read from: for most the directory of the media files."
    )
    flags.DEFINE_string("output", None, "Directory of the records.")
    flags.DEFINE_float(
        "validation_fraction", None, "Share of the train side cut off for validation."
    )
    flags.DEFINE_integer("seed", _DEFAULT["seed"], "Seed of splits, of order, and of rendering.")
    flags.DEFINE_integer("audio_rate", _DEFAULT["audio_rate"], "Samples a second, Hz.")
    flags.DEFINE_enum(
        "audio_codec",
        _DEFAULT["audio_codec"],
        list(AUDIO_CODECS),
        "Lossless both; flac is smaller, and takes longer to read.",
    )
    usual = ", ".join(f"{d.fps:g} for {n}" for n, d in DATASETS.items() if d.fps != Dataset.fps)
    text = f"Stored frames a second (default: {usual}, else {Dataset.fps:g})."
    flags.DEFINE_float("fps", None, text)
    flags.DEFINE_integer(
        "short_side",
        _DEFAULT["short_side"],
        "Shorter side that larger frames and images are scaled down to.",
    )
    flags.DEFINE_float("max_seconds", _DEFAULT["max_seconds"], "Seconds at which clips are cut.")
    flags.DEFINE_float(
        "min_loudness",
        None,
        "Refuse sound of a lower root mean square, dB below the largest (e.g. -60), as silent.",
    )
    flags.DEFINE_float(
        "min_motion",
        None,
        "Refuse video in which nothing changes by so many of 255 levels (e.g. 2), as still.",
    )
    flags.DEFINE_string(
        "require",
        None,
        "Modalities that a usable clip has, e.g. audio,video; any: one or more (default: all).",
    )
    flags.DEFINE_integer("clips_per_shard", _DEFAULT["clips_per_shard"], "Clips in a shard.")
    flags.DEFINE_integer("workers", None, "Decoding processes (default: one a core).")
    flags.DEFINE_float("timeout", _DEFAULT["timeout"], "Seconds that decoding a clip may take.")
    flags.DEFINE_string(
        "max_failures",
        str(_DEFAULT["max_failures"]),
        "Stop when more clips fail: a count (a whole number) or a fraction (0.5).",
    )
    flags.DEFINE_string(
        "shard_range",
        "0/1",
        "K/N with K from 0: build only every N-th shard, for array jobs; the last to end completes "
        "the set.",
    )
    flags.DEFINE_string(
        "runner",
        None,
        "Let Apache Beam write the shards: DirectRunner, FlinkRunner, SparkRunner, DataflowRunner. "
        "--workers then counts per shard (default: 1), and --max_failures is judged in each.",
    )
    flags.DEFINE_list("beam_options", [], "Beam's own flags, as in --flink_master=HOST:8081,...")
    flags.DEFINE_bool("overwrite", False, "Delete the records in --output first.")
    flags.DEFINE_list("plugins", [], "Modules that register data sets or kinds of modalities.")
    for name, (text, field) in _dataset_flags().items():
        _define_option(name, text, field)
    flags.mark_flags_as_required(["dataset", "source", "output"])


def _dataset_flags() -> dict[str, tuple[str, dataclasses.Field]]:
    """Name -> help and field of each option of the registered data sets."""
    texts: dict[str, dict[str, list[type[Dataset]]]] = {}
    fields: dict[str, dataclasses.Field] = {}
    for dataset in DATASETS.values():
        for field in dataclasses.fields(dataset):
            texts.setdefault(field.name, {}).setdefault(field.metadata["help"], []).append(dataset)
            fields[field.name] = field
    return {
        name: (" ".join(f"{_named(of)}: {text}" for text, of in texts[name].items()), field)
        for name, field in fields.items()
    }


def _named(datasets: Sequence[type[Dataset]]) -> str:
    return ", ".join(dataset.name for dataset in datasets)


def _define_option(name: str, text: str, field: dataclasses.Field) -> None:
    if name in flags.FLAGS:
        raise BuildError(f"a data set's option {name!r} is a flag of tfrecords.build already")
    default, choices = field.default, field.metadata["choices"]
    if choices:
        flags.DEFINE_enum(name, None, list(choices), text)
    elif isinstance(default, tuple):
        flags.DEFINE_list(name, None, text)
    else:
        kinds = {
            bool: flags.DEFINE_bool, int: flags.DEFINE_integer, float: flags.DEFINE_float,
        }  # fmt: skip
        kinds.get(type(default), flags.DEFINE_string)(name, None, text)


def _dataset(values: flags.FlagValues) -> Dataset:
    """The data set with the options that were given.

    Raises:
        BuildError: An option of another data set is given.
    """
    chosen = DATASETS[values.dataset]
    own = {field.name: field.default for field in dataclasses.fields(chosen)}
    given: dict[str, Any] = {}
    for name in _dataset_flags():
        if values[name].value is None:
            continue
        if name not in own:
            owners = [n for n, d in DATASETS.items() if name in _names(d)]
            raise BuildError(
                f"--{name} is for {', '.join(owners)}: {chosen.name} has no such option"
            )
        value = values[name].value
        given[name] = tuple(value) if isinstance(own[name], tuple) else value
    return chosen(**given)


def _names(dataset: type[Dataset]) -> set[str]:
    return {field.name for field in dataclasses.fields(dataset)}


def _options(values: flags.FlagValues) -> BuildOptions:
    names = {field.name for field in dataclasses.fields(BuildOptions)}
    taken = {name: values[name].value for name in names if name in values}
    taken["dataset"] = _dataset(values)
    taken["beam_options"] = tuple(values.beam_options)
    taken["max_failures"] = options.parse_limit(values.max_failures)
    taken["shard_range"] = options.parse_range(values.shard_range)
    return BuildOptions(**taken)


def run(arguments: Sequence[str]) -> None:
    """Builds as the flags say and prints the result.

    Args:
        arguments: Strings, the command line's without the flags.
    """
    if len(arguments) > 1:
        sys.exit(f"error: what is {arguments[1]!r}? All options begin with --")
    try:
        chosen = _options(flags.FLAGS)
        importlib.import_module(
            "tfrecords.quiet"
        )  # TensorFlow, which takes seconds: not for --help
        info = build(chosen)
    except BuildError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")
    if info is None:
        print("This range is done; others are still missing.")
    else:
        summary.show(info, pathlib.Path(chosen.output), ",".join(flags.FLAGS.plugins))


def main() -> None:
    """The command, also as `amr-build`."""
    try:
        if named(sys.argv):
            importlib.import_module("tfrecords.quiet")  # a plug-in may bring TensorFlow
        load_named(sys.argv)
        define()
    except (BuildError, ValueError) as error:
        sys.exit(f"error: {error}")
    app.run(run)


if __name__ == "__main__":
    main()
