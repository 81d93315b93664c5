"""Flags that hold more than one value: ratios, a method's options."""

import json
from typing import Any

from amr_tf.regularizer import AttributionRegularizer


def parse_ratio(text: str, modalities: tuple[str, ...]) -> tuple[float, ...]:
    """Reads `1:1` (in the modalities' order) or `audio=1,video=2` (by name, all of them).

    Raises:
        ValueError: It is neither, or no ratio.
    """
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


def parse_options(text: str) -> dict[str, Any]:
    """Reads `rate=0.3,per_sample=true`: numbers, true/false, else text.

    Raises:
        ValueError: A part is not of the form name=value.
    """
    options = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ValueError(f"--method_options={text}: {part!r} is not of the form name=value")
        try:
            options[name.strip()] = json.loads(value)  # numbers, true, false
        except (ValueError, RecursionError):  # also where numbers are too long, brackets too deep
            options[name.strip()] = value
    return options
