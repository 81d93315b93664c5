"""Flags made from `Config`'s fields, and a `Config` made from the flags that were given."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from amr_tf._multipliers import AUTO
from amr_tf.heads import HEADS, head_options
from amr_tf.methods import METHODS
from amr_tf.modalities import MODALITIES
from amr_tf.tasks.multiclass import MULTICLASS
from tfrecords.datasets import DATASETS, find
from tfrecords.description import DESCRIPTION, DatasetInfo
from trainers.config import effects
from trainers.config.methods import flag_aliases, method_names, with_aliases, with_published
from trainers.config.model_inputs import check_task, inputs_of_records
from trainers.config.parsing import parse_modalities
from trainers.config.recipes import PRESETS, recipes
from trainers.config.run_config import Config, choices_of

_KINDS_OF_DEMO = {"audio": "audio", "video": "video"}


def define(values: flags.FlagValues = flags.FLAGS, without: Sequence[str] = ()) -> None:
    """Defines one flag per field of `Config`, but for some, and the methods' own aliases."""
    for field in dataclasses.fields(Config):
        if field.name in without:
            continue
        text, choices = field.metadata["help"], choices_of(field)
        if field.name == "method":
            told = "; ".join(f"{name}: {METHODS[name].help}" for name in method_names())
            text = text.replace("METHODS", told)
        if field.name == "fusion":
            told = ", ".join(_with_options(name) for name in HEADS)
            text = text.replace("HEADS", told)
        if choices:
            flags.DEFINE_enum(field.name, field.default, list(choices), text, flag_values=values)
        else:
            kinds = {
                bool: flags.DEFINE_bool,
                int: flags.DEFINE_integer,
                float: flags.DEFINE_float,
                str: flags.DEFINE_string,
                float | str: _define_number_or_auto,
            }
            kinds[field.type](field.name, field.default, text, flag_values=values)
    for alias, option in flag_aliases().items():
        text = f"The same as --method_options={option}=..., for the methods that have it."
        flags.DEFINE_string(alias, None, text, flag_values=values)


class _NumberOrAuto(flags.FloatParser):
    """Parses a number, or the word "auto" for one that training finds."""

    def convert(self, argument: Any) -> float | str:
        return argument if argument == AUTO else super().convert(argument)

    def is_outside_bounds(self, value: Any) -> bool:
        return value != AUTO and super().is_outside_bounds(value)


def _define_number_or_auto(name: str, default: Any, text: str, **options: Any) -> None:
    flags.DEFINE(_NumberOrAuto(), name, default, text, **options)


def _with_options(head: str) -> str:
    """A head's name as in a flag, with the options that it has."""
    options = ", ".join(head_options(head))
    return f"{head}({options})" if options else head


def config(values: flags.FlagValues) -> Config:
    """Recipe, then preset, then the flags that were given, the later ones winning.

    Args:
        values: Object, the parsed flags.

    Raises:
        ValueError: An impossible value or combination, a flag without effect, or modalities that
            the records do not hold.
        FileNotFoundError: `--data_dir` holds no record set.
    """
    found = _config(values)
    effects.refuse(found, given_flags(values))
    return found


def config_of(arguments: Sequence[str]) -> Config:
    """The configuration of a call of `trainers.fit`, some of whose flags may have no effect.

    Args:
        arguments: Strings, the call's flags.

    Raises:
        ValueError: An impossible value or combination, or unknown modalities.
        FileNotFoundError: There are no records.
    """
    values = flags.FlagValues()
    define(values)
    try:
        values(["trainers.fit", *arguments])
    except flags.Error as error:
        raise ValueError(str(error).replace("\n", ": ")) from error
    return _config(values)


def _config(values: flags.FlagValues) -> Config:
    given = given_flags(values)
    known = recipes()
    recipe = given.get("recipe", Config.recipe)
    if recipe not in known:
        raise ValueError(f"--recipe={recipe}: choose one of {', '.join(known)}")
    preset = PRESETS.get(given.get("preset", Config.preset), {})
    first = given.get("dataset", known[recipe].get("dataset", Config.dataset)) == Config.dataset
    sized = preset if first and "data_dir" not in given else {}
    merged = {**known[recipe], **sized, **given}
    method, options = merged.get("method", Config.method), merged.get("method_options", "")
    options = with_aliases(method, options, given_aliases(values))
    merged["method_options"] = with_published(method, options, recipe)
    return with_modalities(Config(**merged).located())


def with_modalities(config: Config) -> Config:
    """The configuration with its modalities and their kinds filled in, checked.

    Args:
        config: Config, located; the records that it names are read.

    Raises:
        ValueError: The records hold no such modality, or the configuration does not fit them.
        FileNotFoundError: There are no records, and they are not made on first use.
    """
    config, info = _records(config)
    there = _KINDS_OF_DEMO
    if info is not None:
        there = {name: stored.kind for name, stored in info.modalities.items()}
    asked = parse_modalities(config.modalities)
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise ValueError(
            f"--modalities={config.modalities}: {config.data_dir} holds {', '.join(there)}"
        )
    parts = []
    for name in asked or there:
        kind = asked[name].kind if name in asked else ""
        if kind and MODALITIES.find(kind).stored() != there[name]:
            raise ValueError(
                f"--modalities={config.modalities}: {config.data_dir} holds {name} as {there[name]}"
            )
        kind = kind or there[name]
        brackets = "".join(asked[name].text.partition("(")[1:]) if name in asked else ""
        parts.append((name if kind == name else f"{name}:{kind}") + brackets)
    config = dataclasses.replace(config, modalities=",".join(parts))
    config.check_modalities()
    if info is not None:
        inputs_of_records(config, info)  # refuses sizes that can't be
        check_task(config, info)
    return config.resolved()


def _records(config: Config) -> tuple[Config, DatasetInfo | None]:
    """The configuration with the records' data set, and what they are, if they are made."""
    if not (pathlib.Path(config.data_dir) / DESCRIPTION).exists() and makes_itself(config):
        return config, None
    info = DatasetInfo.load(config.data_dir)
    if config.dataset not in (Config.dataset, info.dataset):
        raise ValueError(
            f"--dataset={config.dataset}: {config.data_dir} holds records of {info.dataset}"
        )
    config = dataclasses.replace(config, dataset=info.dataset)
    return config, info


def task_name(config: Config) -> str:
    """The task of a run's records; one class a clip where they are yet to be made."""
    info = _records(config)[1]
    return MULTICLASS.name if info is None else info.task


def makes_itself(config: Config) -> bool:
    """Whether the run's records are made on first use."""
    return config.dataset in DATASETS and find(config.dataset)().demo(config.preset) is not None


def given_flags(values: flags.FlagValues) -> dict[str, Any]:
    """Field of `Config` -> value, of the flags that were given."""
    names = [field.name for field in dataclasses.fields(Config)]
    return {name: values[name].value for name in names if name in values and values[name].present}


def given_aliases(values: flags.FlagValues) -> dict[str, str]:
    """Flag -> value, of the flags given that stand for a method's option."""
    found = {name: values[name].value for name in flag_aliases() if name in values}
    return {name: value for name, value in found.items() if value is not None}
