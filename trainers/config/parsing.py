"""Flags that hold more than one value: ratios, a method's options."""

import json
import re
from typing import Any

from amr_tf.regularizer import AttributionRegularizer

_PLUGIN = re.compile(r"(?P<name>\w+)(?:\((?P<options>[^()]*)\))?")


def parse_ratio(text: str, modalities: tuple[str, ...]) -> tuple[float, ...]:
    """Reads `1:1` (in the modalities' order) or `audio=1,video=2` (by name, all of them).

    An empty text asks for equal parts.

    Raises:
        ValueError: It is neither, or no ratio.
    """
    if not text:
        return (1.0,) * len(modalities)
    example = "write " + ":".join("1" * len(modalities)) + " or "
    example += ",".join(f"{name}=1" for name in modalities)
    try:
        if "=" in text:
            pairs = [part.split("=") for part in text.split(",")]
            named = {name.strip(): float(number) for name, number in pairs}
            if set(named) != set(modalities) or len(pairs) != len(named):
                raise ValueError(f"the modalities are {', '.join(modalities)}")
            numbers = tuple(named[name] for name in modalities)
        else:
            numbers = tuple(float(number) for number in text.split(":"))
        if len(numbers) != len(modalities):
            raise ValueError(f"{len(numbers)} numbers for {len(modalities)} modalities")
        AttributionRegularizer(numbers)
    except ValueError as error:
        raise ValueError(f"--amr_ratio={text}: {error}; {example}") from error
    return numbers


def parse_modalities(text: str) -> dict[str, str]:
    """Reads `audio,video` or `fou:features,kar:features` as modality -> kind.

    A modality without a kind is of the kind of its name.

    Raises:
        ValueError: A name stands there twice, or is no identifier.
    """
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, _, kind = (piece.strip() for piece in part.partition(":"))
        if not name.isidentifier() or name in found:
            raise ValueError(f"--modalities={text}: {name!r} is no name, or stands there twice")
        found[name] = kind or name
    return found


def parse_plugin(text: str, flag: str) -> tuple[str, dict[str, Any]]:
    """Reads `resnet18` or `resnet18(width=32)` as a name and its options.

    Args:
        text: String, what was given.
        flag: String, the flag's name, for the message.

    Raises:
        ValueError: It is neither.
    """
    match = _PLUGIN.fullmatch(text)
    if not match:
        raise ValueError(f"{flag}={text}: write a name, or a name with options: small(width=8)")
    return match["name"], parse_options(match["options"] or "", flag)


def parse_options(text: str, flag: str = "--method_options") -> dict[str, Any]:
    """Reads `rate=0.3,per_sample=true`: numbers, true/false, else text.

    Raises:
        ValueError: A part is not of the form name=value.
    """
    options = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ValueError(f"{flag}={text}: {part!r} is not of the form name=value")
        try:
            options[name.strip()] = json.loads(value)  # numbers, true, false
        except (ValueError, RecursionError):  # also where numbers are too long, brackets too deep
            options[name.strip()] = value
    return options
