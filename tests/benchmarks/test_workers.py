"""A worker answers, fails in a line, and is ended whole when its time is over."""

import pathlib
import time

import pytest

from benchmarks.workers import Failed, Worker

ANSWERS = "tests.benchmarks.helpers:Answers"
LONG = 120


@pytest.fixture
def started():
    made = []

    def start(*args, **options):
        made.append(Worker(ANSWERS, *args, **options))
        return made[-1]

    yield start
    for worker in made:
        worker.close()


def test_requests_are_answered_also_after_one_that_failed(started):
    worker = started("a", environment={"SAID_BY_THE_TEST": "yes"})
    assert worker.ask("say", "b", seconds=LONG) == "ab"
    with pytest.raises(Failed, match=r"^ValueError: cannot do that$"):
        worker.ask("fail", seconds=LONG)
    assert worker.ask("variable", "SAID_BY_THE_TEST", seconds=LONG) == "yes"


def test_what_cannot_be_made_fails_each_request(started):
    worker = started("broken")
    for _ in range(2):
        with pytest.raises(Failed, match=r"^ImportError: no such framework$"):
            worker.ask("say", "b", seconds=LONG)


def test_no_time_starts_nothing(started):
    with pytest.raises(Failed, match="not started: the time was over"):
        started("a").ask("say", "b", seconds=0)


def test_a_request_out_of_time_ends_its_process_with_its_children(started):
    worker = started("a")
    child = worker.ask("child", seconds=LONG)
    with pytest.raises(Failed, match="out of time"):
        worker.ask("never", seconds=0.1)
    deadline = time.monotonic() + LONG
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(child)
    assert worker.ask("say", "b", seconds=LONG) == "ab"  # of another process


def running(process):
    stat = pathlib.Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_process_that_dies_is_told_of(started):
    worker = started("a")
    with pytest.raises(Failed, match="exit code 3"):
        worker.ask("die", seconds=LONG)
    assert worker.ask("say", "b", seconds=LONG) == "ab"
