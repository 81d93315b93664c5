"""Work in a process of its own, with a limit of time."""

import importlib
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any


class Failed(Exception):
    """The error for a request without a result; the message says why, in one line."""


class Worker:
    """An object in a child process, which answers one request after the other.

    The process starts at once, so that several import their frameworks at the same time. Where a
    request takes too long, the process and all that it started are ended, and the next request
    starts another.

    Args:
        target: String, the object's class, `module:name`.
        *args: Objects, its arguments.
        environment: Mapping, variables of its environment; those of this process by default.
    """

    def __init__(
        self, target: str, *args: Any, environment: Mapping[str, str] | None = None
    ) -> None:
        self._what = target, args
        self.environment = dict(environment or {})
        self._process: Any = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(*self._what, self.environment, theirs))
        self._process.start()
        theirs.close()

    def ask(self, method: str, *args: Any, seconds: float) -> Any:
        """Calls a method of the object.

        Args:
            method: String, its name.
            *args: Objects, its arguments.
            seconds: Number, the time after which the process is ended.

        Returns:
            What the method returns.

        Raises:
            Failed: It raised an exception, took too long, or the process died.
        """
        if seconds <= 0:
            raise Failed("not started: the time was over")
        if self._process is None:
            self._start()
        start = time.monotonic()
        try:
            self._connection.send((method, args))
            if not self._connection.poll(seconds):
                self.close()
                raise Failed(f"out of time: ended after {time.monotonic() - start:.0f} s")
            done, answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            code = self._process.exitcode
            self.close()
            raise Failed(f"its process ended by itself, exit code {code}") from error
        if not done:
            raise Failed(answer)
        return answer

    def close(self) -> None:
        """Ends the process and all that it started."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # see `_serve`
        except ProcessLookupError:  # it ended, or has not come so far
            self._process.kill()
        self._process.join()
        self._connection.close()
        self._process = None


def _serve(target: str, args: tuple, environment: dict[str, str], connection: Connection) -> None:
    """Answers requests until the other end is closed."""
    os.setpgrp()  # a group of its own, which can be ended whole
    os.environ.update(environment)
    module, name = target.split(":")
    made, why = None, ""
    try:
        made = getattr(importlib.import_module(module), name)(*args)
    except Exception as error:
        why = _line(error)
    while True:
        try:
            method, given = connection.recv()
        except EOFError:
            return
        try:
            answer = (True, getattr(made, method)(*given)) if made is not None else (False, why)
        except Exception as error:
            answer = False, _line(error)
        connection.send(answer)


def _line(error: Exception) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200]
