"""Arrays of `.npz` files, row by row: of large files, too, and in many processes at a time.

NumPy reads a member whole, each process a copy of its own. Here a member that is stored without
compression (`np.savez`) is mapped into memory, only the row that is asked for: processes share
what the system has read of it. Members of `np.savez_compressed` are read whole, once a process.
"""

import functools
import math
import pathlib
import struct
import zipfile
import zlib

import numpy as np

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# RuntimeError: a member is encrypted
_BROKEN = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError)
_LOCAL = 30  # bytes of a member's header in the file, before its name


class NpzArray:
    """An array of an `.npz` file.

    Args:
        path: Path of the file.
        name: String, the array's name.

    Attributes:
        shape: Integers, of one dimension or more.
        dtype: Type of the values.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not an `.npz` file, or the array cannot be read.
    """

    def __init__(self, path: pathlib.Path, name: str) -> None:
        self._path, self._name = path, name
        try:
            with zipfile.ZipFile(path) as archive:
                member = archive.getinfo(f"{name}.npy")
                with archive.open(member) as stream:
                    version = np.lib.format.read_magic(stream)
                    if version not in _HEADERS:
                        raise ValueError(f"`{name}` is of the .npy format {version}")
                    self.shape, self._columns_first, self.dtype = _HEADERS[version](stream)
                    begin = stream.tell()
        except _BROKEN as error:
            raise ValueError(f"`{name}` cannot be read: {error}") from error
        if self.dtype.hasobject:
            raise ValueError(f"Object arrays are programs: make `{name}` one of numbers or texts")
        if begin + math.prod(self.shape) * self.dtype.itemsize != member.file_size:
            raise ValueError(f"`{name}` is not as long as its shape {self.shape} says")
        self._offset = None
        if member.compress_type == zipfile.ZIP_STORED:
            self._offset = _data_offset(path, member.header_offset) + begin

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        """A row, as an array that is not to be written to.

        Raises:
            OSError: The file cannot be read.
            ValueError: It has been cut off.
        """
        if self._offset is None or self._columns_first:
            return self._whole[row]
        row, shape = range(len(self))[row], self.shape[1:]
        size = math.prod(shape) * self.dtype.itemsize
        if not size:
            return np.zeros(shape, self.dtype)
        at = self._offset + row * size
        return np.asarray(np.memmap(self._path, self.dtype, "r", at, (1, *shape)))[0]

    @functools.cached_property
    def _whole(self) -> np.ndarray:
        if self._offset is not None and math.prod(self.shape):
            mapped = np.memmap(self._path, self.dtype, "r", self._offset, self.shape, "F")
            return np.asarray(mapped)
        try:
            with np.load(self._path) as arrays:
                return arrays[self._name]
        except _BROKEN as error:
            raise ValueError(f"`{self._name}` cannot be read: {error}") from error


def _data_offset(path: pathlib.Path, header: int) -> int:
    """The place where a member's content begins: its header ends with a name and extra fields."""
    with path.open("rb") as file:
        file.seek(header)
        name, more = struct.unpack("<26xHH", file.read(_LOCAL))
    return header + _LOCAL + name + more
