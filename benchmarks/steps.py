"""Training steps of one framework, made once and then run in turns."""

import dataclasses
import time
from collections.abc import Callable, Hashable
from typing import Any

PRECISIONS = ("float32", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A training step that takes turns with others.

    Attributes:
        framework: String, `TensorFlow` or `PyTorch`.
        kind: String, `plain` (Keras' own step), `without AMR` or `with AMR`.
        precision: String, one of `PRECISIONS`.
        compiled: Boolean, whether XLA or `torch.compile` compiles it.
    """

    framework: str
    kind: str
    precision: str = "float32"
    compiled: bool = False

    def __str__(self) -> str:
        names = {"TensorFlow": ("no XLA", "XLA"), "PyTorch": ("eager", "torch.compile")}
        how = names[self.framework][self.compiled]
        who = "ours" if self.framework == "TensorFlow" else self.framework
        what = "plain Keras" if self.kind == "plain" else f"{who} {self.kind}"
        return f"{what}, {self.precision.removeprefix('mixed_')}, {how}"


class Steps:
    """The steps of one framework on one batch; subclasses say how it makes, waits and counts.

    Attributes:
        gpu: String, the name of the GPU; empty where there is none.
        batch_bytes: Integer, the size of the batch, which all steps share.
    """

    gpu = ""
    batch_bytes = 0

    def __init__(self) -> None:
        self._steps: dict[Hashable, Callable[[], Any]] = {}

    def make(self, name: Hashable) -> dict[str, int]:
        """Builds a step and makes it five times.

        Args:
            name: Hashable, from which `build` makes the step.

        Returns:
            On a GPU the peak memory in bytes, of this step's model and the batch: `first` of the
            two steps in which graphs are made and kernels chosen, `later` of three others.
        """
        others = self.held() - self.batch_bytes
        step = self.build(name)
        peaks = {}
        for when, count in (("first", 2), ("later", 3)):
            self.forget_peak()
            for _ in range(count):
                self.wait(step())
            peaks[when] = self.peak() - others
        self._steps[name] = step
        return peaks if self.gpu else {}

    def turn(self, name: Hashable, count: int) -> tuple[float, float | None]:
        """Makes steps, and takes the time.

        Args:
            name: Hashable, the step, which was made.
            count: Integer, the number of steps.

        Returns:
            Seconds a step that runs freely (only the last is waited for), and on a GPU seconds of
            one that is waited for, else None: on a CPU each step is.
        """
        step = self._steps[name]
        start = time.perf_counter()
        for _ in range(count):
            last = step()
        self.wait(last)
        free = (time.perf_counter() - start) / count
        if not self.gpu:
            return free, None
        half = -(-count // 2)
        start = time.perf_counter()
        for _ in range(half):
            self.wait(step())
        return free, (time.perf_counter() - start) / half

    def describe(self) -> dict[str, str]:
        """The GPU's name, and the versions."""
        return {"gpu": self.gpu, "versions": self.versions()}

    def build(self, name: Hashable) -> Callable[[], Any]:
        """A function that makes one step and returns its loss, which may not be known yet."""
        raise NotImplementedError

    def wait(self, loss: Any) -> None:
        """Waits until the step with this loss is done."""
        raise NotImplementedError

    def versions(self) -> str:
        """The framework and its version."""
        raise NotImplementedError

    def held(self) -> int:
        """The bytes of the GPU that are in use; 0 on a CPU."""
        return 0

    def peak(self) -> int:
        """The maximum of these bytes since `forget_peak`."""
        return 0

    def forget_peak(self) -> None:
        """Begins a new maximum."""
