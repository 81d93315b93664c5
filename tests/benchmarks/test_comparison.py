"""Steps that take turns: ratios of whole rounds, and lines for what failed."""

import pytest

from benchmarks.comparison import Comparison, StepWorker
from benchmarks.sizes import TINY
from benchmarks.steps import Candidate
from benchmarks.workers import Failed, Worker
from tests.benchmarks.helpers import EAGER, OURS, PLAIN, Steps

COMPILED = Candidate("PyTorch", "without AMR", compiled=True)


def rows(comparison):
    lines = [line.strip("| ").split(" | ") for line in comparison.table().splitlines()[2:]]
    return {line[0]: [cell.strip() for cell in line[1:]] for line in lines}


def test_the_table_holds_medians_rates_and_ratios():
    peaks = {"first": 3_000_000_000, "later": 2_500_000_000}
    torch = Steps({EAGER: 0.02}, waited=0.03, peaks=peaks)
    ours = Steps({OURS: 0.04}, waited=0.05)
    compared = Comparison([EAGER, OURS], batch=8)
    compared.measure({"PyTorch": torch, "TensorFlow": ours}, 60, rounds=3, count=1)
    found = rows(compared)
    assert found[str(EAGER)] == ["20.0", "30.0", "400", "3.00, 2.50", "1"]
    assert found[str(OURS)][:3] == ["40.0", "50.0", "200"]
    assert found[str(OURS)][4] == "2.000 [2.000, 2.000]"


def test_everyone_is_first_in_turn():
    order = []
    ours = Steps({OURS: 1, PLAIN: 1})
    ours.turns = order
    Comparison([PLAIN, OURS], 8).measure({"TensorFlow": ours}, 60, rounds=2, count=1)
    assert order == [PLAIN, OURS, OURS, PLAIN]


def test_what_cannot_be_made_gets_a_line_and_the_others_go_on():
    torch = Steps({EAGER: 0.02}, failing=[COMPILED])
    compared = Comparison([COMPILED, EAGER, OURS], batch=8)
    known = []
    compared.measure(
        {"PyTorch": torch, "TensorFlow": Steps({OURS: 0.01})}, 60, rounds=2, count=1,
        changed=lambda: known.append(compared.table()),
    )  # fmt: skip
    found = rows(compared)
    assert found[str(COMPILED)] == ["", "", "", "", "no compiler"]
    assert found[str(OURS)][4] == "0.500 [0.500, 0.500]"  # of the first that there is
    assert "no compiler" in known[0]
    assert "not measured yet" in known[0]


def test_a_round_that_is_cut_off_does_not_count():
    torch, ours = Steps({EAGER: 0.02}), Steps({OURS: 0.01}, ends_in_round=3)
    compared = Comparison([EAGER, OURS], batch=8)
    compared.measure({"PyTorch": torch, "TensorFlow": ours}, 60, rounds=5, count=1)
    assert compared.seconds(EAGER) == [0.02, 0.02]
    assert compared.seconds(OURS) == [0.01, 0.01]
    assert rows(compared)[str(OURS)][4] == "0.500 [0.500, 0.500]; round 3: out of time"
    assert compared.seconds(PLAIN) == []


def test_a_step_is_made_once_and_not_tried_again_when_it_failed(monkeypatch):
    asked = []

    def ask(self, method, candidate, seconds):
        asked.append(candidate)
        if candidate == OURS:
            raise Failed("out of time")
        return {"first": 1}

    monkeypatch.setattr(Worker, "_start", lambda self: setattr(self, "_process", None))
    monkeypatch.setattr(Worker, "ask", ask)
    worker = StepWorker("TensorFlow", TINY)
    for _ in range(2):
        assert worker.make(PLAIN, 60) == {"first": 1}
        with pytest.raises(Failed, match="out of time"):
            worker.make(OURS, 60)
    assert asked == [PLAIN, OURS]
    worker.close()  # its process is gone, and what it had made with it
    assert worker.made == {}
