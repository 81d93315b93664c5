"""Flags that hold more than one value: ratios, modalities, encoders, a plug-in's options."""

import dataclasses
import json
import re
from typing import Any

from amr_tf.regularizer import AttributionRegularizer

# a name, or module:function, or a file
_PLUGIN = re.compile(r"(?P<name>[^()=,]+)(?:\((?P<options>[^()]*)\))?")
_MODALITY = re.compile(r"(?P<name>\w+)(?::(?P<kind>\w+))?(?:\((?P<options>[^()]*)\))?")
_COMMA = re.compile(r",(?![^()]*\))")


def parse_ratio(text: str, modalities: tuple[str, ...]) -> tuple[float, ...]:
    """Reads `1:1` (in the modalities' order) or `audio=1,video=2` (by name, all of them).

    An empty text asks for equal parts.

    Raises:
        ValueError: It has another form, or is not a ratio.
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


@dataclasses.dataclass(frozen=True)
class AskedModality:
    """One modality, as `--modalities` gives it.

    Attributes:
        kind: String, its kind; empty where that is left to the records.
        options: Mapping, the sizes and rates of its input that were given.
        text: String, as it was written.
    """

    kind: str
    options: dict[str, Any]
    text: str


def parse_modalities(text: str) -> dict[str, AskedModality]:
    """Reads `audio,video` or `rgb:video(frames=8),flow:video`.

    Raises:
        ValueError: A name is given twice or is not an identifier, or an option is unreadable.
    """
    found: dict[str, AskedModality] = {}
    for part in split_list(text):
        match = _MODALITY.fullmatch(part)
        if not match or not match["name"].isidentifier() or match["name"] in found:
            name = match["name"] if match else part
            raise ValueError(f"--modalities={text}: {name!r} is not a name, or is given twice")
        options = parse_options(match["options"] or "", "--modalities")
        found[match["name"]] = AskedModality(match["kind"] or "", options, part)
    return found


def parse_named(text: str, flag: str) -> dict[str, str]:
    """Reads `rgb=resnet18,flow=c3d(depth=5)` as name -> value.

    Args:
        text: String, what was given.
        flag: String, the flag's name, for the message.

    Raises:
        ValueError: A part is not of the form name=value, or a name is given twice.
    """
    found: dict[str, str] = {}
    for part in split_list(text):
        name, equals, value = part.partition("=")
        if not equals or not value or not name.isidentifier() or name in found:
            raise ValueError(f"{flag}={text}: {part!r} is not of the form name=value, or a second")
        found[name] = value
    return found


def split_list(text: str) -> list[str]:
    """The parts between commas that are not within brackets, without spaces around."""
    return [part.strip() for part in _COMMA.split(text) if part.strip()]


def parse_plugin(text: str, flag: str) -> tuple[str, dict[str, Any]]:
    """Reads `resnet18` or `resnet18(width=32)` as a name and its options.

    Args:
        text: String, what was given.
        flag: String, the flag's name, for the message.

    Raises:
        ValueError: The text has another form.
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
