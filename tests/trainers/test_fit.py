"""The commands end to end, from real media files, as a user runs them."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from amr_tf.analysis.evaluation import Evaluator
from tests.trainers.conftest import command, complaints, pipeline
from trainers.config.run_config import Config
from trainers.running.finished_run import load_config

NOISE = ("WARNING", "Warning", "I0000", "E0000", "tensorflow/", "oneDNN", "Traceback")


def test_a_run_leaves_what_is_promised(finished_run):
    model_dir, _ = finished_run
    for name in (
        "config.json",
        "history.csv",
        "model.keras",
        "checkpoints/best.keras",
        "export/1/saved_model.pb",
    ):
        assert (model_dir / name).is_file(), name
    results = json.loads((model_dir / "results.json").read_text())
    assert results["split"] == "test"
    assert results["samples"] == 40
    assert (results["method"], results["amr_weight"], results["seed"], results["epochs"]) == (
        "naive", 1.0, 0, 3,
    )  # fmt: skip
    for shares in (results["dominance"], *results["dominance_by_target"].values()):
        assert set(shares) == {"audio", "video"}
        np.testing.assert_allclose(sum(shares.values()), 1, atol=1e-6)
    config = json.loads((model_dir / "config.json").read_text())
    assert config["flags"]["epochs"] == 3
    assert set(config["versions"]) >= {"tensorflow", "keras", "numpy", "python"}
    rows = list(csv.DictReader((model_dir / "history.csv").open()))
    assert len(rows) == 3
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_the_terminal_is_clean(finished_run):
    _, done = finished_run
    assert not [
        line for line in (done.stdout + done.stderr).splitlines() if any(n in line for n in NOISE)
    ]
    assert complaints(done) == []
    for part in (
        "epoch 3/3",
        "audio/video",
        "accuracy",
        "tensorboard --logdir=",
        "trainers.evaluate",
    ):
        assert part in done.stdout


def test_results_are_those_of_the_saved_model(finished_run):
    """Evaluated anew, on one device, from model.keras."""
    model_dir, _ = finished_run
    results = json.loads((model_dir / "results.json").read_text())
    data = pipeline(load_config(model_dir))
    summary = Evaluator(keras.models.load_model(model_dir / "model.keras"))(
        data.evaluate("test")
    ).summary()
    for name in ("accuracy", "mAP", "loss"):
        np.testing.assert_allclose(results[name], summary[name], rtol=1e-5)
    np.testing.assert_allclose(
        results["dominance"]["audio"], summary["dominance"]["audio"], rtol=1e-4
    )


def test_tensorboard_shows_steps_epochs_histograms_images_and_flags(finished_run):
    model_dir, _ = finished_run
    tags = {}
    for name in ("train", "validation"):
        events = EventAccumulator(str(model_dir / name), {"tensors": 0})
        events.Reload()
        tags[name] = set(events.Tags()["tensors"])
        if name == "train":
            points = [tf.make_ndarray(e.tensor_proto) for e in events.Tensors("step/loss")]
            steps = [e.step for e in events.Tensors("step/loss")]
            loss = [
                float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("performance/loss")
            ]
            rates = [
                float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("learning_rate/amr")
            ]
    groups = {
        "performance": ("loss", "accuracy"), "dominance": ("audio", "video"),
        "regularizer": ("R", "gradient_norm", "task_cosine"), "encodings": ("norm_audio",),
    }  # fmt: skip
    assert tags["train"] >= {f"{group}/{name}" for group, names in groups.items() for name in names}
    assert tags["train"] >= {"step/loss", "step/regularizer", "step/dominance_audio"}
    # TensorBoard sorts groups by name
    assert min(tags["train"] - {"guide/scalars", "run/flags"}).startswith("dominance/")
    assert tags["train"] >= {
        "learning_rate/task",
        "learning_rate/amr",
        "run/flags",
        "guide/scalars",
    }
    assert tags["validation"] >= {
        "performance/loss", "performance/accuracy", "performance/mAP", "dominance/audio",
        "dominance_logit/audio", "shares_probability/audio", "shares_logit/video",
        "examples/video", "examples/audio",
    }  # fmt: skip
    assert steps == sorted(steps)
    assert len(steps) == 9  # every second of 6 steps, three epochs
    np.testing.assert_allclose(np.mean(points[:3]), loss[0], rtol=1e-4)
    assert 0.1 > rates[0] > rates[-1] > 0


def test_a_finished_run_is_not_trained_again(finished_run, flags_of_run):
    model_dir, _ = finished_run
    before = (model_dir / "model.keras").stat().st_mtime_ns
    done = command("fit", *flags_of_run, f"--model_dir={model_dir}")
    assert "holds this run, finished" in done.stdout
    assert (model_dir / "model.keras").stat().st_mtime_ns == before
    other = command("fit", *flags_of_run, f"--model_dir={model_dir}", "--amr_weight=0", check=False)
    assert other.returncode == 1
    assert other.stderr.startswith("error: ")
    assert "amr_weight (1.0 there, 0.0 now)" in other.stderr


@pytest.mark.slow
def test_replicas_train_to_the_same_weights(finished_run, flags_of_run, tmp_path):
    """--cpu_replicas=2 from records to results; SGD, so that rounding stays small."""
    model_dir, _ = finished_run
    command("fit", *flags_of_run, f"--model_dir={tmp_path}", "--cpu_replicas=2", "--noexport")
    assert not (tmp_path / "export").exists()
    rows = [list(csv.DictReader((d / "history.csv").open())) for d in (model_dir, tmp_path)]
    np.testing.assert_allclose(float(rows[0][0]["loss"]), float(rows[1][0]["loss"]), rtol=1e-3)
    np.testing.assert_allclose(
        float(rows[0][0]["dominance_audio"]), float(rows[1][0]["dominance_audio"]), atol=2e-3
    )


def test_one_modality_and_what_it_says(flags_of_run, tmp_path):
    done = command(
        "fit",
        *flags_of_run,
        f"--model_dir={tmp_path}",
        "--method=video",
        "--epochs=1",
        "--noexport",
    )
    assert "one modality has no dominance" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["dominance"] is None
    assert results["amr_weight"] == 0


def test_other_optimizers_methods_and_ratios_train(flags_of_run, tmp_path):
    """LAMB is tensorflow-addons' on Keras 2.15; an Adam for AMR is warned of once, in one line."""
    done = command(
        "fit", *flags_of_run, f"--model_dir={tmp_path}", "--optimizer=lamb", "--amr_optimizer=adam",
        "--method=modality_dropout", "--amr_ratio=audio=1,video=2", "--schedule=step",
        "--clip_norm=1", "--hidden=8", "--cache=no", "--epochs=1", "--noexport",
    )  # fmt: skip
    assert done.stderr.startswith("warning: Adam as the AMR optimizer")
    assert len(done.stderr.splitlines()) == 1
    assert json.loads((tmp_path / "results.json").read_text())["method"] == "modality_dropout"


