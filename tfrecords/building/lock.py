"""Locks a directory of records, and keeps a note of what is built there."""

import contextlib
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import av
import PIL

from tfrecords import atomic, lock_files
from tfrecords.datasets.listing import BuildError
from tfrecords.description import DESCRIPTION, SPLITS
from tfrecords.differences import differences

IDENTITY = "build.json"
FAILURES = "failures.csv"
WHOLE = (0, 1)  # the range of all shards
_GATE = ".build.gate"
_LOCK = ".build-{}-of-{}.lock"


@contextlib.contextmanager
def lock(directory: pathlib.Path, shard_range: tuple[int, int] = WHOLE) -> Iterator[None]:
    """Keeps other builds out of a directory.

    A range of shards has a lock of its own, so that builds of several ranges go on side by side;
    the build of all shards holds another, and starts only where none of the ranges' is held.

    Args:
        directory: Directory of the records.
        shard_range: Pair k, n: the build writes the shards k, k + n, k + 2n and so on.

    Raises:
        BuildError: Another build is writing there.
    """
    whole = directory / _LOCK.format(*WHOLE)
    mine = directory / _LOCK.format(*shard_range)
    others = directory.glob(_LOCK.format("*", "*")) if mine == whole else [whole]
    with contextlib.ExitStack() as stack:
        try:
            # One build at a time looks at the locks: between two of its looks none changes hands.
            with lock_files.held(directory / _GATE, wait=True):
                stack.enter_context(lock_files.held(mine))
                for other in set(others) - {mine}:
                    with lock_files.held(other):
                        pass
        except lock_files.Busy:
            raise BuildError(f"another build is writing to {directory}: wait for its end") from None
        yield


def delete(output: pathlib.Path) -> None:
    """Deletes a record set, its description first, and nothing else."""
    for name in (DESCRIPTION, FAILURES):
        (output / name).unlink(missing_ok=True)
    for split in SPLITS:
        for path in [*output.glob(f"{split}-*.tfrecord*"), *output.glob(f".{split}-*.part")]:
            path.unlink()
    (output / IDENTITY).unlink(missing_ok=True)


def claim(output: pathlib.Path, identity: dict[str, Any]) -> None:
    """Writes down what is built, or checks that it is the same build as before.

    Args:
        output: The records' directory.
        identity: Mapping, all options that decide the records.

    Raises:
        BuildError: Something else was begun there.
    """
    path = output / IDENTITY
    if not path.exists():
        if any(output.glob("*.tfrecord")):
            raise BuildError(
                f"{output} holds records and no {IDENTITY} that tells what they are: "
                "choose another --output, or --overwrite them"
            )
        fields = {"identity": identity, "versions": _versions()}
        atomic.write_json(path, fields, indent=1, sort_keys=True)
        return
    there = _claimed(path)["identity"]
    now = json.loads(json.dumps(identity))
    if differing := differences(there, now):
        raise BuildError(
            f"{output} was begun with other options: {differing}. "
            "Use those, another --output, or --overwrite"
        )


def _claimed(path: pathlib.Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return {name: dict(fields[name]) for name in ("identity", "versions")}
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{path} is damaged: --overwrite the records") from error


def _versions() -> dict[str, str]:
    return {"av": av.__version__, "pillow": PIL.__version__}


def check_versions(output: pathlib.Path) -> None:
    """Refuses to mix the output of different decoders in one set.

    Raises:
        BuildError: The set was begun with another decoder.
    """
    there = _claimed(output / IDENTITY)["versions"]
    if there != _versions():
        raise BuildError(
            f"{output} was begun with {there}, and this is {_versions()}: the shards would "
            "not be like those of one build. Install those versions, or --overwrite"
        )
