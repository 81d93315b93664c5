"""What a comparison's figures are drawn from, and that they are drawn."""

import pytest

from tests.trainers.comparison.test_tables import results
from trainers.comparison import plan, plots, tables
from trainers.config.run_config import Config

HEADER = "epoch,accuracy,val_dominance_audio,val_dominance_video\n"


@pytest.fixture
def lines():
    naive, ume, audio = plan.rows(
        [("naive", ""), ("ume", ""), ("audio", "")], range(2), ("audio", "video")
    )
    alone = [results(0, 0.9, 0.5) | {"dominance_by_target": None}]
    return [
        tables.Line(naive, [results(s, 0.8 + s / 50, 0.7 + s / 10) for s in (0, 1)],
                    [results(0, 0.8, 0.5)]),
        tables.Line(ume, [results(0, 0.85, 0.6)], []),
        tables.Line(audio, alone, []),
    ]  # fmt: skip


@pytest.fixture
def directory(lines, tmp_path):
    """Histories of all planned runs; those of audio have no dominance, ume has none at all."""

    def of(run):
        return tmp_path / "runs" / run.name

    for line in (lines[0], lines[2]):
        for run in (*line.row.plain, *line.row.amr):
            of(run).mkdir(parents=True)
            shares = [0.6, 0.7 + 0.1 * run.seed, 0.5 if run.amr else 0.75]
            rows = [f"{e},0.5,{a},{1 - a}" for e, a in enumerate(shares)]
            if run.method == "audio":
                rows = ["0,0.5"]
            text = (HEADER if run.method == "naive" else "epoch,accuracy\n") + "\n".join(rows)
            (of(run) / "history.csv").write_text(text + "\n")
    return of


def test_curves_are_those_of_the_finished_runs(lines, directory):
    found = plots.curves(lines[0], directory, "audio")
    assert found["without AMR"] == [pytest.approx([60, 70, 75]), pytest.approx([60, 80, 75])]
    assert found["with AMR"] == [pytest.approx([60, 70, 50])]  # seed 1 is not finished
    for line in lines[1:]:
        assert plots.curves(line, directory, "audio") == {"without AMR": [], "with AMR": []}


def test_points_are_means_over_seeds(lines):
    found = plots.points(lines[0], "audio")
    assert found["without AMR"] == pytest.approx((75, 81))
    assert found["with AMR"] == pytest.approx((50, 80))
    assert plots.points(lines[1], "audio")["with AMR"] is None
    assert plots.points(lines[2], "audio") == {"without AMR": None, "with AMR": None}


def test_figures_are_written_where_there_is_a_dominance(lines, directory, tmp_path):
    plots.write(tmp_path, lines, Config(modalities="audio,video", amr_ratio="3:1"), directory)
    for name in ("dominance.png", "accuracy-dominance.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        (tmp_path / name).unlink()
    plots.write(tmp_path, lines[2:], Config(modalities="audio,video"), directory)
    assert not list(tmp_path.glob("*.png"))


def test_more_methods_than_markers(lines, directory, tmp_path):
    plots.write(tmp_path, 20 * lines[:1], Config(modalities="audio,video"), directory)
    assert (tmp_path / "accuracy-dominance.png").exists()
