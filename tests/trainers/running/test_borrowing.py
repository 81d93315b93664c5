"""`trainers.fit` on batches that other machines make."""

import json
import signal
import subprocess
import sys

import pytest

from tests.tfrecords import serving
from tests.trainers import forks
from tests.trainers.conftest import command, complaints
from trainers.running.multi_worker import AGAIN

# those that say when a machine is gone, which users have half a minute to start again, in no time
IMPATIENT = """
from tfrecords import quiet
from tfrecords.reading import machines
machines.PAUSE_SECONDS = 0.2
import tensorflow as tf
tf.config.run_functions_eagerly(True)
import runpy
runpy.run_module("trainers.fit", run_name="__main__", alter_sys=True)
"""


def history(model_dir):
    return (model_dir / "history.csv").read_text()


def test_a_run_on_two_machines_equals_one_without(flags_of_run, tmp_path):
    flags = [*flags_of_run, "--cache=no", "--noexport"]
    alone, lent = (f"--model_dir={tmp_path / name}" for name in ("alone", "lent"))
    command("fit", *flags, alone, eager=True)
    with serving.command() as (_, one), serving.command() as (_, two):
        done = command("fit", *flags, lent, f"--data_service={one},{two}", eager=True)
        assert f"batches made at {one},{two}, in the order of --cache=no" in done.stdout
        assert complaints(done) == []
        assert history(tmp_path / "lent") == history(tmp_path / "alone")


def test_a_machine_that_is_gone_ends_the_run(flags_of_run, tmp_path):
    flags = [*flags_of_run, "--cache=no", "--noexport", f"--model_dir={tmp_path}"]
    with serving.command() as (machine, address):
        fit = subprocess.Popen(
            [sys.executable, "-c", IMPATIENT, *flags, f"--data_service={address}",
             "--epochs=100000"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=forks.environment(),
        )  # fmt: skip
        try:
            while not (line := fit.stdout.readline()).startswith("epoch"):
                assert line, fit.stderr.read()
            machine.send_signal(signal.SIGKILL)
            _, errors = fit.communicate(timeout=300)
        finally:
            fit.kill()
    assert fit.returncode == AGAIN
    # TensorFlow may have had its own word before
    assert errors.splitlines()[-1] == (
        f"error: {address} no longer answers; `python -m tfrecords.serve` on a machine starts one; "
        "the same command goes on from the last checkpoint"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--data_service=cpu0"], "--data_service: 'cpu0' is not an address: write HOST:PORT"),
        (["--data_service=cpu0:1", "--strategy=multi_worker"], "feeds one training process"),
        (["--data_service=cpu0:1", "--cache=yes"], "--cache=yes keeps decoded clips in this"),
        (["--data_service=cpu0:1", "--skip_corrupt"], "--skip_corrupt reads mended copies"),
        (["--data_service=localhost:PORT"], "nothing answers at localhost:"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(flags_of_run, tmp_path, flags, message):
    flags = [flag.replace("PORT", str(serving.free_port())) for flag in flags]
    done = command("fit", *flags_of_run, f"--model_dir={tmp_path}", *flags, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_run_that_keeps_its_clips_goes_on_by_itself(flags_of_run, tmp_path):
    flags = [*flags_of_run, "--noexport", f"--model_dir={tmp_path}", "--epochs=1"]
    command("fit", *flags, "--cache=auto", eager=True)
    assert json.loads((tmp_path / "config.json").read_text())["cached"]
    (tmp_path / "results.json").unlink()
    done = command("fit", *flags, f"--data_service=localhost:{serving.free_port()}", check=False)
    assert done.returncode == 1
    assert "keeps its clips in memory, in an order that --data_service" in done.stderr
