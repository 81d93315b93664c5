"""Measures what is claimed about training on a GPU: `python -m benchmarks.gpu --help`.

One command writes a page with the machine, the goals, and the numbers beside them. Our steps and
PyTorch's live in a process each and take turns, a third process feeds a fit loop. The parts are in
the order of their importance, each with a limit of time, and the page is written whenever something
is known: a run that is cut off leaves what it had. Where there is no GPU, it is a dry run of tiny
sizes, which says so.
"""

import pathlib
import sys
import tempfile
import time
from typing import Any

from absl import app, flags

from benchmarks import paired
from benchmarks.comparison import Comparison, StepWorker
from benchmarks.gpu_page import Page, Section, feeding_table
from benchmarks.gpu_parts import PARTS, FeedingPart, StepPart
from benchmarks.sizes import FULL, TINY, Sizes
from benchmarks.workers import Failed, Worker


class Run:
    """The parts, over one budget of time.

    Args:
        page: Page for the results.
        seconds: Number, the budget.
        quick: Boolean, whether sizes are tiny; without a GPU they are.
    """

    def __init__(self, page: Page, seconds: float, quick: bool) -> None:
        self.page, self.end = page, time.monotonic() + seconds
        self._directory = tempfile.TemporaryDirectory()
        self._workers: list[Worker] = []
        self._start(TINY if quick else FULL)
        gpu = self._describe()
        if not gpu and not quick:
            self._stop()
            self._start(TINY)
        if self.sizes is TINY:
            page.dry = "GPU" if gpu else "CPU"
        self.rounds, self.count = (6, 10) if gpu else (2, 1)
        page.about += [
            f"{self.sizes}".replace("Sizes(", "sizes: ").rstrip(")"),
            f"{self.rounds} rounds of {self.count} steps; times are medians, ratios are of pairs "
            "with their 95 % intervals",
            "TF32 in both frameworks; PyTorch: channels-last on a GPU, `cudnn.benchmark`",
        ]

    def _start(self, sizes: Sizes) -> None:
        """Starts the processes, which import their frameworks at the same time."""
        self.sizes = sizes
        self.clips, self.batches, self.fits = (16, 2, 2) if sizes is TINY else (512, 40, 3)
        # threads that wait for each other are slow where other work takes the cores
        self.threads = 1 if sizes is TINY else 0
        frameworks = ("TensorFlow", "PyTorch")
        self.steps = {name: StepWorker(name, sizes, self.threads) for name in frameworks}
        directory = self._directory.name
        self.feeding = Worker("benchmarks.feeding:Feeding", sizes, directory, self.clips)
        self._workers += [*self.steps.values(), self.feeding]

    def _describe(self) -> str:
        """Puts the machine on the page; returns the name of TensorFlow's GPU, or ""."""
        self.page.about, gpu = [paired.processor()], ""
        for name, worker in self.steps.items():
            try:
                about = worker.ask("describe", seconds=min(90, self._left()))
            except Failed as error:
                self.page.about.append(f"{name}: {error}")
                continue
            self.page.about.append(f"{about['versions']}: {about['gpu'] or 'no GPU'}")
            gpu = about["gpu"] if name == "TensorFlow" else gpu
        return gpu

    def measure(self, part: StepPart | FeedingPart) -> None:
        """Measures a part, in the time that is left."""
        print(f"\n## {part.title}\n", flush=True)
        section = Section(part.title)
        self.page.sections.append(section)
        slow = 3 if self.page.dry else 1  # compilers on a CPU
        seconds = min(slow * part.seconds, self._left())
        if seconds <= 0:
            section.failure = "not started: the time was over"
        elif isinstance(part, StepPart):
            self._measure_steps(part, section, seconds)
        else:
            self._measure_feeding(part, section, seconds)
        self.page.write()
        print(section.report(), flush=True)

    def _measure_steps(self, part: StepPart, section: Section, seconds: float) -> None:
        compared = Comparison(part.candidates, self.sizes.batch)
        self.page.comparisons.append(compared)
        section.command = part.command(self.sizes.as_flags(), self.threads, self.rounds)
        section.text = compared.table
        workers = self.steps
        if part.environment:
            alone = StepWorker("TensorFlow", self.sizes, self.threads, part.environment)
            self._workers.append(alone)
            workers = {"TensorFlow": alone}
        compared.measure(workers, seconds, self.rounds, self.count, self.page.write)

    def _measure_feeding(self, part: FeedingPart, section: Section, seconds: float) -> None:
        end = time.monotonic() + seconds
        section.command = part.command(self.sizes.as_flags(), self.clips, self.batches, self.fits)
        title = f"{part.precision.removeprefix('mixed_')}, {'XLA' if part.xla else 'no XLA'}"
        rates: list[float] = []
        pairs: list[tuple[float, float]] = []
        section.text = lambda: feeding_table(rates, {title: pairs}, self.sizes.batch)
        self.page.fits[title] = pairs

        def ask(method: str, *args: Any) -> list:
            return self.feeding.ask(method, *args, seconds=end - time.monotonic())

        try:
            ask("build")
            rates += ask("pipeline", self.batches, self.fits)
            self.page.write()
            pairs += ask("fit", part.precision, part.xla, self.batches, self.fits)
        except Failed as error:
            section.failure = str(error)

    def _left(self) -> float:
        return self.end - time.monotonic()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.close()

    def close(self) -> None:
        """Ends all processes."""
        self._stop()
        self._directory.cleanup()


def main(_: list[str]) -> None:
    """The command."""
    values = flags.FLAGS
    command = " ".join(["python -m benchmarks.gpu", *sys.argv[1:]])
    page = Page(pathlib.Path(values.output), command)
    run = Run(page, 60 * values.minutes, values.quick)
    try:
        for part in PARTS:
            run.measure(part)
    finally:
        run.close()
    print(f"{values.output} holds the page.")


if __name__ == "__main__":
    flags.DEFINE_string("output", "gpu.md", "The page, in Markdown.")
    flags.DEFINE_float("minutes", 6.0, "The budget of all parts; what doesn't fit is left out.")
    flags.DEFINE_bool("quick", False, "Whether sizes are tiny, to try the command.")
    app.run(main)
