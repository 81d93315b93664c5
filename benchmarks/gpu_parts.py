"""The parts of `benchmarks.gpu`, in the order of their importance."""

import dataclasses
from collections.abc import Mapping

from benchmarks.steps import Candidate

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

    def command(self, sizes: str, threads: int, rounds: int) -> str:
        """The command that measures these steps, among others, without the rest of the page."""
        words = [f"{name}={value}" for name, value in self.environment.items()]
        words += ["python -m benchmarks.torch_step", sizes]
        words += [f"--threads={threads}", f"--rounds={rounds}"]
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
        """The command that measures it without the rest of the page."""
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
        "Steps in bfloat16, torch.compile", steps_of(HALF, "compiled compiled-amr xla-ours"), 90
    ),
    StepPart("Steps in float32, XLA", steps_of(SINGLE, "eager xla-ours xla-plain"), 120),
    StepPart(
        "Steps in float32, torch.compile",
        steps_of(SINGLE, "compiled compiled-amr ours xla-ours"),
        90,
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
