"""Intervals against closed forms, and what the tables say."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amr_tf.analysis.seed_intervals import Estimate, estimate, within
from trainers.comparison import hparams, plan, tables
from trainers.config.run_config import Config


def test_interval_of_three_points():
    """t(0.975, 2) = 4.302653; s of 1, 2, 3 is 1."""
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2
    np.testing.assert_allclose(found.half_width, 4.302653 / np.sqrt(3), rtol=1e-6)
    single = estimate([5.0])
    assert single.mean == 5
    assert np.isnan(single.low)
    with pytest.raises(ValueError, match="no points"):
        estimate([])


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (-0.5, 0.9, "yes"), (-1.0, 1.0, "yes"), (-1.2, 0.4, "undecided"), (1.2, 2.0, "no"),
        (-3.0, -1.1, "no"), (-2.0, 2.0, "undecided"), (np.nan, np.nan, "undecided"),
    ],
)  # fmt: skip
def test_equivalence(low, high, answer):
    assert within(Estimate((), 0.0, low, high), 1.0) == answer


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=6))
def test_intervals_hold_their_mean(points):
    found = estimate(points)
    assert found.low <= found.mean + 1e-9
    assert found.high >= found.mean - 1e-9


def results(seed, accuracy, audio, step=0.1):
    shares = {"audio": audio, "video": 1 - audio}
    return {
        "seed": seed, "accuracy": accuracy, "mAP": accuracy + 0.05, "dominance": shares,
        "dominance_by_target": {"probability": shares, "logit": shares},
        "seconds": 3.0, "step_seconds": step,
    }  # fmt: skip


@pytest.fixture
def lines():
    naive, ume = plan.rows([("naive", ""), ("ume", "")], range(3), ("audio", "video"))
    plain = [results(s, a, 0.7) for s, a in enumerate((0.80, 0.82, 0.84))]
    amr = [results(s, a, 0.5, 0.11) for s, a in enumerate((0.802, 0.821, 0.84))]
    alone = [results(0, 0.9, 0.6) | {"step_seconds": None, "dominance_by_target": None}]
    return [tables.Line(naive, plain, amr), tables.Line(ume, alone, [])]


def test_table_has_the_layout_of_the_papers(lines):
    text = tables.markdown(lines, Config(modalities="audio,video"))
    naive = next(line for line in text.splitlines() if line.startswith("| naive"))
    cells = [cell.strip() for cell in naive.strip("|").split("|")]
    assert cells[:4] == ["naive", "87.00 ± 4.97", "82.00 ± 4.97", "70/30 ± 0.00"]
    assert cells[5:8] == ["87.10 ± 4.72", "82.10 ± 4.72", "50/50 ± 0.00"]
    # 0.2, 0.1, 0.0 points: mean 0.1, s 0.1
    assert cells[9:] == ["+0.10 ± 0.25", "yes", "1.00", "1.10"]
    ume = next(line for line in text.splitlines() if line.startswith("| ume"))
    assert [cell.strip() for cell in ume.strip("|").split("|")][2:6] == ["90.00", "-", "-", "-"]
    assert "| naive | without | 80.00 82.00 84.00 |" in text
    assert "74/26" not in text
    assert "| naive fusion | 44.82 | 42.20 | 74/26 |" in tables.markdown(
        lines, Config(modalities="audio,video", dataset="vggsound")
    )


def test_changes_are_paired_by_seed(lines):
    shuffled = tables.Line(lines[0].row, lines[0].plain[::-1], lines[0].amr[1:])
    np.testing.assert_allclose(shuffled.change("accuracy").points, [0.1, 0.0], atol=1e-9)


def test_files(lines, tmp_path):
    tables.write(tmp_path, lines, Config(modalities="audio,video"))
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["model"], r["amr"], r["seeds"]) for r in rows] == [
        ("naive", "0", "3"), ("naive", "1", "3"), ("ume", "0", "1"),
    ]  # fmt: skip
    assert rows[0]["accuracy mean"] == "82.0000"
    assert rows[1]["within 1 point"] == "yes"
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 7
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")


def test_hparams_are_written_once(tmp_path):
    directory = tmp_path / "run"
    flags = Config(modalities="audio,video").to_json()
    for _ in range(2):
        hparams.write(directory, flags, results(0, 0.8, 0.7))
    assert len(list(directory.iterdir())) == 1
