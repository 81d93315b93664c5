"""`tfrecords.serve`, and the script that keeps it alive, as a user runs them."""

import signal
import socket
import subprocess
import sys

import psutil
import pytest

from tests.tfrecords import serving
from tests.tfrecords.reading.test_pipeline import INPUTS, write
from tests.trainers import forks
from tfrecords.reading.data_service import ServedPipeline


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_serves_and_stops(tmp_path, ending):
    with serving.command() as (process, address):
        assert address.startswith("localhost:")
        lent = ServedPipeline(write(tmp_path), INPUTS, 4, (address,))
        lent.check()
        stream = iter(lent.train())
        next(stream)
        process.send_signal(ending)
        printed, errors = process.communicate(timeout=600)
    assert (process.returncode, printed, errors) == (0, "stopped\n", "")


def test_it_refuses_a_port_that_is_taken():
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with serving.command(port) as (process, _):
            assert process.wait(600) == 1
            assert process.stderr.read() == (
                f"error: port {port} cannot be had (Address already in use): choose --port\n"
            )


def test_the_script_shows_the_training_serves_and_starts_again():
    port = serving.free_port()
    script = ["bash", "docs/data_service.sh"]
    settings = {"MACHINES": f"cpu9:1,localhost:{port}", "PYTHON": sys.executable, "PAUSE": "0"}
    environment = {**forks.environment(), **settings}
    with subprocess.Popen(
        script, env={**environment, "INDEX": "1"}, cwd=forks.ROOT, text=True, stdout=subprocess.PIPE
    ) as process:
        try:
            for _ in range(2):
                assert f"serving clips at localhost:{port}" in process.stdout.readline()
                children = psutil.Process(process.pid).children()
                assert len(children) == 1
                children[0].kill()
            assert f"serving clips at localhost:{port}" in process.stdout.readline()
        finally:
            process.terminate()
        assert process.wait(600) == 143
        assert process.stdout.read() == "stopped\n"
    first = subprocess.Popen(
        script, env={**environment, "INDEX": "0", "MACHINES": f"localhost:{port}"}, cwd=forks.ROOT,
        text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    with first:
        shown = first.stdout.readline()
        assert (
            shown == f"python -m trainers.fit --data_service=localhost:{port} --data_dir=DIR ...\n"
        )
        first.terminate()
    done = subprocess.run(
        script, env={**environment, "INDEX": "2"}, cwd=forks.ROOT, capture_output=True, text=True
    )
    assert done.returncode
    assert "INDEX is not that of one of MACHINES" in done.stderr
