"""What a comparison's figures are drawn from, and that they are drawn."""

import itertools

import pytest

from tests.trainers.comparison.test_tables import results
from trainers.comparison import plan, plots, tables
from trainers.config.run_config import Config

TITLES = ["without AMR", "weight 1", "auto"]
HEADER = "epoch,accuracy,val_dominance_audio,val_dominance_video\n"


@pytest.fixture
def lines():
    naive, ume, audio = plan.rows(
        [("naive", ""), ("ume", ""), ("audio", "")], range(2), ("audio", "video"),
        weights=("1", "auto"),
    )  # fmt: skip
    alone = [results(0, 0.9, 0.5) | {"dominance_by_target": None}]
    without = [results(s, 0.8 + s / 50, 0.7 + s / 10) for s in (0, 1)]
    return [
        tables.Line(naive, {"0": without, "1": [results(0, 0.8, 0.5)], "auto": []}),
        tables.Line(ume, {"0": [results(0, 0.85, 0.6)]}),
        tables.Line(audio, {"0": alone}),
    ]


@pytest.fixture
def directory(lines, tmp_path):
    """Histories of all planned runs; those of audio have no dominance, ume has none at all."""

    def of(run):
        return tmp_path / "runs" / run.name

    for line in (lines[0], lines[2]):
        for run in itertools.chain(*line.row.runs.values()):
            of(run).mkdir(parents=True)
            shares = [0.6, 0.7 + 0.1 * run.seed, 0.75 if run.amr_weight == "0" else 0.5]
            rows = [f"{e},0.5,{a},{1 - a}" for e, a in enumerate(shares)]
            if run.method == "audio":
                rows = ["0,0.5"]
            text = (HEADER if run.method == "naive" else "epoch,accuracy\n") + "\n".join(rows)
            (of(run) / "history.csv").write_text(text + "\n")
    return of


def test_curves_are_those_of_the_finished_runs(lines, directory):
    found = plots.curves(lines[0], TITLES, directory, "audio")
    assert found["without AMR"] == [pytest.approx([60, 70, 75]), pytest.approx([60, 80, 75])]
    assert found["weight 1"] == [pytest.approx([60, 70, 50])]  # seed 1 is not finished
    assert found["auto"] == []
    for line in lines[1:]:
        assert plots.curves(line, TITLES, directory, "audio") == {title: [] for title in TITLES}


def test_points_are_means_over_seeds(lines):
    found = plots.points(lines[0], TITLES, "audio")
    assert found["without AMR"] == pytest.approx((75, 81))
    assert found["weight 1"] == pytest.approx((50, 80))
    assert found["auto"] is None
    assert plots.points(lines[1], TITLES, "audio")["weight 1"] is None
    assert plots.points(lines[2], TITLES, "audio") == dict.fromkeys(TITLES)


@pytest.mark.parametrize("ratio", ["3:1", "auto"])  # a ratio that runs find has no line
def test_figures_are_written_where_there_is_a_dominance(ratio, lines, directory, tmp_path):
    plots.write(tmp_path, lines, Config(modalities="audio,video", amr_ratio=ratio), directory)
    for name in ("table.png", "dominance.png", "accuracy-dominance.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        (tmp_path / name).unlink()
    plots.write(tmp_path, lines[2:], Config(modalities="audio,video"), directory)
    assert [path.name for path in tmp_path.glob("*.png")] == ["table.png"]


def test_a_weight_is_told_by_line_and_filling_without_its_colour():
    looks = plots.styles([*TITLES, "weight 2"]).values()
    assert len({style.dashes for style in looks}) == len({style.fill for style in looks}) == 4
    assert len(plots.styles([str(i) for i in range(9)])) == 9


def test_more_methods_than_markers(lines, directory, tmp_path):
    plots.write(tmp_path, 20 * lines[:1], Config(modalities="audio,video"), directory)
    assert (tmp_path / "accuracy-dominance.png").exists()
