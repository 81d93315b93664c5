"""Flags: what wins, what is refused, and with which words."""

import dataclasses
import json

import numpy as np
import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st

from amr_tf import methods
from trainers.config import flags as trainer_flags
from trainers.config.parsing import parse_options, parse_ratio
from trainers.config.recipes import RECIPES
from trainers.config.run_config import METHOD_NAMES, Config


def parsed(*arguments):
    values = flags.FlagValues()
    trainer_flags.define(values)
    values(["fit", *arguments])
    return trainer_flags.config(values)


def test_defaults_recipe_preset_and_given_flags():
    assert parsed() == Config().resolved()
    assert parsed("--preset=quick").data_dir == "data/synthetic-quick"
    ogm = parsed("--recipe=ogm_cremad", "--learning_rate=0.5", "--preset=quick", "--epochs=2")
    assert (ogm.dataset, ogm.audio_encoder, ogm.learning_rate, ogm.epochs) == (
        "cremad", "resnet18", 0.5, 2,
    )  # fmt: skip
    assert (
        parsed("--preset=quick", "--amr_weight=0").model_dir
        == "runs/synthetic-naive-amr0-seed0-quick"
    )
    assert parsed("--method=audio").model_dir == "runs/synthetic-audio-amr0-seed0"


def test_published_recipes_give_the_published_shapes():
    """OGM's code: 257 x 188 for CREMA-D and 129 x 626 for VGGSound (there frequency first)."""
    cremad, vggsound = (Config(**RECIPES[name]) for name in ("ogm_cremad", "ogm_vggsound"))
    assert cremad.audio.shape == (188, 257, 1)
    assert vggsound.audio.shape == (626, 129, 1)
    assert (cremad.video.shape, vggsound.video.shape) == ((1, 224, 224, 3), (3, 224, 224, 3))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("method", "magic", "--method=magic: choose one of naive, dropout"),
        ("amr_weight", -1.0, "--amr_weight=-1.0 must not be negative"),
        ("learning_rate", 0.0, "must be positive"),
        ("epochs", 0, "--epochs=0 must be positive"),
        ("batch_size", -4, "must be positive"),
        ("momentum", 1.0, r"not in \[0, 1\)"),
        ("crop_scale", 0.0, r"not in \(0, 1\]"),
        ("amr_ratio", "1:1:1", "3 numbers for 2 modalities; write 1:1 or audio=1,video=1"),
        ("amr_ratio", "-1:2", "not negative"),
        ("amr_ratio", "0:0", "positive sum"),
        ("amr_ratio", "audio=1", "the modalities are audio, video"),
        ("amr_ratio", "audio=1,audio=2,video=1", "the modalities are"),
        ("amr_ratio", "half", "--amr_ratio=half"),
        ("amr_ratio", "nan:1", "finite"),
        ("frozen", "audio,smell", "there is no smell encoder"),
        ("audio_weights", "nowhere.keras", "--audio_weights=nowhere.keras: no such file"),
        ("method_options", "rate=0.3", "naive has the options none"),
        ("method_options", "rate", "'rate' is not of the form name=value"),
        ("teachers", "audio", "--teachers=audio: write audio=DIR,video=DIR, or one of them"),
        ("teachers", "smell=runs/a", "write audio=DIR"),
        ("audio_encoder", "c3d", "--audio_encoder=c3d: choose one of"),
        ("video_depth", -1, "--video_depth=-1 must not be negative"),
        ("ogm_score", "size", "--ogm_score=size: choose one of linear, ablation, attribution"),
        ("fft_length", 3, "fft_length must be even"),
        ("frames", 0, "frames, size and std must be positive"),
    ],
)
def test_bad_values_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        Config(**{field: value})


def test_bad_method_options_are_refused():
    with pytest.raises(ValueError, match="dropout has the options rate, seed"):
        Config(method="dropout", method_options="p=0.3")
    with pytest.raises(ValueError, match=r"lies in \[0, 1\)"):
        Config(method="dropout", method_options="rate=2")


def test_methods_are_made_with_their_options_and_the_runs_seed():
    method = Config(
        method="modality_dropout", method_options="rate=0.3,per_sample=true", seed=7
    ).make_method()
    assert method.get_config() == {"rate": 0.3, "per_sample": True, "seed": 7}
    assert isinstance(Config(method="video").make_method(), methods.Unimodal)
    for name in METHOD_NAMES:
        assert Config(method=name).make_method() is not None


def test_methods_get_their_own_flags_and_what_the_data_tell():
    assert Config(method="umt", umt_target="predictions").make_method().target == "predictions"
    assert Config(method="ogm_ge", ogm_score="ablation").make_method().score == "ablation"
    options = Config(
        method="ogm", ogm_score="ablation", method_options="score=attribution,alpha=0.8"
    )
    assert (options.make_method().score, options.make_method().alpha) == ("attribution", 0.8)
    counts = Config(method="gge").make_method(class_counts=[1, 2], teachers={}).class_counts
    assert counts == [1, 2]


def test_a_teacher_is_the_unimodal_run_with_the_same_flags():
    """So that one trained by hand is found: what one modality has no use for is reset."""
    by_hand = parsed(
        "--method=audio", "--seed=3", "--epochs=5", "--model_dir=out/synthetic-audio-amr0-seed3"
    )
    umt = parsed(
        "--method=umt", "--seed=3", "--epochs=5", "--model_dir=out/mine", "--amr_weight=0",
        "--fusion=sum", "--umt_target=predictions", "--frozen=video", "--method_options=weight=2",
    )  # fmt: skip
    assert umt.teacher("audio") == by_hand
    given = dataclasses.replace(umt, teachers="audio=some/where")
    assert given.teacher("audio").model_dir == "some/where"
    assert given.teacher("video").model_dir == "out/synthetic-video-amr0-seed3"


def test_what_trains_nothing_has_no_amr():
    assert Config(method="ume").effective_amr_weight == 0
    assert Config(method="audio").effective_amr_weight == 0
    assert Config(method="umt").effective_amr_weight == 1


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=2).filter(lambda r: sum(r) > 0))
def test_ratio_round_trip(numbers):
    by_place = ":".join(map(repr, numbers))
    by_name = f"video={numbers[1]!r},audio={numbers[0]!r}"
    assert parse_ratio(by_place, ("audio", "video")) == tuple(numbers)
    assert parse_ratio(by_name, ("audio", "video")) == tuple(numbers)


@settings(max_examples=200)
@given(st.text(max_size=20))
def test_any_ratio_text_is_read_or_refused(text):
    try:
        numbers = parse_ratio(text, ("audio", "video"))
    except ValueError as error:
        assert "--amr_ratio=" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(numbers).all()
        assert min(numbers) >= 0 < sum(numbers)


@settings(max_examples=200)
@given(st.text(max_size=20))
def test_any_options_text_is_read_or_refused(text):
    try:
        options = parse_options(text)
    except ValueError as error:
        assert "--method_options=" in str(error)  # noqa: PT017
    else:
        assert all(name.isidentifier() for name in options)


def test_configuration_survives_its_file(tmp_path):
    config = dataclasses.replace(Config(), amr_ratio="3:1", seed=4).resolved()
    (tmp_path / "config.json").write_text(json.dumps({"flags": config.to_json()}))
    assert Config.load(tmp_path) == config
    with pytest.raises(FileNotFoundError, match=r"holds no run of `python -m trainers\.fit`"):
        Config.load(tmp_path / "elsewhere")
