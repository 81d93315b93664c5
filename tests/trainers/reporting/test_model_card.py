"""The model card: what it says is what the run's files say, and text of users stays text."""

import dataclasses
import json
import re

import pytest

from amr_tf.modalities import AudioConfig, FeaturesConfig, VideoConfig
from tests.trainers.conftest import command
from tfrecords.description import DatasetInfo
from trainers.config.run_config import Config
from trainers.reporting import model_card

INPUTS = {"audio": AudioConfig(), "video": VideoConfig()}
ABOUT = {"versions": {"keras": "3"}, "command": ["/somewhere/trainers/fit.py", "--seed=1"]}
RESULTS = {
    "split": "test", "samples": 1234, "accuracy": 0.5, "mAP": 0.25, "mAP_classes": 3, "loss": 1.5,
    "task": "multiclass",
    "dominance_by_target": {
        "probability": {"audio": 0.743, "video": 0.257}, "logit": {"audio": 0.6, "video": 0.4},
    },
    "epochs": 16, "selected_epoch": 12,
}  # fmt: skip


def test_a_run_has_one_and_its_export_a_copy(finished_run, records):
    model_dir, done = finished_run
    text = (model_dir / "MODEL_CARD.md").read_text("utf-8")
    made_in = done.args[-1].removeprefix("--model_dir=")  # `model_dir` is a copy
    assert f"model card   {made_in}/MODEL_CARD.md" in done.stdout
    copy = model_dir / "export" / "1" / "assets.extra" / "MODEL_CARD.md"
    assert copy.read_text("utf-8") == text
    results = json.loads((model_dir / "results.json").read_text())
    assert f"| accuracy | {100 * results['accuracy']:.2f} % |" in text
    assert f"| mAP, over {results['mAP_classes']} classes | {100 * results['mAP']:.2f} % |" in text
    assert "On the test split, 40 clips" in text
    info = DatasetInfo.load(records)
    for name, split in info.splits.items():
        assert f"| {name} | {split.clips} | 0 | 0 | 0 |" in text
    for name in info.classes:
        assert name in text
    assert re.search(r"python -m trainers\.fit --data_dir=\S+ --batch_size=16 --epochs=3", text)
    for version in json.loads((model_dir / "config.json").read_text())["versions"].values():
        assert version in text


def test_it_states_what_the_run_is():
    config = Config(
        modalities="audio,video",
        method="ogm",
        method_options="alpha=0.5",
        amr_weight=2.0,
        amr_ratio="1:2",
    )
    text = model_card.card(config, INPUTS, RESULTS, ABOUT, ["a", "b", "c"], None)
    for part in (
        "# Model card: synthetic, ogm, AMR weight 2",
        "Method: `ogm` (`alpha=0.5`).",
        "weight 2, ratio `1:2`, target `probability`",
        "Takes sound: 1 s of mono sound at 16,000 Hz, as a log spectrogram of 126 times",
        "Takes picture: 3 frames of 64 x 64 pixels.",
        "Selected: epoch 12,",
        "Versions: `keras 3`.",
        "```\npython -m trainers.fit --seed=1\n```",
        "The records were gone",
        "On the test split, 1,234 clips",
        "| dominance, audio/video, by probability | 74/26 |",
        "| dominance, audio/video, by logit | 60/40 |",
        "## Shares",
        "The clips are synthetic",
    ):
        assert part in text, part


@pytest.mark.parametrize("dataset", ["cremad", "vggsound"])
def test_each_data_set_has_its_licence_and_limits(dataset):
    text = model_card.card(
        Config(modalities="audio,video", dataset=dataset), INPUTS, RESULTS, ABOUT, ["a"], None
    )
    licence, limit = {
        "cremad": ("Open Database License", "not what a person feels"),
        "vggsound": ("CC BY 4.0", "without its source in the picture"),
    }[dataset]
    assert licence in text
    assert limit in text
    assert "synthetic" not in text


def test_one_modality_has_no_shares():
    results = RESULTS | {"dominance_by_target": None}
    text = model_card.card(
        Config(modalities="audio,video", method="audio"),
        {"audio": AudioConfig()},
        results,
        ABOUT,
        ["a"],
        None,
    )
    assert "# Model card: synthetic, audio\n" in text
    assert "## Shares" not in text
    assert "dominance" not in text
    assert "Takes picture" not in text
    assert "served(audio=tf.constant([wav]))" in text


def test_features_are_called_by_their_names():
    config = Config(
        modalities="fou:features,kar:features", data_dir="data/digits", dataset="arrays"
    )
    inputs = {"fou": FeaturesConfig((76,)), "kar": FeaturesConfig((8, 8))}
    shares = {"probability": {"fou": 0.5, "kar": 0.5}}
    results = RESULTS | {"dominance_by_target": shares}
    text = model_card.card(config, inputs, results, ABOUT, ["a"], None)
    assert "# Model card: digits, naive, AMR weight 1" in text
    assert "Takes kar: numbers of the shape [8, 8], standardised." in text
    assert 'signatures["serving_media"]' in text
    assert "served(fou=tf.constant([numbers]), kar=tf.constant([numbers]))" in text
    assert "WAV" not in text


def test_what_is_not_trained_says_so():
    config = Config(modalities="audio,video", method="ume", amr_weight=1.0)
    text = model_card.card(config, INPUTS, RESULTS | {"epochs": 0}, ABOUT, ["a"], None)
    assert "Training: none of its own" in text
    assert "Attribution regularisation (AMR): none." in text


def test_notes_and_skipped_records_are_stated(records):
    info = dataclasses.replace(DatasetInfo.load(records), notes="the <same> actors")
    text = model_card.card(
        Config(modalities="audio,video"),
        INPUTS,
        RESULTS | {"corrupt_skipped": 7},
        ABOUT,
        ["a"],
        info,
    )
    assert "Note: the &lt;same&gt; actors." in text
    assert "7 corrupt records were skipped." in text


def test_text_of_users_stays_text():
    assert model_card.escaped("<b>&\n") == "&lt;b&gt;&amp;"
    assert model_card.escaped("a_b|*c* [x](y)") == r"a\_b\|\*c\* \[x\](y)"
    assert model_card.escaped("http://x `y` \\") == r"http\://x \`y\` " + "\\\\"
    about = ABOUT | {"command": ["fit.py", "--method_options=a=```x\n# y"]}
    text = model_card.card(
        Config(modalities="audio,video"), INPUTS, RESULTS, about, ["<script>", "a\n# b"], None
    )
    assert "by id from 0: &lt;script&gt;; a \\# b." in text
    assert "````\nfit.py '--method_options=a=```x\n# y'\n````" in text


def test_export_makes_a_new_version_with_the_card(finished_run, tmp_path):
    model_dir, _ = finished_run
    text = (model_dir / "MODEL_CARD.md").read_text("utf-8")
    done = command("export", f"--model_dir={model_dir}", f"--export_dir={tmp_path}")
    assert (tmp_path / "1" / "assets.extra" / "MODEL_CARD.md").read_text("utf-8") == text
    assert f"SavedModel   {tmp_path / '1'}" in done.stdout
    assert f"Serving      {tmp_path / 'models.config'}" in done.stdout
    about = json.loads((tmp_path / "1" / "assets" / "model.json").read_text())
    media = {name: about["media"][name] for name in ("audio_rate", "fps", "short_side")}
    assert media == {"audio_rate": 16_000, "fps": 4.0, "short_side": 256}
    assert (about["method"], about["amr_weight"]) == ("naive", 1.0)
