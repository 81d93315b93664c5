"""IDX files, the format of MNIST: a magic number, the sizes, and then the values, row by row.

The magic number's bytes are 0, 0, the type (8 for bytes without sign, the only one read here) and
the number of dimensions; the sizes are integers of four bytes, the highest first.
"""

import gzip
import math
import pathlib
import struct
import zlib

import numpy as np

from tfrecords.datasets.listing import SourceError

_GZIP = b"\x1f\x8b"


def read(path: pathlib.Path) -> np.ndarray:
    """Reads an IDX file of bytes, compressed by gzip or not.

    Args:
        path: Path of the file.

    Returns:
        An array of uint8, of the shape that the file states.

    Raises:
        SourceError: The file cannot be read, is not such a file, or is cut off.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    dimensions = content[3] if len(content) > 3 else 0
    begin = 4 + 4 * dimensions
    if content[:3] != b"\0\0\x08" or not dimensions or len(content) < begin:
        raise SourceError(f"{path} is not an IDX file of bytes, as MNIST's are")
    shape = struct.unpack(f">{dimensions}I", content[4:begin])
    if len(content) != begin + math.prod(shape):
        raise SourceError(
            f"{path} is cut off or damaged: {len(content) - begin:,} values follow, and its header "
            f"tells of {math.prod(shape):,} {list(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)
