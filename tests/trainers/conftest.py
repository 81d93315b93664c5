"""A small synthetic record set, and the commands as a user runs them."""

import pickle
import re
import shutil
import subprocess
import sys

import pytest

from tests.trainers import forks
from tfrecords.building import builder as build
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import Synthetic
from tfrecords.description import DatasetInfo
from trainers.config.model_inputs import inputs_of_records
from trainers.running import assembly
from trainers.running.command import alone

ROOT = forks.ROOT


def complaints(done):
    """What a command printed to stderr but its progress, of which a slow machine sees some."""
    progress = re.compile(r".+: [\d,]+ of [\d,]+(, .+)?, \d+ s spent(, about \d+ s left)?")
    return [line for line in done.stderr.splitlines() if not progress.fullmatch(line)]


@pytest.fixture(scope="session")
def once(tmp_path_factory, request):
    """A function: name, maker -> a directory, and what its maker returned.

    Of the processes of pytest-xdist the first one makes it, and the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent

    def found(name, make):
        answer = base / f"{name}.pickle"
        with alone(base / f"{name}.lock"):  # the maker's own command locks its directory
            if not answer.exists():
                answer.write_bytes(pickle.dumps(make(base / name)))
        return base / name, pickle.loads(answer.read_bytes())

    return found


@pytest.fixture(scope="session")
def records(once):
    """120 clips to train and validate on, 40 to test on, in shards of 32."""

    def make(directory):
        options = BuildOptions(
            dataset=Synthetic(120, 40, audio_strength=4.0, video_strength=4.0),
            source=str(directory / "clips"),
            output=str(directory),
            clips_per_shard=32,
        )
        build.build(options, progress=False)

    return once("records", make)[0]


def pipeline(config, worker=(0, 1)):
    """The data of a run."""
    info = DatasetInfo.load(config.data_dir)
    return assembly.pipeline(config, inputs_of_records(config, info), worker)


def command(module, *arguments, check=True, cwd=None, fresh=False, eager=False):
    """Runs `python -m trainers.<module>`; what it printed.

    It is a process of its own if `fresh`, and builds no graphs if `eager`: for tests of what else a
    command does.
    """
    if fresh:
        done = subprocess.run(
            [sys.executable, "-m", f"trainers.{module}", *arguments],
            capture_output=True,
            text=True,
            env=forks.environment(),
            check=False,
            cwd=cwd,
        )
    else:
        done = forks.run(f"trainers.{module}", arguments, cwd, eager)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def flags_of_run(records):
    return [
        f"--data_dir={records}",
        "--batch_size=16",
        "--epochs=3",
        "--log_every=2",
        "--deterministic",
    ]


@pytest.fixture(scope="session")
def finished_run(flags_of_run, once, tmp_path_factory):
    """A finished run: its directory and what it printed."""
    made, printed = once(
        "run", lambda d: command("fit", *flags_of_run, f"--model_dir={d}", fresh=True)
    )
    return shutil.copytree(made, tmp_path_factory.mktemp("runs") / "run"), printed
