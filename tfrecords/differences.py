"""Tells in words how the options that a directory was begun with differ from those of now."""

from collections.abc import Mapping
from typing import Any


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Names each option that differs, with both values.

    Args:
        there: Mapping, option -> value, as kept in the directory.
        now: Mapping, option -> value, as asked for.

    Returns:
        Text such as `fps (1.0 there, 2.0 now); seed (0 there, 1 now)`, empty if nothing differs.
    """
    return "; ".join(
        f"{name} ({there.get(name)} there, {now.get(name)} now)"
        for name in dict.fromkeys((*now, *there))
        if there.get(name) != now.get(name)
    )
