"""Plug-in modules that a command line names, imported before its flags are defined."""

import importlib
import os
import sys
from collections.abc import Sequence


def named(arguments: Sequence[str]) -> list[str]:
    """The modules that `--plugins=a,b` or `--plugins a,b` names, in order, each once."""
    found: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            break
        flag, equals, value = argument.partition("=")
        if flag.lstrip("-") == "plugins" and flag.startswith("-"):
            if not equals:
                value = arguments[place + 1] if place + 1 < len(arguments) else ""
            found += [name.strip() for name in value.split(",") if name.strip()]
    return list(dict.fromkeys(found))


def load_named(arguments: Sequence[str]) -> list[str]:
    """Imports the modules, which register their plug-ins; they may lie in the current directory.

    Args:
        arguments: Strings, a command line.

    Returns:
        The modules' names.

    Raises:
        ValueError: A module cannot be imported; the message says why.
    """
    modules = named(arguments)
    here = os.getcwd()
    if modules and here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # whatever a user's module does wrong
            raise ValueError(
                f"--plugins: the module {name!r} cannot be imported: "
                f"{type(error).__name__}: {' '.join(str(error).split())}"
            ) from error
    return modules
