"""A run's method: found by its name, made of its options."""

from collections.abc import Sequence
from typing import Any

from amr_tf.methods import METHODS, Method, Unimodal
from trainers.config.parsing import parse_options

_ALONE = "unimodal"  # which flags name by the modality


def method_names(modalities: Sequence[str] = ()) -> tuple[str, ...]:
    """The values of `--method`: the registered methods, and each modality alone."""
    return (*(name for name in METHODS if name != _ALONE), *modalities)


def method_of(name: str, modalities: Sequence[str]) -> type[Method]:
    """The class of the method of a name.

    Raises:
        ValueError: There is no such method and no such modality.
    """
    if name in modalities:
        return Unimodal
    if name not in method_names():
        raise ValueError(
            f"--method={name}: choose one of {', '.join(method_names(modalities))}, or name a "
            "module that registers another with --plugins"
        )
    return METHODS[name]


def make_method(
    name: str, options: str, modalities: Sequence[str], seed: int, **supplied: Any
) -> Method:
    """Makes a method with its options.

    Args:
        name: String, the method, or the modality that is trained alone.
        options: String, `--method_options`.
        modalities: Strings, the run's modalities.
        seed: Integer, the run's seed, for the methods that take one.
        **supplied: Arguments that only the data or other runs can tell, `class_counts` and
            `teachers`, for the methods that require them.

    Raises:
        ValueError: The method doesn't have an option, refuses a value, or needs more modalities.
    """
    method = method_of(name, modalities)
    if method is Unimodal:
        if options:
            raise ValueError(f"--method_options={options}: {name} alone has no options")
        return Unimodal(name)
    known = method.options()
    given = parse_options(options)
    unknown = [option for option in given if option not in known]
    if unknown:
        raise ValueError(
            f"--method_options={options}: {name} has the options {', '.join(known) or 'none'}"
        )
    values = {"seed": seed} if "seed" in known else {}
    values |= {key: value for key, value in supplied.items() if key in method.requires}
    try:
        made = method(**values | given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"--method_options={options}: {name}: {error}") from error
    made.check_modalities(tuple(modalities))
    return made


def flag_aliases() -> dict[str, str]:
    """Name of a flag -> the option of `--method_options` that it is another name of."""
    return {flag: option for m in METHODS.values() for flag, option in m.flags.items()}


def with_aliases(method: str, options: str, given: dict[str, str]) -> str:
    """`--method_options` with the options that were given as flags of their own.

    Args:
        method: String, the method's name.
        options: String, `--method_options`.
        given: Mapping, flag -> value.

    Raises:
        ValueError: The method has no such option.
    """
    parts = [options] if options else []
    for flag, value in given.items():
        known = getattr(METHODS.get(method), "flags", {})
        if flag not in known:
            owners = [name for name, m in METHODS.items() if flag in m.flags]
            raise ValueError(f"--{flag} is for {', '.join(owners)}: {method} has no such option")
        parts.append(f"{known[flag]}={value}")
    return ",".join(parts)


def with_published(method: str, options: str, recipe: str) -> str:
    """`--method_options` with those that a recipe was published with, where they are not given.

    Args:
        method: String, the method's name.
        options: String, `--method_options`.
        recipe: String, `--recipe`.
    """
    published = getattr(METHODS.get(method), "recipe_options", {}).get(recipe, {})
    given = parse_options(options)
    parts = [f"{name}={value}" for name, value in published.items() if name not in given]
    return ",".join([*parts, *([options] if options else [])])
