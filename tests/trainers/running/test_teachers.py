"""Methods that learn from other runs, or from held-out clips, through the command."""

import json

import keras
import pytest

from tests.trainers.conftest import command

FLAGS = ("--batch_size=16", "--epochs=1", "--noexport")


@pytest.fixture(scope="module")
def taught(records, tmp_path_factory):
    """A run of umt, beside which the teachers were trained; what was printed."""
    runs = tmp_path_factory.mktemp("taught")
    where = (f"--data_dir={records}", f"--model_dir={runs}/umt")
    options = ("--method=umt", "--method_options=weight=5")
    return runs, command("fit", *FLAGS, *where, *options, eager=True)


def results(directory):
    return json.loads((directory / "results.json").read_text())


def test_teachers_are_trained_first_and_kept(taught):
    runs, done = taught
    audio, video = runs / "synthetic-audio-amr0-seed0", runs / "synthetic-video-amr0-seed0"
    assert results(audio)["method"] == "audio"
    assert results(video)["dominance"] is None
    out = done.stdout
    assert out.index(f"teacher audio: {audio}") < out.index("model   audio")
    assert out.index("model   video") < out.index("model   umt")
    assert results(runs / "umt")["method"] == "umt"


def test_a_unimodal_run_by_hand_is_the_teacher(taught, records):
    """The same flags find the same run."""
    runs, _ = taught
    where = (f"--data_dir={records}", f"--model_dir={runs}/synthetic-audio-amr0-seed0")
    done = command("fit", *FLAGS, *where, "--method=audio", "--export")
    assert "holds this run, finished" in done.stdout


def test_ume_trains_nothing_and_shares_the_teachers(taught, records):
    runs, _ = taught
    where = (f"--data_dir={records}", f"--model_dir={runs}/ume")
    done = command("fit", *FLAGS, *where, "--method=ume", eager=True)
    assert done.stdout.count("-amr0-seed0, finished\n") == 2
    assert "AMR     none: nothing is trained" in done.stdout
    assert "epoch" not in done.stdout.split("model   ume")[1]
    found = results(runs / "ume")
    assert (found["epochs"], found["amr_weight"], found["seconds"]) == (0, 0.0, 0.0)
    again = command("evaluate", f"--model_dir={runs}/ume", eager=True)
    assert f"{100 * found['accuracy']:.2f}" in again.stdout


@pytest.mark.parametrize(
    ("teachers", "message"),
    [
        ("audio={runs}/synthetic-video-amr0-seed0", "holds a run of --method=video, not of audio"),
        ("audio={runs}/nowhere", "holds no run"),
    ],
)
def test_what_is_no_teacher_is_refused(taught, records, tmp_path, teachers, message):
    where = (f"--data_dir={records}", f"--model_dir={tmp_path}/run")
    given = f"--teachers={teachers.format(runs=taught[0])}"
    done = command("fit", *FLAGS, *where, "--method=umt", given, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_gradient_blending_weighs_its_heads_on_validation(records, tmp_path):
    where = (f"--data_dir={records}", f"--model_dir={tmp_path}/run")
    options = ("--method=gradient_blending", "--method_options=estimate_epochs=1")
    command("fit", *FLAGS, *where, *options)
    assert results(tmp_path / "run")["method"] == "gradient_blending"
    weights = keras.models.load_model(tmp_path / "run/model.keras").blend_weights.numpy()
    assert weights.sum() == pytest.approx(1)
    assert (abs(weights - 1 / 3) > 1e-3).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options", "epochs"),
    [("mslr", "window=1", 3), ("mses", "patience=1,smoothing=0", 9), ("relearning", "every=1", 3)],
)
def test_decisions_between_epochs_are_made_on_validation(
    method, options, epochs, records, tmp_path
):
    where = (f"--data_dir={records}", f"--model_dir={tmp_path}/run", "--learning_rate=1")
    asked = (f"--method={method}", f"--method_options={options}", f"--epochs={epochs}")
    command("fit", *FLAGS, *where, *asked)
    assert results(tmp_path / "run")["method"] == method
    model = keras.models.load_model(tmp_path / "run/model.keras")
    if method == "relearning":
        assert any(v.numpy().any() for v in model.audio_start.values)
    elif method == "mses":
        assert (model.least_losses.numpy() < 100).all()  # infinite before the first
    else:
        assert model.accuracies_known.numpy() >= 1
