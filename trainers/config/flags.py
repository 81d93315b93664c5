"""Flags made from `Config`'s fields, and a `Config` made from the flags that were given."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from absl import flags

from trainers.config.recipes import PRESETS, RECIPES
from trainers.config.run_config import Config


def define(values: flags.FlagValues = flags.FLAGS, without: Sequence[str] = ()) -> None:
    """Defines one flag per field of `Config`, but for some."""
    for field in dataclasses.fields(Config):
        if field.name in without:
            continue
        text, choices = field.metadata["help"], field.metadata["choices"]
        if choices:
            flags.DEFINE_enum(field.name, field.default, list(choices), text, flag_values=values)
        else:
            kinds = {
                bool: flags.DEFINE_bool,
                int: flags.DEFINE_integer,
                float: flags.DEFINE_float,
                str: flags.DEFINE_string,
            }
            kinds[field.type](field.name, field.default, text, flag_values=values)


def config(values: flags.FlagValues) -> Config:
    """Recipe, then preset, then the flags that were given, the later ones winning.

    Raises:
        ValueError: An impossible value or combination.
    """
    given = given_flags(values)
    defaults = {
        **RECIPES[given.get("recipe", "demo")],
        **PRESETS[given.get("preset", "full")],
    }
    return Config(**{**defaults, **given}).resolved()


def given_flags(values: flags.FlagValues) -> dict[str, Any]:
    """Field of `Config` -> value, of the flags that were given."""
    names = [field.name for field in dataclasses.fields(Config)]
    return {name: values[name].value for name in names if name in values and values[name].present}
