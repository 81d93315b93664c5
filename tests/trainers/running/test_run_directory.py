"""A run's directory: whose it is, and what --overwrite deletes."""

import json
import os

import pytest

from trainers.config.run_config import Config
from trainers.running import inputs, run_directory


def test_overwrite_deletes_what_a_run_and_its_readers_left_and_nothing_else(tmp_path):
    config = Config(model_dir=str(tmp_path), modalities="audio,video", data_dir="records")
    run_directory.claim(config)
    for name in ("export/1", "evaluation/test", "explanations/a", "checkpoints", "train"):
        (tmp_path / name).mkdir(parents=True)
    left = ("classes.txt", "model.keras", "results.json", "history.csv", "MODEL_CARD.md")
    for name in (*left, "export/1/saved_model.pb", "notes.txt"):
        (tmp_path / name).touch()
    other = Config(
        model_dir=str(tmp_path), modalities="audio,video", data_dir="records", epochs=3,
        overwrite=True,
    )  # fmt: skip
    run_directory.claim(other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "notes.txt"]
    flags = json.loads((tmp_path / "config.json").read_text())["flags"]
    assert flags["epochs"] == 3
    assert flags["data_dir"] == os.path.abspath("records")


def test_another_run_is_refused_and_a_directory_without_one_left_alone(tmp_path):
    config = Config(model_dir=str(tmp_path), modalities="audio,video", data_dir="records")
    (tmp_path / "export").mkdir()
    run_directory.claim(Config(**{**config.to_json(), "overwrite": True}))
    assert (tmp_path / "export").exists()  # there was no run, so it is none of ours
    run_directory.claim(Config(**{**config.to_json(), "seed": 2}))  # nothing was trained yet
    run_directory.claim(config)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-000000001.keras").touch()
    run_directory.claim(config)  # the same run goes on
    with pytest.raises(ValueError, match=r"holds a run with other flags: seed .*--overwrite it"):
        run_directory.claim(Config(**{**config.to_json(), "seed": 1}))


def test_a_run_that_was_refused_has_no_inputs(tmp_path):
    (tmp_path / "config.json").write_text('{"flags": {}}')
    with pytest.raises(ValueError, match="was refused, or stopped, before its data were read"):
        inputs.load(tmp_path)
