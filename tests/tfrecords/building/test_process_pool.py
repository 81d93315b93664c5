import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.tfrecords import files
from tfrecords.building import process_pool


def test_results_come_in_order_and_losses_cost_one_task_each():
    results = list(process_pool.run(files.double, ((x,) for x in range(30)), 2, timeout=3.0))
    assert len(results) == 30
    lost = {x: result for x, result in enumerate(results) if isinstance(result, process_pool.Lost)}
    assert all(results[x] == 2 * x for x in range(30) if x not in lost)
    assert {x: (loss.reason, loss.detail) for x, loss in lost.items()} == {
        3: ("crashed", "the process ended by SIGSEGV"),
        5: ("timed out", "not done after 3 s"),
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


def test_a_process_killed_while_it_answers_costs_that_task_alone(tmp_path):
    """40 MB do not fit into a pipe: the process waits in the middle of its answer."""
    about_to = tmp_path / "about_to"
    tasks = [(1, tmp_path / "other"), (40_000_000, about_to), (2, tmp_path / "other")]
    results = process_pool.run(files.answer, tasks, 2, timeout=60)
    assert next(results) == bytes(1)
    while not (about_to.exists() and about_to.read_text()):
        time.sleep(0.01)
    time.sleep(0.2)  # it may kill before the answer begins, and the results are the same
    os.kill(int(about_to.read_text()), signal.SIGKILL)
    lost = process_pool.Lost("crashed", "the process ended by SIGKILL")
    assert list(results) == [lost, bytes(2)]


def test_a_process_killed_between_two_tasks_costs_none(tmp_path):
    pid = tmp_path / "pid"
    results = process_pool.run(files.answer, [(x, pid) for x in range(20)], 1, timeout=60)
    assert next(results) == b""
    process = psutil.Process(int(pid.read_text()))
    process.kill()
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert list(results) == [bytes(x) for x in range(1, 20)]


def test_the_time_limit_ends_a_call_of_c_code():
    results = process_pool.run(files.count, [(10**13,), (3,)], 1, timeout=3)
    assert list(results) == [process_pool.Lost("timed out", "not done after 3 s"), 3]


def test_nothing_runs_when_the_results_are_no_longer_wanted():
    before = {child.pid for child in psutil.Process().children()}
    results = process_pool.run(files.double, ((x + 100,) for x in range(100)), 2, timeout=60)
    next(results)
    assert len({child.pid for child in psutil.Process().children()} - before) == 2
    results.close()
    assert {child.pid for child in psutil.Process().children()} <= before  # zombies count too


def test_processes_import_what_the_function_needs_and_not_the_main_program(tmp_path):
    main = tmp_path / "main.py"
    main.write_text(
        "import sqlite3, tensorflow\n"
        "from tests.tfrecords import files\n"
        "from tfrecords.building import process_pool\n"
        "(modules,) = process_pool.run(files.modules_there, [(1,)], 1, timeout=60)\n"
        "print('tests.tfrecords.files' in modules, 'sqlite3' in modules, 'tensorflow' in modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, main], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True False False\n"
