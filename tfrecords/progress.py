"""Progress on the terminal: a bar, or now and then a line where there is no terminal."""

import sys
import time
from types import TracebackType

import rich.console
import rich.progress

_SECONDS = 15.0  # between two lines


class Progress:
    """Shows the progress of a long job.

    Args:
        title: String, what is done.
        total: Integer, the number of steps.
        show: Boolean, whether to show anything.
        done: Integer, the steps that were done before.
        transient: Boolean, whether to leave nothing on the terminal at the end.
    """

    def __init__(
        self, title: str, total: int, show: bool = True, done: int = 0, transient: bool = False
    ) -> None:
        self._title = title
        self._total = total
        self._done = self._first = self._printed = done
        self._note = ""
        console = rich.console.Console(stderr=True)
        show = show and total > done
        self._bar = None
        self._transient = transient
        self._plain = show and not console.is_terminal
        self._started = self._last = time.monotonic()
        self._first_done: float | None = None  # when; what comes before is starting up
        if show and console.is_terminal:
            self._bar = rich.progress.Progress(
                rich.progress.TextColumn("{task.description}"),
                rich.progress.BarColumn(),
                rich.progress.MofNCompleteColumn(),
                rich.progress.TextColumn("{task.fields[note]}"),
                rich.progress.TimeElapsedColumn(),
                rich.progress.TimeRemainingColumn(),
                console=console,
                transient=transient,
            )
            self._task = self._bar.add_task(title, total=total, completed=done, note="")

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._plain and self._done > self._printed and not self._transient:
            self._line()

    def advance(self, note: str = "") -> None:
        """Counts one more step.

        Args:
            note: String, a few words to show beside the numbers.
        """
        self._done += 1
        self._note = note
        if self._first_done is None:
            self._first_done = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, advance=1, note=note)
        elif self._plain and time.monotonic() - self._last > _SECONDS:
            self._last = time.monotonic()
            self._line()

    def _line(self) -> None:
        self._printed = self._done
        spent = time.monotonic() - self._started
        note = f", {self._note}" if self._note else ""
        told = f"{self._title}: {self._done:,} of {self._total:,}{note}, {spent:.0f} s spent"
        print(f"{told}{self._left()}", file=sys.stderr, flush=True)

    def _left(self) -> str:
        """The time that is left, by the steps since the first; empty before there are any."""
        steps = self._done - self._first - 1
        if steps < 1:
            return ""
        each = (time.monotonic() - self._first_done) / steps
        return f", about {each * (self._total - self._done):.0f} s left"
