"""Several workers on one machine: as one process, and on from the checkpoint when one is killed."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf.analysis.evaluation import Evaluator
from tests.amr_tf.models import largest_difference
from tests.trainers.conftest import ROOT, pipeline
from trainers.config.run_config import Config
from trainers.running import assembly, checkpoints, multi_worker
from trainers.running.finished_run import load_config

EPOCHS, STEPS, BATCH = 3, 6, 16


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("localhost", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def start(flags, model_dir, count=2):
    """The workers, by the documented script; their output goes to files beside the run."""
    names = ",".join(f"localhost:{port}" for port in free_ports(count))
    started = []
    for index in range(count):
        quiet = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
        environment = {
            **quiet, "WORKERS": names, "INDEX": str(index), "PYTHON": sys.executable,
            "PAUSE": "1", "PYTHONPATH": str(ROOT), "TF_NUM_INTRAOP_THREADS": "1",
        }  # fmt: skip
        log = (model_dir.parent / f"{model_dir.name}-{index}.log").open("w")
        started.append(
            subprocess.Popen(
                ["bash", "docs/multi_worker.sh", *flags, f"--model_dir={model_dir}"],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )  # fmt: skip
    return started


def finish(started, model_dir, timeout=300):
    try:
        codes = [process.wait(timeout) for process in started]
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    logs = [
        (model_dir.parent / f"{model_dir.name}-{i}.log").read_text() for i in range(len(started))
    ]
    return codes, logs


@pytest.fixture(scope="module")
def flags(records):
    return [
        f"--data_dir={records}", f"--batch_size={BATCH}", f"--epochs={EPOCHS}", "--deterministic",
        "--checkpoint_steps=2", "--log_every=2", "--amr_ratio=1:9",
        "--keep_checkpoints=20",
        "--seed=1",  # with 0, rounding flips a ReLU of the first layer in the first step
    ]  # fmt: skip


@pytest.fixture(scope="module")
def together(flags, tmp_path_factory):
    """A run of two workers."""
    model_dir = tmp_path_factory.mktemp("workers") / "run"
    started = start(flags, model_dir)
    codes, logs = finish(started, model_dir)
    assert codes == [0, 0], "\n".join(logs)
    return model_dir, logs


def test_two_workers_are_as_one_process(together):
    """One process is given, step by step, what the two workers read from their shards."""
    model_dir, _ = together
    config = Config.load(model_dir)
    parts = []
    for index in range(2):
        data = pipeline(dataclasses.replace(config, strategy="auto"), (index, 2))
        parts.append(data.train().unbatch().batch(BATCH // 2))
    both = tf.data.Dataset.zip(tuple(parts)).map(
        lambda a, b: tf.nest.map_structure(lambda x, y: tf.concat([x, y], 0), a, b)
    )
    keras.utils.set_random_seed(config.seed)
    single = assembly.model(config, data)
    # one epoch: in the second, rounding flips top classes of samples, and weights part by 1e-4
    single.fit(both, steps_per_epoch=STEPS, verbose=0, shuffle=False)
    several = keras.models.load_model(model_dir / "checkpoints" / f"step-{STEPS:09d}.keras")
    assert several.steps_done == single.steps_done == STEPS
    assert largest_difference(single, several) < 1e-5
    assert checkpoints.newest(model_dir / "checkpoints").steps_done == EPOCHS * STEPS


def test_the_chief_writes_and_all_clips_are_evaluated(together):
    model_dir, logs = together
    results = json.loads((model_dir / "results.json").read_text())
    assert results["samples"] == 40
    assert f"epoch {EPOCHS}/{EPOCHS}" in logs[0]
    assert "2 CPU devices" in logs[0]
    assert logs[1] == ""  # but for what goes wrong, the others keep quiet
    assert (model_dir / "export" / "1" / "saved_model.pb").exists()
    assert len((model_dir / "history.csv").read_text().splitlines()) == 1 + EPOCHS
    # evaluated by one process, from the saved model
    data = pipeline(load_config(model_dir))
    found = Evaluator(keras.models.load_model(model_dir / "model.keras"))(
        data.evaluate("test")
    ).summary()
    np.testing.assert_allclose(found["accuracy"], results["accuracy"])
    np.testing.assert_allclose(found["mAP"], results["mAP"], rtol=1e-6)
    np.testing.assert_allclose(
        found["dominance"]["audio"], results["dominance"]["audio"], rtol=1e-5
    )


@pytest.mark.slow
def test_a_killed_worker_starts_again_and_the_run_goes_on(together, flags, tmp_path):
    model_dir = tmp_path / "run"
    started = start(flags, model_dir)
    deadline = time.monotonic() + 240
    while len(checkpoints.saved(model_dir / "checkpoints")) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    children = subprocess.run(
        ["pgrep", "-P", str(started[1].pid)], capture_output=True, text=True, check=True
    )
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    codes, logs = finish(started, model_dir)
    assert codes == [0, 0], "\n".join(logs)
    assert "worker 1 ended with 137; starting again" in logs[1]
    assert "another worker is gone" in logs[0]
    assert "going on after" in logs[0]
    models = [checkpoints.newest(d / "checkpoints") for d in (together[0], model_dir)]
    assert largest_difference(*models) == 0


@pytest.mark.slow
def test_sigterm_to_one_ends_all_with_a_checkpoint(flags, tmp_path):
    model_dir = tmp_path / "run"
    started = start([*flags, "--epochs=200", "--checkpoint_steps=0"], model_dir)
    deadline = time.monotonic() + 240
    while not checkpoints.saved(model_dir / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.02)
    started[1].terminate()
    codes, logs = finish(started, model_dir)
    assert codes == [143, 143], "\n".join(logs)
    assert "ended by SIGTERM; the same command goes on from here" in logs[0]
    assert checkpoints.newest(model_dir / "checkpoints").steps_done < 200 * STEPS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "needs TF_CONFIG in the environment: {"),
        ("{", "is not of the form"),
        ('{"cluster": {"worker": ["a:1"]}}', "is not of the form"),
        ('{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}', "not of the form"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "an index from 0 to 0",
        ),
        (
            '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, '
            '"task": {"type": "chief", "index": 0}}',
            "all tasks are of type worker",
        ),
    ],
)
def test_tf_config_that_is_not_right(monkeypatch, content, message):
    if content is None:
        monkeypatch.delenv("TF_CONFIG", raising=False)
    else:
        monkeypatch.setenv("TF_CONFIG", content)
    with pytest.raises(ValueError, match=message.replace("{", r"\{")):
        multi_worker.this()
