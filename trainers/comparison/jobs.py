"""Commands that run side by side, some at once, each after those that it needs."""

import concurrent.futures
import os
import pathlib
import subprocess
from collections.abc import Sequence


class Jobs:
    """Runs commands as processes, in the order in which they are given.

    Args:
        count: Integer, the commands that run at once.
    """

    def __init__(self, count: int) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(count)
        self._running: set[subprocess.Popen] = set()
        self._stopped = False

    def submit(
        self,
        arguments: list[str],
        log: pathlib.Path,
        needed: Sequence[concurrent.futures.Future] = (),
    ) -> concurrent.futures.Future:
        """Starts a command when its turn comes.

        Args:
            arguments: List of the program and its arguments.
            log: Path of a file for what the command prints.
            needed: Sequence of futures, of commands given before, that must end well first.

        Returns:
            A future of an error message, which is empty where nothing went wrong.
        """
        return self._threads.submit(self._run, arguments, log, needed)

    def _run(
        self,
        arguments: list[str],
        log: pathlib.Path,
        needed: Sequence[concurrent.futures.Future],
    ) -> str:
        if any(future.result() for future in needed):
            return "a run that it learns from failed"
        if self._stopped:
            return "interrupted"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            process = subprocess.Popen(  # noqa: S603  (a list, of our own command)
                arguments,
                stdout=file,
                stderr=subprocess.STDOUT,
                # else what it printed could come behind what went wrong
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            self._running.add(process)
            code = process.wait()
            self._running.discard(process)
        if code == 0:
            return ""
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"

    def stop(self) -> None:
        """Ends all running commands; a run goes on from its last checkpoint when it is repeated."""
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:  # each saves a checkpoint
            process.wait()
