"""Flags made from `Config`'s fields, and a `Config` made from the flags that were given."""

import dataclasses

from absl import flags

from trainers.config import PRESETS, RECIPES, Config


def define(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag per field of `Config`."""
    for field in dataclasses.fields(Config):
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
    given = {
        field.name: values[field.name].value
        for field in dataclasses.fields(Config)
        if values[field.name].present
    }
    defaults = {
        **RECIPES[given.get("recipe", "demo")],
        **PRESETS[given.get("preset", "full")],
    }
    return Config(**{**defaults, **given}).resolved()