def test_evaluate_writes_the_tables_and_the_plot(finished_run):
    model_dir, _ = finished_run
    done = command("evaluate", f"--model_dir={model_dir}")
    output = model_dir / "evaluation" / "test"
    trained = json.loads((model_dir / "results.json").read_text())
    again = json.loads((output / "results.json").read_text())
    np.testing.assert_allclose(again["accuracy"], trained["accuracy"])
    rows = list(csv.DictReader((output / "per_class.csv").open()))
    assert len(rows) == 10
    recall = sum(float(r["accuracy"]) * int(r["clips"]) for r in rows) / 40
    np.testing.assert_allclose(recall, trained["accuracy"], atol=1e-3)
    share = sum(float(r["audio_share"]) * int(r["clips"]) for r in rows) / 40
    np.testing.assert_allclose(share, trained["dominance"]["audio"], atol=1e-3)
    assert (output / "shares.png").read_bytes()[:4] == b"\x89PNG"
    assert str(output / "per_class.csv") in done.stdout
    assert not [
        line for line in (done.stdout + done.stderr).splitlines() if any(n in line for n in NOISE)
    ]


def test_export_writes_the_next_version(finished_run, tmp_path):
    model_dir, _ = finished_run
    done = command("export", f"--model_dir={model_dir}", f"--export_dir={tmp_path}")
    assert f"SavedModel   {tmp_path / '1'}" in done.stdout
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    audio, video = tf.zeros([1, 16_000], tf.int16), tf.zeros([1, 3, 64, 64, 3], tf.uint8)
    out = served(audio=audio, video=video)
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "probabilities": (1, 10), "label": (1,), "class_id": (1,), "shares": (1, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("fit", ["--amr_ratio=1:1:1"], "error: --amr_ratio=1:1:1"),
        ("fit", ["--dataset=vggsound", "--data_dir=nowhere"], "holds no finished record set"),
        ("fit", ["extra"], "error: what is 'extra'?"),
        ("evaluate", [], "error: --model_dir is missing"),
        ("evaluate", ["--model_dir=nowhere"], "no such directory"),
        ("export", ["--model_dir=."], "holds no run"),
    ],
)
def test_what_a_user_can_mend_is_one_line(tmp_path, module, arguments, message):
    done = command(module, *arguments, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def damaged(records, directory, split):
    """A copy of the records in which one of the split is corrupt, and the path of its shard."""
    directory.mkdir()
    for path in records.glob("*.*"):
        if path.is_file():
            (directory / path.name).write_bytes(path.read_bytes())
    shard = sorted(directory.glob(f"{split}-*.tfrecord"))[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    return directory, shard


def test_a_corrupt_record_is_named(records, finished_run, tmp_path):
    model_dir, _ = finished_run
    copy, shard = damaged(records, tmp_path / "records", "test")
    done = command("evaluate", f"--model_dir={model_dir}", f"--data_dir={copy}", check=False)
    assert done.returncode == 1
    assert f"error: {shard}, record " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_corrupt_record_is_skipped_and_counted(records, flags_of_run, tmp_path):
    copy, shard = damaged(records, tmp_path / "records", "test")
    run = tmp_path / "run"
    changes = ["--skip_corrupt", "--epochs=1", "--noexport"]
    where = (f"--data_dir={copy}", f"--model_dir={run}")
    fit = command("fit", *flags_of_run, *where, *changes, eager=True)
    assert f"warning: 1 corrupt record of 160 skipped: {shard.name} " in fit.stderr
    assert len(fit.stderr.splitlines()) == 1
    assert "39 test" in fit.stdout
    command("evaluate", f"--model_dir={run}", eager=True)  # as in training
    for path in (run / "results.json", run / "evaluation" / "test" / "results.json"):
        results = json.loads(path.read_text())
        assert (results["corrupt_skipped"], results["samples"]) == (1, 39)
    assert not load_config(run, skip_corrupt=False).skip_corrupt


def test_help_explains_the_flags():
    done = command("fit", "--help", check=False)
    for part in ("--amr_weight", "Weight of the attribution regulariser", "results.json", "quick"):
        assert part in done.stdout


def test_batch_larger_than_the_data_is_refused(records, tmp_path):
    config = Config(
        modalities="audio,video", data_dir=str(records), batch_size=5000, model_dir=str(tmp_path)
    )
    with pytest.raises(ValueError, match="a global batch of 5000 exceeds the 1"):
        pipeline(config).steps_per_epoch  # noqa: B018
