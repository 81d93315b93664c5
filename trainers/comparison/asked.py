"""The request for a comparison: methods, weights of AMR, sweeps, and flags of all runs."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from amr_tf._multipliers import AUTO
from trainers.config import effects
from trainers.config import flags as trainer_flags
from trainers.config.methods import method_names, method_of
from trainers.config.run_config import Config

WEIGHT = "amr_weight"
_METHOD = re.compile(r"(?P<name>[a-z_][a-z0-9_]*)(?:\((?P<options>[^()]*)\))?")


def default_methods(modalities: Sequence[str], task: str) -> str:
    """Every registered method that is defined for modalities and task, and each modality alone.

    Args:
        modalities: Strings, the modalities of the runs.
        task: String, their task.
    """
    found = []
    for name in method_names(modalities if len(modalities) > 1 else ()):
        method = method_of(name, modalities)
        if len(modalities) >= method.min_modalities and method.suits(task):
            found.append(f"{name}({method.demo_options})" if method.demo_options else name)
    return ",".join(found)


def parse_methods(text: str, modalities: Sequence[str]) -> list[tuple[str, str]]:
    """Reads `naive,ogm(alpha=0.5,score=ablation),audio` as (method, options) pairs.

    Args:
        text: String, what was given.
        modalities: Strings, the modalities of the runs.

    Raises:
        ValueError: The text has another form, or names an unknown method.
    """
    found, position = [], 0
    while position < len(text):
        match = _METHOD.match(text, position)
        end = match.end() if match else position
        if not match or (end < len(text) and text[end] != ","):
            raise ValueError(
                f"--methods={text}: write names, with options in brackets where you want them: "
                "naive,ogm(alpha=0.5)"
            )
        known = method_names(modalities)
        if match["name"] not in known:
            raise ValueError(
                f"--methods={text}: no method {match['name']!r}; there are {', '.join(known)}"
            )
        found.append((match["name"], match["options"] or ""))
        position = end + 1
    if not found:
        raise ValueError("--methods is empty: name at least one")
    return list(dict.fromkeys(found))


def parse_weights(text: str, flag: str = f"--{WEIGHT}") -> tuple[str, ...]:
    """Reads `0.5,1,auto` as the weights of AMR to compare with runs without it.

    Args:
        text: String, what was given.
        flag: String, the flag that gave it, for messages.

    Returns:
        The weights as given, numbers in one form: `1` for `1.0`.

    Raises:
        ValueError: One is neither a positive number nor `auto`, or is given twice.
    """
    weights = []
    for part in text.split(","):
        try:
            number = math.inf if part == AUTO else float(part)
        except ValueError:
            number = math.nan
        if number == 0:
            raise ValueError(
                f"{flag}={text}: runs without AMR are made anyway; give the weights above 0"
            )
        if part != AUTO and not (math.isfinite(number) and number > 0):
            raise ValueError(
                f"{flag}={text}: {part!r} is not a weight of AMR; write positive numbers, {AUTO}, "
                f"or several of them separated by commas: 1,{AUTO}"
            )
        weight = part if part == AUTO else repr(number).removesuffix(".0")
        if weight in weights:
            raise ValueError(f"{flag}={text}: the weight {weight} is given twice")
        weights.append(weight)
    return tuple(weights)


def parse_sweeps(texts: Sequence[str], known: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Reads `amr_weight=0.1,1,10` lists, one a flag.

    Args:
        texts: Strings, as given.
        known: Strings, the flags that can be swept.

    Returns:
        The (flag, value) pairs of each flag.

    Raises:
        ValueError: A text has another form, or names an unknown flag.
    """
    sweeps = []
    for text in texts:
        flag, equals, values = text.partition("=")
        if not equals or not all(values.split(",")):
            raise ValueError(f"--sweep={text}: write FLAG=VALUE,VALUE,...")
        if flag not in known:
            raise ValueError(f"--sweep={text}: {flag!r} is not a flag of trainers.fit to sweep")
        found = parse_weights(values, f"--sweep={flag}") if flag == WEIGHT else values.split(",")
        sweeps.append([(flag, value) for value in found])
    return sweeps


def shared_config(values: flags.FlagValues) -> Config:
    """Makes the configuration that the runs share, with the default weight of AMR.

    Args:
        values: The parsed flags.

    Raises:
        ValueError: An impossible value or combination, a flag without effect, or modalities that
            the records do not hold.
        FileNotFoundError: `--data_dir` holds no record set.
    """
    given = trainer_flags.given_flags(values)
    given.pop(WEIGHT, None)
    config = trainer_flags.config_of(arguments(given))
    effects.refuse(config, given)
    return config


def shared_flags(values: flags.FlagValues) -> dict[str, Any]:
    """Finds the flags of `trainers.fit` that were given for all runs, which the weights are not.

    Args:
        values: The parsed flags.
    """
    given = trainer_flags.given_flags(values) | trainer_flags.given_aliases(values)
    given.pop(WEIGHT, None)
    return given


def arguments(given: Mapping[str, Any]) -> list[str]:
    """Writes flags as a command line has them.

    Args:
        given: Mapping, flag -> value.
    """
    return [f"--{name}={value}" for name, value in given.items()]
