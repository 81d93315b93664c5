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
        "task": "multiclass", "seed": seed, "accuracy": accuracy, "mAP": accuracy + 0.05,
        "dominance": shares,
        "dominance_by_target": {"probability": shares, "logit": shares},
        "seconds": 3.0, "step_seconds": step,
    }  # fmt: skip


@pytest.fixture
def lines():
    naive, ume = plan.rows(
        [("naive", ""), ("ume", "")], range(3), ("audio", "video"), weights=("1", "auto")
    )
    without = [results(s, a, 0.7) for s, a in enumerate((0.80, 0.82, 0.84))]
    amr = [results(s, a, 0.5, 0.11) for s, a in enumerate((0.802, 0.821, 0.84))]
    auto = [results(s, a, 0.4, 0.12) for s, a in ((1, 0.80), (2, 0.81))]
    alone = [results(0, 0.9, 0.6) | {"step_seconds": None, "dominance_by_target": None}]
    found = {"0": without, "1": amr, "auto": auto}
    return [tables.Line(naive, found), tables.Line(ume, {"0": alone})]


def test_table_has_the_layout_of_the_papers(lines):
    text = tables.markdown(lines, Config(modalities="audio,video"))
    naive = next(line for line in text.splitlines() if line.startswith("| naive"))
    cells = [cell.strip() for cell in naive.strip("|").split("|")]
    assert cells[:4] == ["naive", "87.00 ± 4.97", "82.00 ± 4.97", "70/30 ± 0.00"]
    assert cells[5:9] == ["1.00", "87.10 ± 4.72", "82.10 ± 4.72", "50/50 ± 0.00"]
    # 0.2, 0.1, 0.0 points: mean 0.1, s 0.1, t(0.975, 2) = 4.3027
    assert cells[10:13] == ["+0.10 ± 0.25", "yes", "1.10"]
    # -2 and -3 points: mean -2.5, s 0.7071, t(0.975, 1) = 12.706
    assert cells[14:16] == ["80.50 ± 6.35", "40/60 ± 0.00"]
    assert cells[17:] == ["-2.50 ± 6.35", "undecided", "1.20"]
    header = text[text.index("| model") :].splitlines()[0].strip("|").split("|")
    titles = {place: cell.strip() for place, cell in enumerate(header) if ":" in cell}
    assert titles == {1: "without AMR: mAP", 6: "weight 1: mAP", 13: "auto: mAP"}
    assert len(header) == len(cells) == 20
    ume = next(line for line in text.splitlines() if line.startswith("| ume"))
    assert [cell.strip() for cell in ume.strip("|").split("|")][2:] == ["90.00", *17 * "-"]
    assert "| naive | 0 | 80.00 82.00 84.00 |" in text
    assert "| naive | auto | 80.00 81.00 |" in text
    assert "74/26" not in text
    assert "| naive fusion | 44.82 | 42.20 | 74/26 |" in tables.markdown(
        lines, Config(modalities="audio,video", dataset="vggsound")
    )


def test_changes_are_paired_by_seed(lines):
    found = lines[0].results
    shuffled = tables.Line(lines[0].row, {"0": found["0"][::-1], "1": found["1"][1:], "auto": []})
    np.testing.assert_allclose(shuffled.change("1", "accuracy").points, [0.1, 0.0], atol=1e-9)
    assert shuffled.change("auto", "accuracy") is None


def test_files(lines, tmp_path):
    tables.write(tmp_path, lines, Config(modalities="audio,video"))
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["model"], r["amr_weight"], r["seeds"]) for r in rows] == [
        ("naive", "0", "3"), ("naive", "1", "3"), ("naive", "auto", "2"), ("ume", "0", "1"),
    ]  # fmt: skip
    assert rows[0]["accuracy mean"] == "82.0000"
    assert rows[1]["within 1 point"] == "yes"
    with (tmp_path / "runs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 9


def test_hparams_are_written_once(tmp_path):
    directory = tmp_path / "run"
    flags = Config(modalities="audio,video").to_json()
    for _ in range(2):
        hparams.write(directory, flags, results(0, 0.8, 0.7))
    assert len(list(directory.iterdir())) == 1
