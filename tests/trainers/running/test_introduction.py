"""What a run says when it ends: commands that do what they say."""

import dataclasses
import shlex

import pytest

from tests.trainers.config.test_run_config import described, parsed
from tfrecords.stored import StoredAudio, StoredFeatures, StoredVideo
from trainers.running.introduction import without_amr

BOTH = {"audio": StoredAudio(16_000), "video": StoredVideo(4.0, 256)}
RUNS = {
    "the demo": (None, []),
    "half of the demo": (None, ["--preset=half", "--seed=3"]),
    "a published set": ("vggsound", ["--recipe=ogm_vggsound", "--method=ogm_ge"]),
    "another optimizer of the regulariser": (
        "cremad", ["--amr_optimizer=adam", "--amr_learning_rate=0.3", "--amr_ratio=1:2"],
    ),
    "one's own clips": ("folders", ["--batch_size=8", "--modalities=audio,video(frames=2)"]),
    "some modalities": ("arrays", ["--modalities=video,audio", "--optimizer=adamw"]),
}  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_the_run_without_amr_is_the_same_but_for_amr(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for size in ("quick", "half"):
        described(tmp_path / f"data/synthetic-{size}", "synthetic", BOTH)
    dataset, given = RUNS[run]
    if dataset:
        stored = {**BOTH, "more": StoredFeatures((3,))} if dataset == "arrays" else BOTH
        given = [f"--data_dir={described(tmp_path / 'clips', dataset, stored)}", *given]
    config = parsed(*given)
    assert config.effective_amr_weight
    python, *call = shlex.split(without_amr(config))
    assert [python, *call[:2]] == ["python", "-m", "trainers.fit"]
    plain = parsed(*call[2:])
    amr = ("amr_weight", "amr_ratio", "amr_optimizer", "amr_learning_rate", "model_dir")
    same = {name: getattr(config, name) for name in amr}
    assert dataclasses.replace(plain, **same) == config
    assert plain.effective_amr_weight == 0
    assert plain.model_dir != config.model_dir
