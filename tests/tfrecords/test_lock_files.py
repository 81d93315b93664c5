"""Locks among real processes."""

import contextlib
import errno
import os
import subprocess
import sys

import filelock
import pytest

from tfrecords import lock_files
from tfrecords.building import lock
from tfrecords.building.options import BuildError

HOLD = """
import pathlib, sys
from tfrecords import lock_files
from tfrecords.building import lock
directory = pathlib.Path(sys.argv[1])
ranges = [int(x) for x in sys.argv[2:]]
held = lock.lock(directory, tuple(ranges)) if ranges else lock_files.held(directory / ".lock")
with held:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another(directory, *shard_range):
    """Another process that holds a range's lock, or `.lock`, as long as the body runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), *map(str, shard_range)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.communicate()


def test_a_lock_keeps_others_out_and_is_free_afterwards(tmp_path):
    path = tmp_path / ".lock"
    with another(tmp_path), pytest.raises(lock_files.Busy), lock_files.held(path):
        pass
    with lock_files.held(path):
        assert path.exists()
    assert os.listdir(tmp_path) == []


def test_a_killed_process_leaves_no_lock(tmp_path):
    path = tmp_path / ".lock"
    with another(tmp_path) as process:
        process.kill()
        process.wait()
    assert os.listdir(tmp_path) == [".lock"]
    with lock_files.held(path):
        pass
    assert os.listdir(tmp_path) == []


def test_those_who_wait_hold_it_one_after_the_other(tmp_path):
    """Each adds one to a number in a file, in two steps: none may be lost."""
    count = tmp_path / "count"
    count.write_text("0")
    program = """
import pathlib, sys
from tfrecords import lock_files
directory = pathlib.Path(sys.argv[1])
for _ in range(20):
    with lock_files.held(directory / ".lock", wait=True):
        seen = int((directory / "count").read_text())
        (directory / "count").write_text(str(seen + 1))
"""
    processes = [subprocess.Popen([sys.executable, "-c", program, tmp_path]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert count.read_text() == "80"
    assert os.listdir(tmp_path) == ["count"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_stops_nobody(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with lock_files.held(tmp_path / ".lock"), lock_files.held(tmp_path / ".lock", wait=True):
        pass
    with lock.lock(tmp_path):
        pass


def test_a_failure_of_the_body_is_its_own(tmp_path):
    with pytest.raises(OSError, match="disk"), lock_files.held(tmp_path / ".lock"):
        raise OSError("disk")
    assert not isinstance(lock_files.Busy(), OSError)
    assert issubclass(filelock.Timeout, OSError)


def refused(directory, shard_range):
    """Whether a build of this process is refused."""
    message = f"another build is writing to {directory}: wait for its end"
    try:
        with lock.lock(directory, shard_range):
            return False
    except BuildError as error:
        return str(error) == message or pytest.fail(str(error))


def test_builds_of_other_ranges_share_a_directory_and_a_whole_build_is_alone(tmp_path):
    with another(tmp_path, 0, 2):
        assert not refused(tmp_path, (1, 2))
        assert refused(tmp_path, (0, 2))
        assert refused(tmp_path, (0, 1))
        with another(tmp_path, 1, 2):
            assert refused(tmp_path, (0, 1))
        assert refused(tmp_path, (0, 1))
    with another(tmp_path, 0, 1):
        assert refused(tmp_path, (0, 1))
        assert refused(tmp_path, (1, 2))
    assert not refused(tmp_path, (0, 1))
    assert os.listdir(tmp_path) == []


def test_killed_builds_leave_no_lock_and_nothing_that_looks_like_records(tmp_path):
    for shard_range in ((0, 2), (0, 1)):
        with another(tmp_path, *shard_range) as process:
            process.kill()
            process.wait()
    assert all(name.startswith(".build") for name in os.listdir(tmp_path))
    assert not list(tmp_path.glob("*.tfrecord"))
    for shard_range in ((0, 1), (0, 2), (1, 2)):
        assert not refused(tmp_path, shard_range)


def test_ranges_that_start_at_one_moment_all_start(tmp_path):
    program = """
import pathlib, sys
from tfrecords.building import lock
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    with lock.lock(pathlib.Path(sys.argv[1]), (int(sys.argv[2]), 4)):
        pass
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path, str(k)], **pipes)
        for k in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
