"""What is claimed about training on a GPU, measured there: `python -m benchmarks.gpu --help`.

One command writes a page with the machine, the goals, and the numbers beside them. Our steps and
PyTorch's live in a process each and take turns, a third process feeds a fit loop. The parts are in
the order of their importance, each with a limit of time, and the page is written whenever something
is known: a run that is cut off leaves what it had. Where there is no GPU, it is a dry run of tiny
sizes, which says so.
"""

import dataclasses
import pathlib
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from absl import app, flags

from benchmarks import paired
from benchmarks.comparison import Comparison, StepWorker
from benchmarks.gpu_page import Page, Section, feeding_table
from benchmarks.sizes import FULL, TINY, Sizes
from benchmarks.steps import Candidate
from benchmarks.workers import Failed, Worker

HALF, SINGLE = "mixed_bfloat16", "float32"


@dataclasses.dataclass(frozen=True)
class StepPart:
    """Steps that are measured together.

    Attributes:
        title: String, its title.
        candidates: Sequence of Candidates; the first is what the others are compared with.
        seconds: Number, the most time that it may take.
        environment: Mapping, variables of a process of its own; empty for the common ones.
    """

    title: str
    candidates: list[Candidate]
    seconds: float
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def command(self, sizes: str, rounds: int) -> str:
        """What measures these steps, among others, without the rest of the page."""
        words = [f"{name}={value}" for name, value in self.environment.items()]
        words += ["python -m benchmarks.torch_step", sizes, "--threads=0", f"--rounds={rounds}"]
        words.append(f"--precision={self.candidates[0].precision}")
        words += ["--compiled"] if any(c.compiled for c in self.candidates) else []
        return " ".join(words)


@dataclasses.dataclass(frozen=True)
class FeedingPart:
    """The pipeline, and the loop of `fit`.

    Attributes:
        title: String, its title.
        precision: String, Keras' policy.
        xla: Boolean, whether XLA compiles the loop's step.
        seconds: Number, the most time that it may take.
    """

    title: str
    precision: str
    xla: bool
    seconds: float

    def command(self, sizes: str, clips: int, steps: int, rounds: int) -> str:
        """What measures it without the rest of the page."""
        return (
            f"python -m benchmarks.feeding {sizes} --clips={clips} --steps={steps} "
            f"--rounds={rounds} --precision={self.precision} --jit_compile={self.xla}"
        )


def steps_of(precision: str, names: str) -> list[Candidate]:
    """Candidates by their short names: plain, ours, xla-plain, xla-ours, eager, eager-amr, ..."""
    known = {
        "plain": ("TensorFlow", "plain", False),
        "ours": ("TensorFlow", "with AMR", False),
        "xla-plain": ("TensorFlow", "plain", True),
        "xla-ours": ("TensorFlow", "with AMR", True),
        "eager": ("PyTorch", "without AMR", False),
        "eager-amr": ("PyTorch", "with AMR", False),
        "compiled": ("PyTorch", "without AMR", True),
        "compiled-amr": ("PyTorch", "with AMR", True),
    }
    found = [known[name] for name in names.split()]
    return [Candidate(framework, kind, precision, how) for framework, kind, how in found]


PARTS = (
    StepPart("Steps in bfloat16, XLA", steps_of(HALF, "eager eager-amr xla-ours xla-plain"), 130),
    StepPart("Steps in float32, no XLA", steps_of(SINGLE, "eager eager-amr ours plain"), 75),
    FeedingPart("The data: pipeline and fit loop in float32", SINGLE, False, 80),
    StepPart(
        "Steps in bfloat16, torch.compile", steps_of(HALF, "compiled compiled-amr xla-ours"), 70
    ),
    StepPart("Steps in float32, XLA", steps_of(SINGLE, "eager xla-ours xla-plain"), 120),
    StepPart(
        "Steps in float32, torch.compile",
        steps_of(SINGLE, "compiled compiled-amr ours xla-ours"),
        70,
    ),
    StepPart("Steps in bfloat16, no XLA", steps_of(HALF, "eager compiled ours plain"), 50),
    FeedingPart("The data: pipeline and fit loop in bfloat16, XLA", HALF, True, 100),
    StepPart(  # is it cuDNN's workspace that takes the memory?
        "Steps in float32, no XLA, workspaces of 256 MB at most",
        steps_of(SINGLE, "ours"),
        60,
        {"TF_CUDNN_WORKSPACE_LIMIT_IN_MB": "256"},
    ),
)


class Run:
    """The parts, over one budget of time.

    Args:
        page: Page, where results go.
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
        self.clips, self.batches, self.fits = (16, 2, 2) if sizes is TINY else (512, 20, 4)
        self.steps = {name: StepWorker(name, sizes) for name in ("TensorFlow", "PyTorch")}
        directory = self._directory.name
        self.feeding = Worker("benchmarks.feeding:Feeding", sizes, directory, self.clips)
        self._workers += [*self.steps.values(), self.feeding]

    def _describe(self) -> str:
        """Puts the machine on the page; the name of TensorFlow's GPU, or ""."""
        self.page.about = [paired.processor()]
        gpu = ""
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
        seconds = min(part.seconds, self._left())
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
        section.command = part.command(self.sizes.as_flags(), self.rounds)
        section.text = compared.table
        workers = self.steps
        if part.environment:
            alone = StepWorker("TensorFlow", self.sizes, environment=dict(part.environment))
            self._workers.append(alone)
            workers = {"TensorFlow": alone}
        compared.measure(workers, seconds, self.rounds, self.count, self.page.write)

    def _measure_feeding(self, part: FeedingPart, section: Section, seconds: float) -> None:
        end = time.monotonic() + seconds
        numbers = self.clips, self.batches, self.fits
        section.command = part.command(self.sizes.as_flags(), *numbers)
        title = f"{part.precision.removeprefix('mixed_')}, {'XLA' if part.xla else 'no XLA'}"
        rates: list[float] = []
        pairs: list[tuple[float, float]] = []
        section.text = lambda: feeding_table(rates, {title: pairs}, self.sizes.batch)
        self.page.fits[title] = pairs

        def ask(method: str, *args: Any) -> list:
            return self.feeding.ask(method, *args, seconds=end - time.monotonic())

        try:
            ask("build")
            rates += ask("pipeline", *numbers[1:])
            self.page.write()
            pairs += ask("fit", part.precision, part.xla, *numbers[1:])
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
