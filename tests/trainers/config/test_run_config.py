"""Flags: what wins, what is refused, and with which words."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st

from amr_tf import methods
from amr_tf.modalities import MODALITIES, FeaturesConfig
from tfrecords.description import (
    DESCRIPTION,
    SPLITS,
    DatasetInfo,
    Split,
)
from tfrecords.stored import StoredAudio, StoredFeatures, StoredVideo
from trainers.config import flags as trainer_flags
from trainers.config.encoder_flags import encoder_of
from trainers.config.methods import method_names
from trainers.config.model_inputs import inputs_of_records
from trainers.config.parsing import parse_options, parse_ratio
from trainers.config.recipes import recipes
from trainers.config.run_config import Config

BOTH = ("audio", "video")


def config(**fields):
    """A configuration of sound and picture."""
    return Config(**({"modalities": "audio,video"} | fields))


def described(directory, dataset="cremad", stored=None):
    """A directory with a description of records and nothing else."""
    stored = stored or {"audio": StoredAudio(22_050), "video": StoredVideo(1.0, 256)}
    splits = {name: Split(0, 0, (), (0,)) for name in SPLITS}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / DESCRIPTION).write_text(DatasetInfo(dataset, ("a",), stored, splits).to_json())
    return directory


def parsed(*arguments):
    values = flags.FlagValues()
    trainer_flags.define(values)
    values(["fit", *arguments])
    return trainer_flags.config(values)


def test_defaults_recipe_preset_and_given_flags(tmp_path):
    assert parsed("--preset=full") == config(preset="full").resolved()
    assert parsed() == config(batch_size=24).resolved()  # of the quick preset
    assert parsed("--preset=quick").data_dir == "data/synthetic-quick"
    data = f"--data_dir={described(tmp_path)}"
    ogm = parsed("--recipe=ogm_cremad", "--learning_rate=0.5", "--epochs=2", data)
    assert (ogm.dataset, ogm.audio_encoder, ogm.learning_rate, ogm.epochs) == (
        "cremad", "resnet18", 0.5, 2,
    )  # fmt: skip
    assert (
        parsed("--preset=quick", "--amr_weight=0").model_dir
        == "runs/synthetic-naive-amr0-seed0-quick"
    )
    auto = parsed("--preset=quick", "--amr_weight=auto").model_dir
    assert auto == "runs/synthetic-naive-amrauto-seed0-quick"
    run = parsed("--method=audio", "--preset=full").model_dir
    assert run == "runs/synthetic-audio-amr0-seed0"


def test_a_users_own_records_need_no_data_set_and_name_their_runs(tmp_path):
    stored = {"fou": StoredFeatures((76,)), "left": StoredAudio(8_000)}
    data = described(tmp_path / "digits", "arrays", stored)
    found = parsed(f"--data_dir={data}", "--batch_size=8")
    assert (found.dataset, found.kinds) == ("arrays", {"fou": "features", "left": "audio"})
    assert found.model_dir == "runs/digits-naive-amr1-seed0"
    assert found.batch_size == 8
    one = parsed(f"--data_dir={data}", "--modalities=left")
    assert (one.modalities, one.effective_amr_weight) == ("left:audio", 0)
    assert one.model_dir == "runs/digits-naive-amr0-seed0"
    alone = parsed(f"--data_dir={data}", "--method=fou")
    assert (alone.model_modalities, alone.amr_weight) == (("fou",), 0)


def test_what_the_records_do_not_hold_is_refused(tmp_path):
    data = f"--data_dir={described(tmp_path)}"
    with pytest.raises(ValueError, match=r"--modalities=smell: .* holds audio, video"):
        parsed(data, "--modalities=smell")
    with pytest.raises(ValueError, match=r"--dataset=vggsound: .* holds records of cremad"):
        parsed(data, "--dataset=vggsound")
    with pytest.raises(FileNotFoundError, match="no finished record set"):
        parsed("--dataset=vggsound", f"--data_dir={tmp_path}/nowhere")
    with pytest.raises(ValueError, match="OGM compares modalities: it needs at least 2"):
        parsed(data, "--modalities=audio", "--method=ogm")


def test_published_recipes_give_the_published_shapes():
    """OGM's code: 257 x 188 for CREMA-D and 129 x 626 for VGGSound (there frequency first)."""
    splits = {name: Split(0, 0, (), (0,)) for name in SPLITS}
    stored = {"audio": StoredAudio(16_000), "video": StoredVideo(1.0, 256)}
    info = DatasetInfo("x", ("a",), stored, splits)
    cremad, vggsound = (
        inputs_of_records(config(**recipes()[name]), info)
        for name in ("ogm_cremad", "ogm_vggsound")
    )
    assert cremad["audio"].shape == (188, 257, 1)
    assert vggsound["audio"].shape == (626, 129, 1)
    assert cremad["video"].shape == (1, 224, 224, 3)
    assert vggsound["video"].shape == (3, 224, 224, 3)


