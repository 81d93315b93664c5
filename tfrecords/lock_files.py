"""Lock files: one process at a time, by a lock that the kernel drops with its process.

The lock is on an empty hidden file, which goes when the lock is given back. What a killed process
leaves is the file without the lock, and keeps nobody out.
"""

import contextlib
import pathlib
from collections.abc import Iterator

import filelock


class Busy(Exception):
    """The error for a lock that another process holds."""


@contextlib.contextmanager
def held(path: pathlib.Path, wait: bool = False) -> Iterator[None]:
    """Holds a lock as long as the body runs.

    Where there can be no lock (a file system without them, a directory that is read-only) the body
    runs without one: a lock is a help, and no reason not to work.

    Args:
        path: Path of the lock's file, whose directory is there.
        wait: Boolean, whether to wait until the lock is free.

    Raises:
        Busy: The lock is not free, and `wait` is false.
    """
    # A soft lock in place of a missing one would outlive a process that is killed.
    lock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=wait)
    except filelock.Timeout:
        raise Busy(f"another process holds {path}") from None
    except OSError:
        pass
    try:
        yield
    finally:
        if lock.is_locked:
            # Deleted while it is held, a file is missed by whoever waits for it: filelock looks
            # whether the file that it locked still has its name, and else takes a new one.
            with contextlib.suppress(OSError):
                path.unlink()
            lock.release()
