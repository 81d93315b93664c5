"""A run that is interrupted, at any step and in any way, ends as one that never was."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tests.amr_tf.models import classifier, data, largest_difference
from tests.trainers.conftest import ROOT, command
from trainers.running import checkpoints, run_directory
from trainers.running.checkpoints import Checkpoints


def start(flags, model_dir, every=2):
    """The command, and a function that waits for something of it to be there."""
    arguments = [sys.executable, "-m", "trainers.fit", *flags, f"--model_dir={model_dir}"]
    arguments.append(f"--checkpoint_steps={every}")
    process = subprocess.Popen(
        arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def wait_for(reached):
        deadline = time.monotonic() + 240
        while not reached() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return process.poll() is None

    return process, wait_for


def steps(model_dir):
    """Of the checkpoints, the newest first."""
    return [int(path.stem.split("-")[1]) for path in checkpoints.saved(model_dir / "checkpoints")]


def assert_same_weights(*model_dirs):
    models = [checkpoints.newest(d / "checkpoints") for d in model_dirs]
    for a, b in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_array_equal(a, b)
    best = [keras.models.load_model(d / "model.keras") for d in model_dirs]
    assert largest_difference(*best) == 0
    # the interrupted epoch's training means are of its rest alone
    rows = [(d / "history.csv").read_text().splitlines()[1:] for d in model_dirs]
    assert [row.split(",")[0] for row in rows[0]] == [row.split(",")[0] for row in rows[1]]


def digest(model_dir):
    weights = checkpoints.newest(model_dir / "checkpoints").get_weights()
    return hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest()[:16]


def test_killed_damaged_and_preempted_within_epochs(finished_run, flags_of_run, tmp_path):
    """Six steps an epoch: kill -9 after step 2 or 4, a damaged checkpoint, SIGTERM later on."""
    process, wait_for = start(flags_of_run, tmp_path)
    assert wait_for(lambda: any(s % 6 for s in steps(tmp_path)[:1]) and len(steps(tmp_path)) > 1)
    process.kill()
    process.communicate()
    newest = checkpoints.saved(tmp_path / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:-3000])

    before = steps(tmp_path)[1]
    process, wait_for = start(flags_of_run, tmp_path)
    assert wait_for(lambda: steps(tmp_path)[0] > max(before + 2, 4))
    process.terminate()
    out, err = process.communicate()
    assert f"warning: {newest} cannot be loaded" in err
    assert f"going on after epoch {before // 6}" in out
    if process.returncode:  # else it had ended already
        assert process.returncode == 128 + signal.SIGTERM
        assert "ended by SIGTERM; the same command goes on from here" in out
        assert not (tmp_path / "results.json").exists()
    command("fit", *flags_of_run, f"--model_dir={tmp_path}", "--noexport")
    assert_same_weights(finished_run[0], tmp_path)
    assert len(steps(tmp_path)) == 3
    assert not list((tmp_path / "checkpoints").glob(".part*"))


@pytest.mark.slow
def test_ten_kills_at_random_moments(finished_run, flags_of_run, tmp_path):
    """Each a moment after another random one of the 18 steps, most of them within an epoch."""
    seed = int(os.environ.get("KILL_SEED", "0"))
    moments = random.Random(seed)
    killed = []
    for target in sorted(moments.sample(range(1, 18), 10)):
        process, wait_for = start(flags_of_run, tmp_path, every=1)
        assert wait_for(lambda target=target: max(steps(tmp_path), default=0) >= target)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.communicate()
        killed.append(steps(tmp_path)[0])
    command("fit", *flags_of_run, f"--model_dir={tmp_path}")
    assert_same_weights(finished_run[0], tmp_path)
    print(f"seed {seed}, killed after the steps {killed}")
    print("weights, never killed and killed:", *map(digest, (finished_run[0], tmp_path)))


def trained(directory, **options):
    """A model that was fitted for two epochs of four steps, with checkpoints."""
    model = classifier()
    x, y = data(64)
    callback = Checkpoints(directory, **options)
    for epoch in range(2):
        model.fit(
            x, y, batch_size=16, shuffle=False, verbose=0, initial_epoch=epoch, epochs=epoch + 1,
            callbacks=[_Validated(epoch), callback],
        )  # fmt: skip
    return model


class _Validated(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        logs["val_accuracy"] = 0.9 - 0.1 * self.epoch


def test_the_newest_and_the_best_are_kept(tmp_path):
    model = trained(tmp_path, steps=1, minutes=0, keep=2)
    assert [p.name for p in checkpoints.saved(tmp_path)] == [
        "step-000000008.keras", "step-000000007.keras",
    ]  # fmt: skip
    assert largest_difference(checkpoints.newest(tmp_path), model) == 0
    assert keras.models.load_model(tmp_path / "best.keras").steps_done == 4


def test_without_steps_and_minutes_epochs_end_alone(tmp_path):
    trained(tmp_path, minutes=0)
    assert [p.name for p in checkpoints.saved(tmp_path)] == [
        "step-000000008.keras", "step-000000004.keras",
    ]  # fmt: skip


def test_when_none_can_be_loaded_it_is_said(tmp_path, capsys):
    assert checkpoints.newest(tmp_path) is None
    for name in ("step-000000004.keras", "step-000000008.keras"):
        (tmp_path / name).write_bytes(b"PK\3\4 no zip")
    with pytest.raises(ValueError, match=r"no checkpoint of .* can be loaded; --overwrite trains"):
        checkpoints.newest(tmp_path)
    assert capsys.readouterr().err.count("cannot be loaded") == 2


def test_history_is_cut_where_a_run_goes_on(tmp_path):
    history = tmp_path / "history.csv"
    run_directory.trim(history, 1)
    history.write_text("epoch,val_accuracy\n0,0.5\n1,0.7\n2,0.9\n")
    run_directory.trim(history, 2)
    assert history.read_text() == "epoch,val_accuracy\n0,0.5\n1,0.7\n"
    assert run_directory.best_score(history) == (0, 0.7)
    run_directory.trim(history, 0)
    assert not history.exists()
    assert run_directory.best_score(history) is None


def test_damaged_rows_of_the_history_are_left_out_and_counted(tmp_path, capsys):
    """A machine that fails may leave half a row, or zeros."""
    history = tmp_path / "history.csv"
    history.write_text("epoch,val_accuracy\n0,0.5\n\0\0\0\n1,0.7\n2,0.9")
    run_directory.trim(history, 3)
    assert history.read_text() == "epoch,val_accuracy\n0,0.5\n1,0.7\n"
    assert capsys.readouterr().err == f"{history}: 2 rows cannot be read and are left out\n"
    history.write_text("epoch,val_accuracy\n0,nan\n1,0.7\n")
    assert run_directory.best_score(history) == (0, 0.7)


def test_minutes_between_checkpoints_within_an_epoch(tmp_path, monkeypatch):
    ticks = iter(range(0, 10_000, 25))  # seconds: each look at the clock takes 25
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: next(ticks))
    trained(tmp_path, minutes=1, keep=9)
    within = [path.name for path in checkpoints.saved(tmp_path)]
    assert within == [f"step-{step:09}.keras" for step in (8, 7, 4, 3)]
