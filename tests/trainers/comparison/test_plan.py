"""Which runs a comparison is made of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.comparison import plan
from trainers.comparison.plan import Run

BOTH = ("audio", "video")


def test_rows_without_and_with_amr_for_every_seed():
    table = plan.rows(
        [("naive", ""), ("ogm", "alpha=0.5"), ("audio", ""), ("ume", "")], range(2), BOTH
    )
    assert [row.label for row in table] == ["naive", "ogm(alpha=0.5)", "audio", "ume"]
    assert table[1].plain == (
        Run("ogm", "alpha=0.5", (), False, 0),
        Run("ogm", "alpha=0.5", (), False, 1),
    )
    assert table[1].amr[1] == Run("ogm", "alpha=0.5", (), True, 1)
    # one modality has nothing to balance, an ensemble nothing to train
    assert table[2].amr == table[3].amr == ()


def test_unimodal_runs_come_first_and_each_run_once():
    runs = plan.in_order(
        plan.rows([("umt", ""), ("naive", ""), ("audio", "")], range(2), BOTH), BOTH
    )
    names = [run.name for run in runs]
    assert names == [
        "audio-plain-seed0", "video-plain-seed0", "umt-plain-seed0", "umt-amr-seed0",
        "naive-plain-seed0", "naive-amr-seed0",
        "audio-plain-seed1", "video-plain-seed1", "umt-plain-seed1", "umt-amr-seed1",
        "naive-plain-seed1", "naive-amr-seed1",
    ] or sorted(names[:2]) == ["audio-plain-seed0", "video-plain-seed0"]  # fmt: skip
    assert len(set(names)) == len(names) == 12


def test_a_sweep_over_amr_shares_the_runs_without_it():
    sweeps = plan.parse_sweeps(
        ["amr_weight=0.1,1,10", "batch_size=16,32"], ["amr_weight", "batch_size"]
    )
    table = plan.rows([("naive", ""), ("audio", "")], [0], BOTH, sweeps)
    assert [row.label for row in table] == [
        *(f"naive amr_weight={w} batch_size={b}" for w in ("0.1", "1", "10") for b in (16, 32)),
        "audio batch_size=16",
        "audio batch_size=32",
    ]
    assert len(plan.in_order(table, BOTH)) == 2 + 6 + 2
    assert table[0].amr[0].flags == {
        "method": "naive", "seed": "0", "amr_weight": "0.1", "batch_size": "16",
    }  # fmt: skip


def test_teachers_are_shared_by_what_differs_in_amr_or_method_alone():
    run = Run(
        "umt", "weight=3", (("amr_weight", "10"), ("umt_target", "predictions"), ("epochs", "2"))
    )
    assert plan.teachers(run, BOTH)["audio"] == Run("audio", "", (("epochs", "2"),), False, 0)


def test_names_are_fit_for_directories():
    run = Run("ogm", "alpha=0.5,score=ablation", (("amr_ratio", "1:3"),), True, 2)
    assert run.name == "ogm-alpha=0.5-score=ablation-amr_ratio=1-3-amr-seed2".replace("_", "-")


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
        plan.parse_methods(text, BOTH)


def test_methods_with_options():
    assert plan.parse_methods("view2,naive", ("view1", "view2")) == [("view2", ""), ("naive", "")]
    assert plan.parse_methods("naive,ogm(alpha=0.5,score=ablation),naive", BOTH) == [
        ("naive", ""), ("ogm", "alpha=0.5,score=ablation"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("amr_weight", "write FLAG=VALUE,VALUE"),
        ("amr_weight=", "write FLAG"),
        ("amr_weight=1,,2", "write FLAG"),
        ("seed=1,2", "'seed' is no flag"),
    ],
)
def test_bad_sweeps_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        plan.parse_sweeps([text], ["amr_weight"])


@settings(max_examples=200)
@given(st.text(alphabet="naiveogm(),=.5 ", max_size=24))
def test_any_methods_text_is_read_or_refused(text):
    try:
        found = plan.parse_methods(text, BOTH)
    except ValueError as error:
        assert "--methods" in str(error)  # noqa: PT017
    else:
        assert found