def test_the_recipe_of_short_clips_sees_all_frames_and_keeps_their_order(tmp_path):
    data = f"--data_dir={described(tmp_path)}"
    run = parsed("--recipe=short_clips", "--learning_rate=0.5", data)
    assert (run.audio_encoder, run.video_encoder) == ("spectrogram_cnn", "towers")
    assert (run.learning_rate, run.optimizer, run.flip) == (0.5, "adamw", False)
    stored = {"audio": StoredAudio(16_000), "video": StoredVideo(25.0, 96)}
    splits = {name: Split(0, 0, (), (0,)) for name in SPLITS}
    inputs = inputs_of_records(
        config(**recipes()["short_clips"]), DatasetInfo("x", ("a",), stored, splits)
    )
    assert inputs["audio"].shape == (1 + 10_240 // 160, 257, 1)  # 0.64 s in steps of 10 ms
    assert inputs["video"].shape == (16, 64, 64, 3)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("method", "magic", "--method=magic: choose one of naive, dropout"),
        ("amr_weight", -1.0, "--amr_weight is a number, zero or positive, or 'auto', got -1.0"),
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
        ("teachers", "audio", "--method=naive learns from no teacher"),
        ("audio_encoder", "c3d", "--audio_encoder=c3d: choose one of"),
        ("video_depth", -1, "--video_depth=-1 must not be negative"),
        ("video_depth", 2, "--video_depth=2: small has no option 'depth': it has width"),
        ("fusion", "magic", "--fusion=magic: choose one of concat, sum, film"),
        ("audio_encoder", "small(width=", "write a name, or a name with options"),
        ("image_encoder", "small(weights=nowhere.keras)", "weights=nowhere.keras: no such file"),
        ("modalities", "a-b", "'a-b' is not a name"),
    ],
)
def test_bad_values_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        config(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("fft_length", 3, "fft_length must be even"),
        ("frames", 0, "frames, size and std must be positive"),
    ],
)
def test_bad_sizes_are_refused_when_inputs_are_made(field, value, message):
    stored = {"audio": StoredAudio(16_000), "video": StoredVideo(4.0, 256)}
    with pytest.raises(ValueError, match=message):
        inputs_of_records(config(**{field: value}), DatasetInfo("x", ("a",), stored, {}))


@pytest.mark.parametrize("teachers", ["audio", "smell=runs/a"])
def test_teachers_are_named_by_modality(teachers):
    with pytest.raises(ValueError, match=f"--teachers={teachers}: write audio=DIR,video=DIR, or"):
        config(method="umt", teachers=teachers)


def test_bad_method_options_are_refused():
    with pytest.raises(ValueError, match="dropout has the options rate, seed"):
        config(method="dropout", method_options="p=0.3")
    with pytest.raises(ValueError, match=r"lies in \[0, 1\)"):
        config(method="dropout", method_options="rate=2")


