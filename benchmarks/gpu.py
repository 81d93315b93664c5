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

from absl import app, flags

from benchmarks import paired
from benchmarks.comparison import Comparison, StepWorker
from benchmarks.gpu_page import Page, Section, feeding_table
from benchmarks.sizes import FULL, TINY
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
    """The pipeline, and the loop of `fit` in several precisions.

    Attributes:
        title: String, its title.
        runs: Sequence of pairs, the loop's precision and whether XLA compiles its step.
        seconds: Number, the most time that it may take.
    """

    title: str
    runs: list[tuple[str, bool]]
    seconds: float


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
    StepPart("Steps in bfloat16, no XLA", steps_of(HALF, "eager ours plain"), 45),
    FeedingPart("The data: pipeline and fit loop", [(SINGLE, False), (HALF, True)], 110),
    StepPart(
        "Steps in bfloat16, torch.compile",
        steps_of(HALF, "compiled compiled-amr xla-ours ours"), 60,
    ),
    StepPart("Steps in float32, XLA", steps_of(SINGLE, "eager xla-ours xla-plain"), 110),
    StepPart(
        "Steps in float32, torch.compile",
        steps_of(SINGLE, "compiled compiled-amr xla-ours ours"), 60,
    ),
    # whether it is cuDNN's workspace that takes the memory
    StepPart(
        "Steps in float32, no XLA, workspaces of 256 MB at most", steps_of(SINGLE, "ours"), 60,
        {"TF_CUDNN_WORKSPACE_LIMIT_IN_MB": "256"},
    ),
)  # fmt: skip


class Run:
    """The parts, over one budget of time.

    Args:
        page: Page, where results go.
        seconds: Number, the budget.
        quick: Boolean, whether sizes are tiny; without a GPU they are.
    """

    def __init__(self, page: Page, seconds: float, quick: bool) -> None:
        self.page, self.end = page, time.monotonic() + seconds
        self._workers: list[Worker] = []
        self.sizes = TINY if quick else FULL
        self.steps = self._step_workers()
        self.gpu = self._describe()
        if not self.gpu and not quick:
            self.close()
            self.sizes = TINY
            self.steps = self._step_workers()
        if self.sizes is TINY:
            page.dry = "GPU" if self.gpu else "CPU"
        self.rounds, self.count = (6, 10) if self.gpu else (2, 1)
        page.about += [
            f"{self.sizes}".replace("Sizes(", "sizes: ").rstrip(")"),
            f"{self.rounds} rounds of {self.count} steps; times are medians, ratios are of pairs "
            "with their 95 % intervals",
            "TF32 in both frameworks; PyTorch: channels-last on a GPU, `cudnn.benchmark`",
        ]

    def measure(self, part: StepPart | FeedingPart) -> None:
        """Measures a part, in the time that is left."""
        print(part.title, flush=True)
        section = Section(part.title)
        self.page.sections.append(section)
        if self._left() <= 0:
            section.failure = "not started: the time was over"
        elif isinstance(part, StepPart):
            self._measure_steps(part, section)
        else:
            self._measure_feeding(part, section)
        self.page.write()
        print(section.report(), flush=True)

    def _measure_steps(self, part: StepPart, section: Section) -> None:
        compared = Comparison(part.candidates, self.sizes.batch)
        self.page.comparisons.append(compared)
        section.command = part.command(self.sizes.as_flags(), self.rounds)
        section.text = compared.table
        workers = self.steps
        if part.environment:
            workers = {"TensorFlow": self._started(
                StepWorker("TensorFlow", self.sizes, environment=dict(part.environment))
            )}  # fmt: skip
        seconds = min(part.seconds, self._left())
        compared.measure(workers, seconds, self.rounds, self.count, self.page.write)

    def _measure_feeding(self, part: FeedingPart, section: Section) -> None:
        clips, steps, rounds = (16, 2, 2) if self.page.dry else (512, 20, 4)
        sized = f"{self.sizes.as_flags()} --clips={clips} --steps={steps} --rounds={rounds}"
        section.command = f"python -m benchmarks.feeding {sized}"
        rates: list[float] = []
        fits: dict[str, list[tuple[float, float]]] = {}
        section.text = lambda: feeding_table(rates, fits, self.sizes.batch)
        end = time.monotonic() + min(part.seconds, self._left())
        with tempfile.TemporaryDirectory() as directory:
            worker = self._started(
                Worker("benchmarks.feeding:Feeding", self.sizes, directory, clips)
            )
            try:
                worker.ask("build", seconds=end - time.monotonic())
                rates += worker.ask("pipeline", steps, rounds, seconds=end - time.monotonic())
                for precision, xla in part.runs:
                    title = f"{precision}, {'XLA' if xla else 'no XLA'}"
                    left = end - time.monotonic()
                    fits[title] = worker.ask("fit", precision, xla, steps, rounds, seconds=left)
                    self.page.fits[title] = fits[title]
                    self.page.write()
            except Failed as error:
                section.failure = str(error)
            worker.close()

    def _step_workers(self) -> dict[str, StepWorker]:
        names = ("TensorFlow", "PyTorch")
        return {name: self._started(StepWorker(name, self.sizes)) for name in names}

    def _started(self, worker: Worker) -> Worker:
        self._workers.append(worker)
        return worker

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

    def _left(self) -> float:
        return self.end - time.monotonic()

    def close(self) -> None:
        """Ends all processes."""
        for worker in self._workers:
            worker.close()


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
