"""`--amr_weight=auto`, `--amr_scope` and `--amr_ratio=auto|worst_case`, through whole runs."""

import csv
import json

import pytest

from tests.trainers.conftest import command
from trainers.running.callbacks import DISTANCE
from trainers.running.checkpoints import score

SMALL = ("--epochs=2", "--batch_size=32", "--encoder_width=4", "--noexport", "--frame_size=32")


@pytest.fixture(scope="module", params=["auto", "worst_case"])
def run(request, records, tmp_path_factory):
    """A finished run, its results and its epochs."""
    model_dir = tmp_path_factory.mktemp("runs") / request.param
    command("fit", f"--data_dir={records}", f"--model_dir={model_dir}", "--amr_weight=auto",
            "--amr_scope=weaker", f"--amr_ratio={request.param}", *SMALL)  # fmt: skip
    with (model_dir / "history.csv").open() as file:
        epochs = list(csv.DictReader(file))
    return request.param, model_dir, json.loads((model_dir / "results.json").read_text()), epochs


def test_the_ratio_moves_and_is_told(run):
    kind, model_dir, results, epochs = run
    assert sum(results["amr_ratio"].values()) == pytest.approx(1, abs=1e-6)
    selected = epochs[results["selected_epoch"] - 1]
    assert float(selected["amr_ratio_audio"]) == pytest.approx(results["amr_ratio"]["audio"])
    if kind == "worst_case":
        steps = [float(e["amr_ratio_audio"]) - 0.5 for e in epochs]
        assert abs(steps[0]) == pytest.approx(0.02, abs=1e-6)
    card = (model_dir / "MODEL_CARD.md").read_text()
    assert "Ratio that training found: " in card
    assert "scope `weaker`" in card


def test_multipliers_are_told_and_select_the_epoch(run):
    _, model_dir, results, epochs = run
    assert sum(results["amr_multipliers"].values()) == pytest.approx(0, abs=1e-5)
    numbers = [{k: float(e[k]) for k in (DISTANCE, "val_accuracy")} for e in epochs]
    best = max(range(len(epochs)), key=lambda k: (score(numbers[k]), -k))
    assert results["selected_epoch"] == best + 1
    assert "Multipliers of the ratio: audio " in (model_dir / "MODEL_CARD.md").read_text()


def test_a_ratio_that_is_missed_is_told(records, tmp_path):
    """One epoch is too short for the multipliers to grow."""
    where = (f"--data_dir={records}", f"--model_dir={tmp_path}/run")
    amr = ("--amr_weight=auto", "--amr_ratio=1:9")
    done = command("fit", *where, *amr, *SMALL, "--epochs=1", eager=True)
    results = json.loads((tmp_path / "run/results.json").read_text())
    points = f"{100 * results['amr_ratio_missed']:.0f} points"
    assert results["amr_ratio_missed"] > 0.02
    assert f"Training clips' shares miss the wanted ratio by {points}: " in done.stdout
    card = (tmp_path / "run/MODEL_CARD.md").read_text()
    assert f"The shares of training clips miss the ratio by {points}." in card
    assert "which came nearest to the ratio; none held it" in card


def test_an_epoch_that_misses_the_ratio_loses():
    """Whatever its accuracy; those within the tolerance are told apart by accuracy."""
    epochs = [(0.30, 0.99), (0.05, 0.90), (0.019, 0.80), (0.001, 0.79)]
    scores = [score({DISTANCE: d, "val_accuracy": a}) for d, a in epochs]
    assert sorted(scores) == [scores[0], scores[1], scores[3], scores[2]]
    assert score({"val_accuracy": 0.5}) == (0, 0.5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--amr_ratio=auto", "--amr_weight=0"], "--amr_ratio=auto has no effect"),
        (["--amr_scope=all", "--amr_weight=0"], "--amr_scope=all has no effect"),
        (["--amr_ratio=best"], "--amr_ratio=best: "),
        (["--amr_scope=encoders"], "--amr_scope"),
    ],
)
def test_what_cannot_be_is_refused(records, tmp_path, flags, message):
    done = command("fit", f"--data_dir={records}", f"--model_dir={tmp_path}", *flags, check=False)
    assert done.returncode
    assert message in done.stderr