def test_methods_are_made_with_their_options_and_the_runs_seed():
    method = config(
        method="modality_dropout", method_options="rate=0.3,per_sample=true", seed=7
    ).make_method()
    assert method.get_config() == {"rate": 0.3, "per_sample": True, "seed": 7}
    assert isinstance(config(method="video").make_method(), methods.Unimodal)
    for name in method_names(BOTH):
        assert config(method=name).make_method() is not None


def test_methods_get_their_own_flags_and_what_the_data_tell():
    made = parsed("--method=umt", "--umt_target=predictions").make_method()
    assert made.target == "predictions"
    made = parsed("--method=ogm_ge", "--ogm_score=ablation").make_method()
    assert made.score == "ablation"
    made = parsed("--method=ogm", "--method_options=alpha=0.8", "--ogm_score=attribution")
    assert (made.make_method().score, made.make_method().alpha) == ("attribution", 0.8)
    with pytest.raises(ValueError, match="--umt_target is for umt: ogm has no such option"):
        parsed("--method=ogm", "--umt_target=predictions")
    with pytest.raises(ValueError, match="unknown score 'size': choose one of linear, ablation"):
        parsed("--method=ogm", "--ogm_score=size")
    counts = config(method="gge").make_method(class_counts=[1, 2], teachers={}).class_counts
    assert counts == [1, 2]


def test_a_teacher_is_the_unimodal_run_with_the_same_flags():
    """So that one trained by hand is found: what one modality has no use for is reset."""
    by_hand = parsed(
        "--method=audio",
        "--seed=3",
        "--epochs=5",
        "--model_dir=out/synthetic-audio-amr0-seed3-quick",
    )
    umt = parsed(
        "--method=umt", "--seed=3", "--epochs=5", "--model_dir=out/mine", "--amr_weight=0",
        "--fusion=sum", "--umt_target=predictions", "--frozen=video", "--method_options=weight=2",
    )  # fmt: skip
    assert umt.teacher("audio") == by_hand
    given = dataclasses.replace(umt, teachers="audio=some/where")
    assert given.teacher("audio").model_dir == "some/where"
    assert given.teacher("video").model_dir == "out/synthetic-video-amr0-seed3-quick"


def test_what_trains_nothing_has_no_amr():
    assert config(method="ume").effective_amr_weight == 0
    assert config(method="audio").effective_amr_weight == 0
    assert config(method="umt").effective_amr_weight == 1


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
    run = config(amr_ratio="3:1", seed=4).resolved()
    (tmp_path / "config.json").write_text(json.dumps({"flags": run.to_json()}))
    assert Config.load(tmp_path) == run
    with pytest.raises(FileNotFoundError, match=r"holds no run of `python -m trainers\.fit`"):
        Config.load(tmp_path / "elsewhere")


def test_a_kind_of_a_users_own_takes_the_encoders_of_the_kind_that_it_is_made_of(monkeypatch):
    class Gait(FeaturesConfig):
        kind, stored_as = "gait", "features"

    monkeypatch.setattr(MODALITIES, "_plugins", {**MODALITIES._plugins, "gait": Gait})
    made = config(modalities="x:gait", method="x", encoders="x=gru(width=4)")
    assert encoder_of(made, "x") == ("gru", {"width": 4})
    assert encoder_of(config(modalities="x:gait", method="x"), "x") == ("mlp", {})
    with pytest.raises(ValueError, match=r"--encoders=x=small: choose one of mlp, gru, or module:"):
        config(modalities="x:gait", method="x", encoders="x=small")


def test_a_runs_description_chooses_no_module_to_import(tmp_path):
    """It may come from anywhere; a module that a user names is trusted."""
    flags = config().to_json() | {"audio_encoder": "antigravity:fly", "encoders": "video=this:s"}
    (tmp_path / "config.json").write_text(json.dumps({"flags": flags}))
    with pytest.raises(ValueError, match="trained with plug-ins: give --plugins=antigravity,this"):
        Config.load(tmp_path)
    assert "antigravity" not in sys.modules
