"""Progress where there is no terminal: a line now and then, and one at the end."""

import pytest

from tfrecords import progress


def lines(capsys, total, steps, **settings):
    with progress.Progress("job", total, **settings) as bar:
        for step in range(steps):
            bar.advance(f"note {step}")
    return [line.split(" s spent")[0] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("total", "steps", "settings", "wanted"),
    [
        (3, 3, {}, ["job: 3 of 3, note 2, 0"]),
        (3, 2, {}, ["job: 2 of 3, note 1, 0"]),  # an error ended it
        (3, 0, {}, []),
        (1_000, 1, {"done": 999}, ["job: 1,000 of 1,000, note 0, 0"]),
        (3, 3, {"transient": True}, []),
        (3, 3, {"show": False}, []),
    ],
)
def test_a_short_job_ends_with_a_line(capsys, total, steps, settings, wanted):
    assert lines(capsys, total, steps, **settings) == wanted


def test_a_long_job_says_each_number_once(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS", -1.0)
    assert lines(capsys, 2, 2) == ["job: 1 of 2, note 0, 0", "job: 2 of 2, note 1, 0"]


def test_the_time_left_counts_from_the_first_step(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "_SECONDS", -1.0)
    with progress.Progress("job", 11) as bar:
        now[0] = 22.0  # to start up
        bar.advance()
        for _ in range(5):
            now[0] += 2
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "job: 1 of 11, 22 s spent"
    assert lines[1] == "job: 2 of 11, 24 s spent, about 18 s left"
    assert lines[-1] == "job: 6 of 11, 32 s spent, about 10 s left"
