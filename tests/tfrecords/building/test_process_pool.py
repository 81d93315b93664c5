import time

import pytest

from tests.tfrecords import files
from tfrecords.building import process_pool


def test_results_come_in_order_and_losses_cost_one_task_each():
    started = time.monotonic()
    results = list(process_pool.run(files.double, ((x,) for x in range(30)), 2, timeout=1.0))
    assert time.monotonic() - started < 10
    assert len(results) == 30
    lost = {x: result for x, result in enumerate(results) if isinstance(result, process_pool.Lost)}
    assert all(results[x] == 2 * x for x in range(30) if x not in lost)
    assert {x: (loss.reason, loss.detail) for x, loss in lost.items()} == {
        3: ("crashed", "the process ended by SIGSEGV"),
        5: ("timed out", "not done after 1 s"),
        7: ("crashed", "ValueError: seven"),
        9: ("crashed", "the process ended by exit status 4"),
        11: ("crashed", lost[11].detail),
    }
    assert "Unable to allocate 64.0 GiB" in lost[11].detail


def test_tasks_are_drawn_only_a_little_ahead():
    drawn = []

    def tasks():
        for x in range(1_000):
            drawn.append(x)
            yield (x + 100,)

    results = process_pool.run(files.double, tasks(), 1, timeout=10)
    for _ in range(50):
        next(results)
    results.close()
    assert len(drawn) < 50 + 20


def test_no_task_no_process():
    assert list(process_pool.run(files.double, iter(()), 2, timeout=1)) == []


def test_a_process_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(process_pool, "_PROGRAM", "import nothing_of_this_name")
    with pytest.raises(process_pool.WorkerError, match="No module named 'nothing_of_this_name'"):
        list(process_pool.run(files.double, [(1,)], 1, timeout=1))
