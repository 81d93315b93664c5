"""The page tells what was measured for which goal, at any time, and no more."""

import pytest

from benchmarks import gpu, gpu_page
from benchmarks.comparison import Comparison
from benchmarks.gpu_page import Goal, Page, Section
from benchmarks.gpu_parts import PARTS, StepPart
from benchmarks.steps import Candidate
from benchmarks.workers import Failed
from tests.benchmarks.helpers import EAGER, OURS, Steps


def measured(seconds, rounds=2):
    compared = Comparison(list(seconds), batch=8)
    steps = Steps(seconds)
    compared.measure({"PyTorch": steps, "TensorFlow": steps}, 60, rounds, count=1)
    return compared


@pytest.mark.parametrize(("ours", "verdict"), [(0.021, "reached"), (0.0211, "missed")])
def test_a_goal_is_a_bound_on_the_ratio_of_times(ours, verdict):
    line = Goal(OURS, EAGER, 1.0501).line([measured({EAGER: 0.02, OURS: ours})])
    ratio = f"{ours / 0.02:.3f}"
    assert line[1:] == ["at most 1.05", f"{ratio} [{ratio}, {ratio}]", verdict]


def test_a_goal_takes_the_last_comparison_that_has_both():
    both, other = measured({EAGER: 0.02, OURS: 0.01}), measured({EAGER: 0.02})
    assert Goal(OURS, EAGER, 1.0).line([both, other])[3] == "reached"
    assert Goal(OURS, EAGER, 1.0).line([other])[2:] == ["not measured", ""]
    once = measured({EAGER: 0.02, OURS: 0.01}, rounds=1)  # no interval, no claim
    assert Goal(OURS, EAGER, 1.0).line([once])[2:] == ["not measured", ""]


@pytest.mark.parametrize(("loop", "verdict"), [(1.1, "reached"), (1.2, "missed")])
def test_the_loop_keeps_nine_tenths_of_the_rate(loop, verdict):
    line = gpu_page.fit_line("float32", [(1.0, loop), (2.0, 2 * loop)])
    assert line[1] == "at least 0.90"
    assert line[2].startswith(f"{1 / loop:.3f} ")
    assert line[3] == verdict


def test_every_claim_has_its_goal_in_both_precisions():
    found = [(goal.denominator.kind, goal.denominator.framework, goal.denominator.compiled,
              goal.numerator.precision, goal.most) for goal in gpu_page.step_goals()]  # fmt: skip
    for precision in ("float32", "mixed_bfloat16"):
        assert ("without AMR", "PyTorch", False, precision, 1.0) in found
        assert ("without AMR", "PyTorch", True, precision, 1.05) in found
        assert ("plain", "TensorFlow", True, precision, 1.02) in found
    assert all(goal.numerator.kind == "with AMR" for goal in gpu_page.step_goals())


def test_every_goal_is_measured_by_a_part():
    together = [set(part.candidates) for part in PARTS if isinstance(part, StepPart)]
    for goal in gpu_page.step_goals():
        pair = {goal.numerator, goal.denominator}
        assert any(pair <= found for found in together), goal


def test_a_dry_run_says_so_first_and_judges_nothing(tmp_path):
    page = Page(tmp_path / "gpu.md", "python -m benchmarks.gpu")
    page.comparisons.append(measured({EAGER: 0.02, OURS: 0.01}))
    page.write()
    assert "| reached |" in page.path.read_text()
    page.dry = "CPU"
    page.write()
    text = page.path.read_text()
    assert text.split("\n\n")[1] == gpu_page.DRY.format("CPU")
    assert "| dry run |" in text
    assert "reached" not in text


def test_a_section_ends_with_why_it_is_not_finished(tmp_path):
    page = Page(tmp_path / "gpu.md", "python -m benchmarks.gpu")
    page.sections.append(Section("Steps", "python -m one", lambda: "| a |", "out of time"))
    assert page.text().endswith(
        "## Steps\n\nThis part without the rest: `python -m one`\n\n| a |\n\n"
        "**Not finished:** out of time.\n"
    )


class Feeding:
    """In a worker's place, whose loop in bfloat16 fails."""

    def __init__(self, target, sizes, directory, clips):
        pass

    def ask(self, method, *args, seconds):
        if method == "fit":
            if args[0] == "mixed_bfloat16":
                raise Failed("out of memory")
            return [(0.9, 1.0), (0.9, 1.0)]
        return [100.0, 300.0, 200.0]

    def close(self):
        pass


class AnySteps(Steps):
    """A framework without a GPU, whose steps all take a second."""

    def __init__(self, framework, sizes, threads, environment=None):
        super().__init__({})

    def ask(self, method, *args, seconds):
        return {"gpu": "", "versions": "1.0"} if method == "describe" else (1.0, None)

    def close(self):
        self.made.clear()


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "StepWorker", AnySteps)
    monkeypatch.setattr(gpu, "Worker", Feeding)
    return Page(tmp_path / "gpu.md", "python -m benchmarks.gpu")


def test_all_parts_are_measured_and_one_that_fails_leaves_the_others(page):
    run = gpu.Run(page, 600, quick=False)
    assert page.dry == "CPU"
    for part in PARTS:
        run.measure(part)
    run.close()
    text = page.path.read_text()
    assert [f"## {part.title}" in text for part in PARTS] == [True] * len(PARTS)
    assert "pipeline, all cores | 200 (100 to 300)" in text
    assert "**Not finished:** out of memory." in text
    assert text.count("not measured") == 1  # that loop
    assert text.count("1.000 [1.000, 1.000]") > len(gpu_page.step_goals())


def test_without_time_nothing_is_measured_and_every_part_says_so(page):
    run = gpu.Run(page, 0, quick=True)
    for part in PARTS:
        run.measure(part)
    text = page.path.read_text()
    assert text.count("**Not finished:** not started: the time was over.") == len(PARTS)
    assert text.count("not measured") == len(gpu_page.step_goals())


def test_candidates_tell_their_compiler():
    texts = [str(Candidate(f, "with AMR", "mixed_bfloat16", c))
             for f in ("TensorFlow", "PyTorch") for c in (True, False)]  # fmt: skip
    assert texts == [
        "ours with AMR, bfloat16, XLA",
        "ours with AMR, bfloat16, no XLA",
        "PyTorch with AMR, bfloat16, torch.compile",
        "PyTorch with AMR, bfloat16, eager",
    ]
