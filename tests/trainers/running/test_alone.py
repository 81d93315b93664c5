import os
import subprocess
import sys

from tfrecords import lock_files

PROGRAM = """
import pathlib, sys
from trainers.running.command import alone
with alone(pathlib.Path(sys.argv[1])):
    print("alone", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_says_that_it_waits_and_then_works(tmp_path):
    directory = tmp_path / "run"
    directory.mkdir()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with lock_files.held(directory / ".lock"):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, directory], **pipes)
        line = process.stdout.readline()
        assert line == f"another process works in {directory}: waiting for its end\n"
    assert process.stdout.readline() == "alone\n"
    process.kill()
    process.communicate()
    second = subprocess.Popen([sys.executable, "-c", PROGRAM, directory], **pipes)
    assert second.communicate()[0] == "alone\n"  # what was killed keeps nobody waiting
    assert os.listdir(directory) == []
