"""The command `python -m tfrecords.build`: flags in, a table out.

Only that command imports this module: the flags of others may have the same names.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from tfrecords import build, schema, summary
from tfrecords.building import options
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import cremad, synthetic

_DEFAULT = {field.name: field.default for field in dataclasses.fields(BuildOptions)}
_RECIPE = synthetic.Recipe()

flags.DEFINE_enum("dataset", None, list(options.READERS), "What the source holds.")
flags.DEFINE_string(
    "source", None, "Directory of the media files; for synthetic, where to render them."
)
flags.DEFINE_string("output", None, "Directory of the records.")
flags.DEFINE_list(
    "labels",
    [],
    "VGGSound: CSV lists of clips (default: SOURCE/vggsound.csv). CREMA-D with --split=published: "
    "directory of its train.csv and test.csv (default: SOURCE).",
)
flags.DEFINE_bool(
    "vggsounder", False, "VGGSound: give test clips VGGSounder's labels too, with modalities."
)
flags.DEFINE_enum(
    "split",
    None,
    list(cremad.SPLITS),
    "CREMA-D: speakers (the default; no actor is in two splits), published (the field's; all "
    "actors are in both halves) or random.",
)
flags.DEFINE_integer("folds", 0, "CREMA-D: cut the actors into this many folds.")
flags.DEFINE_integer("fold", 0, "CREMA-D: the fold to test on, from 0.")
flags.DEFINE_float("validation_fraction", None, "Share of the train side cut off for validation.")
flags.DEFINE_integer("seed", _DEFAULT["seed"], "Of splits, the records' order, and rendering.")
flags.DEFINE_integer("audio_rate", _DEFAULT["audio_rate"], "Samples a second, Hz.")
flags.DEFINE_enum(
    "audio_codec",
    _DEFAULT["audio_codec"],
    list(schema.AUDIO_CODECS),
    "Lossless both: flac is smaller, and needs tensorflow-io (TensorFlow 2.15) for training.",
)
flags.DEFINE_float("fps", None, "Stored frames a second (default: 1 for VGGSound, else 4).")
flags.DEFINE_integer(
    "short_side", _DEFAULT["short_side"], "Shorter side that larger frames are scaled down to."
)
flags.DEFINE_float("max_seconds", _DEFAULT["max_seconds"], "Clips are cut there.")
flags.DEFINE_enum("require", _DEFAULT["require"], list(options.REQUIRE), "What a usable clip has.")
flags.DEFINE_integer("clips_per_shard", _DEFAULT["clips_per_shard"], "At most.")
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
flags.DEFINE_integer("num_train", _RECIPE.num_train, "Synthetic: clips listed as train.")
flags.DEFINE_integer("num_test", _RECIPE.num_test, "Synthetic: clips listed as test.")
flags.DEFINE_float("audio_strength", _RECIPE.audio_strength, "Synthetic: of a class's sound.")
flags.DEFINE_float("video_strength", _RECIPE.video_strength, "Synthetic: of a class's looks.")
flags.mark_flags_as_required(["dataset", "source", "output"])


def _options(values: flags.FlagValues) -> BuildOptions:
    names = {field.name for field in dataclasses.fields(BuildOptions)}
    taken = {name: values[name].value for name in names if name in values}
    taken["labels"] = tuple(values.labels)
    taken["beam_options"] = tuple(values.beam_options)
    taken["max_failures"] = options.parse_limit(values.max_failures)
    taken["shard_range"] = options.parse_range(values.shard_range)
    taken["recipe"] = synthetic.Recipe(
        values.num_train,
        values.num_test,
        values.seed,
        values.audio_strength,
        values.video_strength,
    )
    return BuildOptions(**taken)


def run(arguments: Sequence[str]) -> None:
    """Builds as the flags say and prints the result.

    Args:
        arguments: The command line's, less the flags.
    """
    if len(arguments) > 1:
        sys.exit(f"error: what is {arguments[1]!r}? All options begin with --")
    try:
        chosen = _options(flags.FLAGS)
        info = build.build(chosen)
    except options.BuildError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on from here")
    if info is None:
        print("This range is done; others are still missing.")
    else:
        summary.show(info, pathlib.Path(chosen.output))
