import sys
import threading

from trainers.comparison.jobs import Jobs


def python(program):
    return [sys.executable, "-c", program]


def test_a_result_is_empty_or_the_last_line_of_what_went_wrong(tmp_path):
    jobs = Jobs(2)
    good = jobs.submit(python("print('fine')"), tmp_path / "logs" / "good.log")
    bad = jobs.submit(python("print('one'); raise SystemExit('two')"), tmp_path / "bad.log")
    mute = jobs.submit(python("raise SystemExit(3)"), tmp_path / "mute.log")
    assert [future.result() for future in (good, bad, mute)] == ["", "two", "exit code 3"]
    assert (tmp_path / "logs" / "good.log").read_text() == "fine\n"


def test_what_needs_a_command_starts_after_it_and_not_if_it_failed(tmp_path):
    jobs = Jobs(2)
    made = tmp_path / "made"
    first = jobs.submit(python(f"open({str(made)!r}, 'w')"), tmp_path / "1.log")
    second = jobs.submit(python(f"open({str(made)!r})"), tmp_path / "2.log", [first])
    failing = jobs.submit(python("raise SystemExit(1)"), tmp_path / "3.log")
    third = jobs.submit(python("print('made')"), tmp_path / "4.log", [first, failing])
    assert second.result() == ""
    assert third.result() == "a run that it learns from failed"
    assert not (tmp_path / "4.log").exists()


def test_a_stop_ends_what_runs_and_starts_nothing_more(tmp_path):
    jobs = Jobs(1)
    log = tmp_path / "1.log"
    running = jobs.submit(python("import time; print('running', flush=True); time.sleep(600)"), log)
    waiting = jobs.submit(python("print('never')"), tmp_path / "2.log")
    while not (log.exists() and "running" in log.read_text()):
        threading.Event().wait(0.01)
    jobs.stop()
    assert running.result() == "running"  # its last line: it was ended by a signal
    assert waiting.cancelled() or waiting.result() == "interrupted"
    assert not (tmp_path / "2.log").exists()
