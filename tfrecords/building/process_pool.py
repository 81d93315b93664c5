"""Processes that do one task at a time and may die of it.

Media from the web now and then crash, hang or bloat a decoder. Each task runs in a process that can
be lost: a task that kills its process, or that its process's alarm ends, costs only that task.

The processes are started as programs of their own: forking one that has TensorFlow loaded is
unsafe, and `multiprocessing` would import the main program again, TensorFlow with it, in each. That
is why no library does this here: Pebble and `concurrent.futures` build on `multiprocessing`, and a
process that dies between two tasks, or while it sends a result, breaks their whole pool.
"""

import contextlib
import dataclasses
import itertools
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

_MEMORY = 8 * 2**30  # bytes of address space a process may use
_AHEAD = 8  # tasks a process, done or not, beyond the one whose result is due
_PROGRAM = "import sys, tfrecords.building.process_pool as w; w.serve(int(sys.argv[1]))"


class WorkerError(Exception):
    """The error for processes that cannot be started at all."""


@dataclasses.dataclass(frozen=True)
class Lost:
    """The result of a task that did not return.

    Attributes:
        reason: String, `crashed` or `timed out`.
        detail: String, what was seen.
    """

    reason: str
    detail: str


def run(
    function: Callable[..., Any], tasks: Iterable[tuple], workers: int, timeout: float
) -> Iterator[Any]:
    """Calls a function on many arguments in other processes.

    Args:
        function: Function of a module (not of the main program).
        tasks: Iterable of the arguments of each call, drawn as needed.
        workers: Integer, the number of processes.
        timeout: Number, the seconds that a call may take.

    Yields:
        What the calls return, in the order of the tasks; `Lost` for a call that raised, took too
        long or took its process down.

    Raises:
        WorkerError: A process can't be started.
    """
    queue = enumerate(tasks)
    idle = [_Worker(function, timeout) for _ in range(workers)]
    busy: dict[Connection, tuple[_Worker, int]] = {}
    done: dict[int, Any] = {}
    try:
        for due in itertools.count():
            while True:
                room = _AHEAD * workers - len(done) - len(busy)
                for index, task in itertools.islice(queue, min(room, len(idle))):
                    worker = idle.pop()
                    busy[worker.start(task)] = (worker, index)
                if not busy and due not in done:
                    return
                for connection in wait(list(busy), timeout=0 if due in done else None):
                    worker, index = busy.pop(connection)
                    done[index] = worker.result()
                    idle.append(worker)
                if due in done:
                    break
            yield done.pop(due)
    finally:
        for worker in [*idle, *(worker for worker, _ in busy.values())]:
            worker.stop()


class _Worker:
    """A process and its replacement, should it die."""

    def __init__(self, function: Callable[..., Any], timeout: float) -> None:
        self._function = function
        self._timeout = timeout
        self._process: subprocess.Popen | None = None

    def start(self, task: tuple) -> Connection:
        """Hands a task over; the connection becomes ready when the task has come to an end."""
        if self._process is not None and self._process.poll() is not None:
            self.stop()  # killed between two tasks
        if self._process is None:
            self._launch()
        try:
            self._connection.send(task)
        except ConnectionError:  # killed just now
            self.stop()
            self._launch()
            self._connection.send(task)
        return self._connection

    def result(self) -> Any:
        """The value that the task returned, or `Lost`."""
        try:
            return self._connection.recv()
        except (EOFError, OSError):  # OSError: killed in the middle of its answer
            code = self._process.wait()
            words = self._last_words()
            self.stop()
            if code == -signal.SIGALRM:
                return Lost("timed out", f"not done after {self._timeout:g} s")
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            return Lost("crashed", f"the process ended by {how}. {words}".rstrip(". "))

    def stop(self) -> None:
        """Ends the process, whatever it is at."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._connection.close()
            self._errors.close()
            self._process = None

    def _launch(self) -> None:
        self._connection, theirs = Pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
            env=os.environ | threads | {"PYTHONPATH": os.pathsep.join(p or "." for p in sys.path)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        theirs.close()
        try:
            self._connection.send((self._function, self._timeout))
            self._connection.recv()
        except (EOFError, OSError):
            self._process.wait()
            words = self._last_words()
            self.stop()
            raise WorkerError(f"a worker process cannot be started: {words}") from None

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def serve(descriptor: int) -> None:
    """The program of a process: tasks come in and results go out by one connection.

    Args:
        descriptor: Integer, the connection's file descriptor.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's business
    with contextlib.suppress(ValueError):  # where the limit already is lower
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, BrokenPipeError):
        function, timeout = connection.recv()
        connection.send("ready")
        while True:
            task = connection.recv()
            # By default the alarm ends the process, in the middle of a C function too.
            signal.setitimer(signal.ITIMER_REAL, timeout)
            try:
                result = function(*task)
            except Exception as error:
                result = Lost("crashed", f"{type(error).__name__}: {error}")
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.send(result)
