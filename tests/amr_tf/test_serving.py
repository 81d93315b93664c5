"""The SavedModel answers as the model does, in a process that knows nothing of this project."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import amr_tf
from amr_tf import encoders, features, serving

AUDIO = features.AudioConfig(sample_rate=2000, seconds=0.5, fft_length=64, hop=32)
VIDEO = features.VideoConfig(frames=2, size=16)
CLASSES = ("bird chirping, tweeting", "dog bark", "été")


def small_model(modalities=("audio", "video")):
    shapes = {"audio": AUDIO.shape, "video": VIDEO.shape}
    parts = {m: encoders.build_encoder("small", m, shapes[m]) for m in modalities}
    head = amr_tf.heads.concat([p.output_shape[1:] for p in parts.values()], 3)
    return amr_tf.MultimodalClassifier(parts, head)


@pytest.fixture
def clips(rng):
    waveform = rng.normal(size=(3, 1300)).astype("float32") / 3
    return {"waveform": waveform, "frames": rng.integers(0, 256, (3, 5, 20, 24, 3), dtype=np.uint8)}


def test_served_in_a_process_without_this_project(tmp_path, clips):
    model = small_model()
    version = serving.export(model, tmp_path / "export", AUDIO, VIDEO, CLASSES)
    assert version == tmp_path / "export" / "1"
    inputs = features.serving_features(clips["waveform"], clips["frames"], AUDIO, VIDEO)
    logits, attributions = model.attribute(inputs)
    np.savez(tmp_path / "clips.npz", **clips)
    script = """
        import sys
        class Block:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("amr_tf", "trainers", "tfrecords", "tensorflow_io"):
                    raise ImportError("blocked: " + name)
        sys.meta_path.insert(0, Block())
        import numpy as np, tensorflow as tf
        serve = tf.saved_model.load("export/1").signatures["serving_default"]
        clips = {k: tf.constant(v) for k, v in np.load("clips.npz").items()}
        out = {k: v.numpy() for k, v in serve(**clips).items()}
        one = serve(waveform=clips["waveform"][:1, :700], frames=clips["frames"][:1, :1])
        assert one["probabilities"].shape == (1, 3)
        empty = serve(waveform=tf.fill([1, 9], np.nan), frames=clips["frames"][:1])
        assert np.isfinite(empty["probabilities"]).all()
        out["label"] = np.array([x.decode() for x in out["label"]])
        np.savez("answers.npz", **out)
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, env=environment, check=True
    )
    answers = np.load(tmp_path / "answers.npz")
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(
        answers["shares"], amr_tf.attribution_shares(attributions), atol=1e-5
    )
    assert list(answers["label"]) == [CLASSES[k] for k in np.argmax(logits, 1)]
    np.testing.assert_array_equal(answers["class_id"], np.argmax(logits, 1))
    assets = version / "assets"
    assert (assets / "classes.txt").read_text().splitlines() == list(CLASSES)
    assert json.loads((assets / "model.json").read_text())["audio"]["hop"] == 32


def test_saved_model_cli_shows_the_signature(tmp_path):
    version = serving.export(small_model(), tmp_path, AUDIO, VIDEO, CLASSES)
    cli = shutil.which("saved_model_cli") or pathlib.Path(sys.executable).parent / "saved_model_cli"
    command = [str(cli), "show", "--dir", str(version), "--all"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for part in ("waveform", "frames", "probabilities", "label", "shares", "class_id"):
        assert f"['{part}']" in shown
    assert "shape: (-1, -1, -1, -1, 3)" in shown


def test_only_core_operations(tmp_path):
    """No custom or Python operation: stock TensorFlow Serving has none."""
    from tensorflow.core.protobuf import saved_model_pb2

    version = serving.export(small_model(), tmp_path, AUDIO, VIDEO, CLASSES)
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    operations = {n.op for n in graph.node} | {
        n.op for f in graph.library.function for n in f.node_def
    }
    assert "RFFT" in operations
    assert not {op for op in operations if op.startswith(("IO>", "Addons>")) or "PyFunc" in op}


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_one_modality(tmp_path, clips, modality):
    import tensorflow as tf

    audio, video = (AUDIO, None) if modality == "audio" else (None, VIDEO)
    version = serving.export(small_model((modality,)), tmp_path, audio, video, CLASSES)
    name = "waveform" if modality == "audio" else "frames"
    out = tf.saved_model.load(version).signatures["serving_default"](
        **{name: tf.constant(clips[name])}
    )
    assert set(out) == {"probabilities", "class_id", "label"}


def test_versions_count_up_and_nothing_else_is_left(tmp_path):
    model = small_model()
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    assert serving.export(model, tmp_path, AUDIO, VIDEO, CLASSES).name == "8"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["7", "8", "notes"]
