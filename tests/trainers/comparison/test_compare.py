"""The command that makes Table 1, on two methods of one epoch."""

import csv
import json
import shutil

import pytest

from tests.trainers.conftest import command, complaints

FLAGS = ("--epochs=1", "--batch_size=16", "--seeds=1")


@pytest.fixture(scope="module")
def compared(records, tmp_path_factory):
    """naive with two weights, and ume, whose teachers are made first; what was printed."""
    output = tmp_path_factory.mktemp("compared")
    done = compare(records, output, "--methods=naive,ume", "--amr_weight=1,auto")
    return output, done


def compare(records, output, *arguments, check=True):
    where = (f"--data_dir={records}", f"--output_dir={output}")
    return command("compare", *FLAGS, *where, *arguments, check=check, eager=True)


def numbers(output):
    """table.csv, which has no times."""
    with (output / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_runs_and_tables(compared):
    output, done = compared
    lines = done.stdout.splitlines()
    assert lines[0].startswith("6 runs, 0 of them finished")
    assert [line.split(":")[0] for line in lines[1:7]] == [
        "[1/6] audio-amr0-seed0", "[2/6] video-amr0-seed0", "[3/6] naive-amr0-seed0",
        "[4/6] naive-amr1-seed0", "[5/6] naive-amrauto-seed0", "[6/6] ume-amr0-seed0",
    ]  # fmt: skip
    assert all("about 0 min left" in line or "min left" in line for line in lines[1:7])
    assert [(r["model"], r["amr_weight"]) for r in numbers(output)] == [
        ("naive", "0"), ("naive", "1"), ("naive", "auto"), ("ume", "0"),
    ]  # fmt: skip
    assert (output / "table.md").read_text() in done.stdout
    for name in (
        "table.png",
        "dominance.png",
        "accuracy-dominance.png",
        "runs.csv",
        "tensorboard/naive-amr1-seed0",
    ):
        assert (output / name).exists()
    weights = {
        name: json.loads((output / "runs" / name / "results.json").read_text())["amr_weight"]
        for name in ("naive-amr0-seed0", "naive-amr1-seed0", "naive-amrauto-seed0")
    }
    assert list(weights.values()) == [0.0, 1.0, "auto"]
    config = json.loads((output / "runs/ume-amr0-seed0/config.json").read_text())["flags"]
    assert config["teachers"].startswith(f"audio={output}/runs/audio-amr0-seed0,video=")
    assert complaints(done) == []


@pytest.mark.slow
def test_a_failure_stops_nothing_and_what_is_missing_alone_is_made_again(
    compared, records, tmp_path
):
    output = tmp_path / "copy"
    shutil.copytree(compared[0], output)
    before = numbers(output)
    # as if killed while it tested: trained, without results
    (output / "runs/naive-amr1-seed0/results.json").unlink()
    (output / "table.csv").unlink()
    given = ("--methods=ogm(start=x),naive,ume", "--amr_weight=1,auto")
    again = compare(records, output, *given, check=False)
    assert again.returncode == 1
    assert "9 runs, 5 of them finished" in again.stdout
    assert "ogm-start=x-amr0-seed0: FAILED:" in again.stdout
    assert "3 of 9 runs failed: ogm-start=x-amr0-seed0, ogm-start=x-amr1-seed0" in again.stderr
    assert "[9/9] naive-amr1-seed0" in again.stdout
    assert again.stdout.count("accuracy 1") + again.stdout.count("accuracy 2") <= 2
    assert numbers(output) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--methods=magic",), "no method 'magic'"),
        (("--amr_weight=0",), "runs without AMR are made anyway"),
        (("--learning_rate=1",), "holds a comparison with other flags: learning_rate (None there"),
        (("--sweep=colour=1",), "'colour' is not a flag"),
    ],
)
def test_what_cannot_be_compared_is_refused(compared, records, arguments, message):
    done = compare(records, compared[0], *arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
