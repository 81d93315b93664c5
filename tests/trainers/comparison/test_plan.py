"""Which runs a comparison is made of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.comparison import asked, plan
from trainers.comparison.plan import Run

BOTH = ("audio", "video")


def test_rows_without_and_with_amr_for_every_seed():
    table = plan.rows(
        [("naive", ""), ("ogm", "alpha=0.5"), ("audio", ""), ("ume", "")], range(2), BOTH
    )
    assert [row.label for row in table] == ["naive", "ogm(alpha=0.5)", "audio", "ume"]
    assert list(table[1].runs) == ["0", "1"]
    assert table[1].runs["0"] == (
        Run("ogm", "alpha=0.5", (), "0", 0),
        Run("ogm", "alpha=0.5", (), "0", 1),
    )
    assert table[1].runs["1"][1] == Run("ogm", "alpha=0.5", (), "1", 1)
    # one modality has nothing to balance, an ensemble nothing to train
    assert list(table[2].runs) == list(table[3].runs) == ["0"]
    assert plan.titles(table) == ["without AMR", "weight 1"]


def test_each_row_has_runs_with_every_weight():
    weights = asked.parse_weights("0.50,auto,2")
    table = plan.rows([("naive", ""), ("audio", "")], [0], BOTH, weights=weights)
    assert list(table[0].runs) == ["0", "0.5", "auto", "2"]
    assert plan.titles(table) == ["without AMR", "weight 0.5", "auto", "weight 2"]
    assert plan.titles(table[1:]) == ["without AMR"]
    runs = plan.in_order(table, BOTH)
    assert [run.name for run in runs] == [
        "audio-amr0-seed0", "naive-amr0-seed0", "naive-amr0.5-seed0", "naive-amrauto-seed0",
        "naive-amr2-seed0",
    ]  # fmt: skip
    assert [run.flags["amr_weight"] for run in runs] == ["0", "0", "0.5", "auto", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", "--amr_weight=0: runs without AMR are made anyway"),
        ("1,0.0", "--amr_weight=1,0.0: runs without AMR are made anyway"),
        ("1,auto,1.0", "the weight 1 is given twice"),
        ("auto,auto", "the weight auto is given twice"),
        ("1,-2", "'-2' is not a weight of AMR; write positive numbers, auto"),
        ("1,much", "'much' is not a weight"), ("", "'' is not a weight"),
        ("1,,2", "'' is not a weight"),
        ("nan", "'nan' is not a weight"), ("inf", "'inf' is not a weight"),
    ],
)  # fmt: skip
def test_bad_weights_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        asked.parse_weights(text)


def test_unimodal_runs_come_first_and_each_run_once():
    runs = plan.in_order(
        plan.rows([("umt", ""), ("naive", ""), ("audio", "")], range(2), BOTH), BOTH
    )
    names = [run.name for run in runs]
    assert names == [
        "video-amr0-seed0", "audio-amr0-seed0", "umt-amr0-seed0", "umt-amr1-seed0",
        "naive-amr0-seed0", "naive-amr1-seed0",
        "video-amr0-seed1", "audio-amr0-seed1", "umt-amr0-seed1", "umt-amr1-seed1",
        "naive-amr0-seed1", "naive-amr1-seed1",
    ]  # fmt: skip
    assert len(set(names)) == len(names) == 12


def test_a_sweep_over_amr_shares_the_runs_without_it():
    sweeps = asked.parse_sweeps(
        ["amr_weight=0.1,1,10", "batch_size=16,32"], ["amr_weight", "batch_size"]
    )
    table = plan.rows([("naive", ""), ("audio", "")], [0], BOTH, sweeps)
    assert [row.label for row in table] == [
        *(f"naive amr_weight={w} batch_size={b}" for w in ("0.1", "1", "10") for b in (16, 32)),
        "audio batch_size=16",
        "audio batch_size=32",
    ]
    assert len(plan.in_order(table, BOTH)) == 2 + 6 + 2
    assert plan.titles(table) == ["without AMR", "with AMR"]
    assert table[0].runs["0"][0].flags["amr_weight"] == "0"
    assert table[0].runs["0.1"][0].flags == {
        "method": "naive", "seed": "0", "amr_weight": "0.1", "batch_size": "16",
    }  # fmt: skip


def test_teachers_are_shared_by_what_differs_in_amr_or_method_alone():
    swept = (("amr_ratio", "1:3"), ("umt_target", "predictions"), ("epochs", "2"))
    run = Run("umt", "weight=3", swept, "10")
    assert plan.teachers(run, BOTH)["audio"] == Run("audio", "", (("epochs", "2"),), "0", 0)


def test_names_are_fit_for_directories():
    run = Run("ogm", "alpha=0.5,score=ablation", (("amr_ratio", "1:3"),), "auto", 2)
    assert run.name == "ogm-alpha=0.5-score=ablation-amr_ratio=1-3-amrauto-seed2".replace("_", "-")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--methods is empty"),
        ("naive,magic", "no method 'magic'; there are naive, dropout"),
        ("ogm(alpha=1", "write names, with options in brackets"),
        ("naive audio", "write names"),
    ],
)
def test_bad_methods_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        asked.parse_methods(text, BOTH)


def test_methods_with_options():
    assert asked.parse_methods("view2,naive", ("view1", "view2")) == [("view2", ""), ("naive", "")]
    assert asked.parse_methods("naive,ogm(alpha=0.5,score=ablation),naive", BOTH) == [
        ("naive", ""), ("ogm", "alpha=0.5,score=ablation"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amr_weight", "write FLAG=VALUE,VALUE"),
        ("amr_weight=", "write FLAG"),
        ("amr_weight=1,,2", "write FLAG"),
        ("seed=1,2", "'seed' is not a flag"),
        ("amr_weight=0,1", "--sweep=amr_weight=0,1: runs without AMR are made anyway"),
    ],
)
def test_bad_sweeps_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        asked.parse_sweeps([text], ["amr_weight"])


@settings(max_examples=200)
@given(st.text(alphabet="naiveogm(),=.5 ", max_size=24))
def test_any_methods_text_is_read_or_refused(text):
    try:
        found = asked.parse_methods(text, BOTH)
    except ValueError as error:
        assert "--methods" in str(error)  # noqa: PT017
    else:
        assert found
