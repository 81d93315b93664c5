"""Training steps of both frameworks that take turns, each framework in a process of its own."""

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks import paired
from benchmarks.sizes import Sizes
from benchmarks.steps import Candidate
from benchmarks.workers import Failed, Worker

STEPS = {
    "TensorFlow": "benchmarks.keras_steps:KerasSteps",
    "PyTorch": "benchmarks.torch_steps:TorchSteps",
}


class StepWorker(Worker):
    """A process with one framework's steps, which keeps those that it has made.

    Args:
        framework: String, a key of `STEPS`.
        sizes: Sizes, of the task.
        threads: Integer, the framework's threads; 0 for its choice.
        environment: Mapping, see `Worker`.
    """

    def __init__(
        self,
        framework: str,
        sizes: Sizes,
        threads: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.made: dict[Candidate, dict[str, int]] = {}
        self._failed: dict[Candidate, str] = {}
        super().__init__(STEPS[framework], sizes, threads, environment=environment)

    def _start(self) -> None:
        # a process that is ended may leave half a file in the cache of torch.compile
        self._cache = tempfile.TemporaryDirectory()
        self.environment["TORCHINDUCTOR_CACHE_DIR"] = self._cache.name
        super()._start()

    def make(self, candidate: Candidate, seconds: float) -> dict[str, int]:
        """Makes a step, unless it is made; its peak memory, see `Steps.make`.

        Raises:
            Failed: The step can't be made, or could not when it was tried; it is not tried again.
        """
        if candidate in self._failed:
            raise Failed(f"{self._failed[candidate]} (before)")
        if candidate not in self.made:
            try:
                self.made[candidate] = self.ask("make", candidate, seconds=seconds)
            except Failed as error:
                if seconds > 0:
                    self._failed[candidate] = str(error)
                raise
        return self.made[candidate]

    def close(self) -> None:
        """Ends the process, and all that it made with it."""
        super().close()
        self.made.clear()
        self._cache.cleanup()


@dataclasses.dataclass
class Result:
    """The results of a candidate.

    Attributes:
        free: Sequence of numbers, seconds a step that runs freely, one a round.
        waited: Sequence of numbers, seconds a step that is waited for, on a GPU.
        peaks: Mapping, the peak memory in bytes, see `Steps.make`.
        failure: String, the reason why there are no results; empty where there are.
    """

    free: list[float] = dataclasses.field(default_factory=list)
    waited: list[float] = dataclasses.field(default_factory=list)
    peaks: Mapping[str, int] = dataclasses.field(default_factory=dict)
    failure: str = ""


class Comparison:
    """Steps that take turns.

    Args:
        candidates: Sequence of Candidates; times are told against the first that is measured.
        batch: Integer, the clips of a step.
    """

    def __init__(self, candidates: Sequence[Candidate], batch: int) -> None:
        self.batch = batch
        self.results = {candidate: Result() for candidate in candidates}

    def measure(
        self,
        workers: Mapping[str, StepWorker],
        seconds: float,
        rounds: int,
        count: int,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Makes the candidates and lets them take turns; those that fail are left out.

        Args:
            workers: Mapping, framework -> its process.
            seconds: Number, the time that all may take; a sixth is kept for the turns.
            rounds: Integer, the turns of each.
            count: Integer, the steps of a turn.
            changed: Function, called whenever something is known.
        """
        end = time.monotonic() + seconds
        for candidate, result in self.results.items():
            left = end - time.monotonic() - seconds / 6
            try:
                result.peaks = workers[candidate.framework].make(candidate, left)
            except Failed as error:
                result.failure = str(error)
            changed()
        alive = [c for c, result in self.results.items() if c in workers[c.framework].made]
        for c in set(self.results) - set(alive):  # made, and lost with a process that was ended
            self.results[c].failure = self.results[c].failure or "its process was ended"
        for turn in range(rounds if alive else 0):
            k = turn % len(alive)
            times = {}
            try:
                for c in alive[k:] + alive[:k]:
                    left = end - time.monotonic()
                    times[c] = workers[c.framework].ask("turn", c, count, seconds=left)
            except Failed as error:
                self.results[c].failure = f"round {turn + 1}: {error}"
                changed()
                return
            for c, (free, waited) in times.items():  # whole rounds only: they are compared
                self.results[c].free.append(free)
                self.results[c].waited += [] if waited is None else [waited]
            changed()

    def seconds(self, candidate: Candidate) -> list[float]:
        """The seconds of a step, one number a round; empty where it was not measured."""
        result = self.results.get(candidate)
        return result.free if result else []

    def table(self) -> str:
        """The results in Markdown."""
        measured = [c for c in self.results if self.seconds(c)]
        first = measured[0] if measured else None
        head = ("", "ms a step", "ms, each waited for", "clips/s", "peak GB: first, later steps",
                "time against the first")  # fmt: skip
        rows = []
        for c, result in self.results.items():
            cells = ["", "", "", "", ""]
            if result.free:
                step = np.median(result.free)
                cells[0] = f"{1000 * step:.1f}"
                cells[1] = f"{1000 * np.median(result.waited):.1f}" if result.waited else "the same"
                cells[2] = f"{self.batch / step:.0f}"
                cells[4] = ratio(result.free, self.results[first].free)
            if result.peaks:
                cells[3] = ", ".join(f"{result.peaks[k] / 1e9:.2f}" for k in ("first", "later"))
            elif result.free:
                cells[3] = "told on a GPU only"
            if result.failure:
                cells[4] = (f"{cells[4]}; " if cells[4] else "") + result.failure.replace("|", "/")
            elif not result.free:
                cells[4] = "not measured yet"
            rows.append([str(c), *cells])
        return paired.table(head, rows)


def ratio(a: Sequence[float], b: Sequence[float]) -> str:
    """The text of `paired.ratio`, or the reason why there is none."""
    return "1" if a is b else paired.ratio(a, b) if len(a) > 1 else "one round: no interval"
