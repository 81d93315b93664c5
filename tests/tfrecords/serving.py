"""Machines that serve clips, as users start them: `tfrecords.serve` as a process."""

import contextlib
import socket
import subprocess
import sys

from tests.trainers import forks


@contextlib.contextmanager
def command(port=0):
    """The process, and its address; it ends with the context, however busy it is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tfrecords.serve", "--host=localhost", f"--port={port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=forks.environment(),
    )
    try:
        line = process.stdout.readline().strip()
        yield process, line.partition("--data_service=")[2]
    finally:
        process.kill()
        process.communicate()


def free_port():
    """The first of two that nobody has."""
    while True:
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("", 0))
            port = one.getsockname()[1]
            other.bind(("", port + 1))
            return port
