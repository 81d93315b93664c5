"""Files that appear whole: under its name a file is complete, or it is not there at all.

A file is written under a temporary name in its own directory and then renamed, which replaces the
earlier one in one step. Whoever reads it meanwhile, or after a crash, sees the old file or the new.
"""

import contextlib
import json
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def writing(path: pathlib.Path, part: pathlib.Path | None = None) -> Iterator[pathlib.Path]:
    """Gives a temporary path to write to, which becomes the file when the body ends well.

    Args:
        path: Path of the file.
        part: Path to write to meanwhile, in the same directory. By default a hidden one that no
            other process uses: two that write the same file do not write into each other's. Name
            it for a large file, so that what a killed process left is written over, not kept.

    Yields:
        The temporary path. If the body raises, what was written there is deleted.
    """
    part = part or path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut may leave the new name with no content
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_bytes(path: pathlib.Path, content: bytes) -> None:
    """Writes a file.

    Args:
        path: Path of the file.
        content: Bytes of the file.
    """
    with writing(path) as part:
        part.write_bytes(content)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a text file in UTF-8.

    Args:
        path: Path of the file.
        text: String, the content.
    """
    write_bytes(path, text.encode())


def write_json(path: pathlib.Path, content: Any, indent: int = 2, sort_keys: bool = False) -> None:
    """Writes a JSON file.

    Args:
        path: Path of the file.
        content: Value that JSON can express; NaN and infinities are not among them.
        indent: Integer, the columns of one level of indentation.
        sort_keys: Boolean, whether names are sorted.

    Raises:
        ValueError: The content holds a number that is not finite.
    """
    text = json.dumps(content, indent=indent, sort_keys=sort_keys, allow_nan=False)
    write_text(path, text + "\n")
