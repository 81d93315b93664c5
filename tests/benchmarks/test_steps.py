"""What a framework's steps tell of time and memory, with a GPU that is none."""

import pytest

from benchmarks.steps import Steps

MB = 1_000_000


class Counted(Steps):
    """Each model holds 10 MB, and its steps 5 MB more; the first ones try kernels of 30 MB."""

    batch_bytes = 2 * MB

    def __init__(self, gpu):
        super().__init__()
        self.gpu = gpu
        self.models, self.made, self.highest = 0, 0, 0
        self.waits = []

    def build(self, name):
        self.models += 1
        steps = 0

        def step():
            nonlocal steps
            steps += 1
            self.made += 1
            extra = 30 * MB if steps == 1 else 5 * MB
            self.highest = max(self.highest, self.held() + extra)
            return self.made

        return step

    def wait(self, loss):
        self.waits.append(loss)

    def held(self):
        return self.batch_bytes + 10 * MB * self.models

    def peak(self):
        return self.highest

    def forget_peak(self):
        self.highest = self.held()


def test_the_peak_is_of_one_model_and_the_batch():
    steps = Counted("one")
    for name in ("a", "b"):  # the second finds the first in memory
        assert steps.make(name) == {"first": 42 * MB, "later": 17 * MB}
    assert Counted("").make("a") == {}


@pytest.mark.parametrize(("gpu", "waited"), [("one", 1 + 3), ("", 1)])
def test_free_steps_wait_for_the_last_only(gpu, waited):
    steps = Counted(gpu)
    steps.make("a")
    steps.waits.clear()
    steps.made = 0
    free, each = steps.turn("a", 5)
    assert len(steps.waits) == waited
    assert steps.waits[0] == 5
    assert free >= 0
    assert (each is None) == (not gpu)
