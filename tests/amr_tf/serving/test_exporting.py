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
import tensorflow as tf

import amr_tf
from amr_tf import attribution_shares
from amr_tf.modalities import VideoConfig
from amr_tf.modalities.wav import encode
from amr_tf.serving import exporting
from tests.amr_tf.serving.served import (
    AUDIO,
    CLASSES,
    INPUTS,
    VIDEO,
    jpeg,
    of_media,
    pixels,
    small_model,
)

# Runs in a process of its own: all signatures, and batches of other sizes.
CLIENT = """
    import sys
    class Block:
        names = {"amr_tf", "trainers", "tfrecords", "tensorflow_io"}
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in self.names:
                raise ImportError("blocked: " + name)
    sys.meta_path.insert(0, Block())
    import numpy as np, tensorflow as tf
    Block.names.add("keras")  # after TensorFlow imported some of it itself
    signatures = tf.saved_model.load(sys.argv[1]).signatures
    clips = {k: tf.constant(v) for k, v in np.load("clips.npz", allow_pickle=True).items()}
    arrays = {k: clips[k] for k in ("audio", "video")}
    media = {"audio": clips["wavs"], "video": clips["jpegs"]}
    answers = {}
    for name, signature in signatures.items():
        out = signature(**(media if name == "serving_media" else arrays))
        answers |= {name + "/" + k: v.numpy() for k, v in out.items()}
    one = signatures["serving_default"](**{k: x[:1] for k, x in arrays.items()})
    assert one["probabilities"].shape == (1, 3)
    silent = signatures["explain"](**{k: tf.zeros_like(x) for k, x in arrays.items()})
    assert all(np.isfinite(v).all() for k, v in silent.items() if k != "label")
    np.savez("answers.npz", **answers)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model with weights that all classes depend on, and its first version."""
    model = small_model()
    directory = tmp_path_factory.mktemp("serving") / "export"
    extra = {"MODEL_CARD.md": "# é\n"}
    return model, exporting.export(model, directory, CLASSES, notes={"method": "x"}, extra=extra)


@pytest.fixture(scope="module")
def clips():
    """Arrays, and encoded clips of which the second has no sound and the third no frames."""
    rng = np.random.default_rng(7)
    sounds = [rng.integers(-9000, 9000, n) for n in (1300, 400)]
    wavs = [encode(sounds[0], 2000), b"", encode(sounds[1], 2000)]
    films = [[jpeg(pixels(rng, 20, 24)) for _ in range(n)] for n in (5, 1)]
    jpegs = [films[0], [*films[1], *[b""] * 4], [b""] * 5]
    return {
        "audio": rng.integers(-9000, 9000, (3, AUDIO.samples), np.int16),
        "video": pixels(rng, 3, VIDEO.frames, VIDEO.size, VIDEO.size),
        "wavs": np.array(wavs, object),
        "jpegs": np.array(jpegs, object),
    }


@pytest.fixture(scope="module")
def answers(exported, clips, tmp_path_factory):
    """Signature -> output -> value, as a client without this project got them."""
    directory = tmp_path_factory.mktemp("client")
    np.savez(directory / "clips.npz", **clips)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    script = [sys.executable, "-c", textwrap.dedent(CLIENT), str(exported[1])]
    subprocess.run(script, cwd=directory, env=environment, check=True)
    found = {}
    for key, value in np.load(directory / "answers.npz", allow_pickle=True).items():
        signature, name = key.split("/")
        found.setdefault(signature, {})[name] = value
    return found


def raw(clips):
    return {name: tf.constant(clips[name]) for name in INPUTS}


def as_the_model(model, inputs, answer):
    """Compares probabilities, labels and shares with the Keras model's."""
    logits, attributions = model.attribute(inputs)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(answer["shares"], attribution_shares(attributions), atol=1e-5)
    np.testing.assert_array_equal(answer["class_id"], np.argmax(logits, 1))
    assert [x.decode() for x in answer["label"]] == [CLASSES[k] for k in np.argmax(logits, 1)]


def test_arrays(exported, clips, answers):
    as_the_model(exported[0], raw(clips), answers["serving_default"])


def test_media(exported, clips, answers):
    audio, frames = tf.constant(clips["wavs"]), tf.constant(clips["jpegs"])
    inputs = of_media(audio, frames)
    as_the_model(exported[0], inputs, answers["serving_media"])
    # what a clip lacks has no share in its decision
    np.testing.assert_array_equal(answers["serving_media"]["shares"][1:], [[0, 1], [1, 0]])


def test_a_bad_clip_is_marked_and_the_others_are_answered(exported, clips):
    """Six clips, of which four cannot be read."""
    served = tf.saved_model.load(str(exported[1])).signatures["serving_media"]
    wavs, jpegs = (list(clips[name]) for name in ("wavs", "jpegs"))
    silence = encode(np.zeros(9), 44_100)
    wavs = [wavs[0], wavs[0][:-9], silence, wavs[2], b"", wavs[2]]
    jpegs = [jpegs[0], jpegs[0], jpegs[0], [jpegs[0][0][:-99]] * 5, [b""] * 5, jpegs[1]]
    given = {"audio": tf.constant(wavs), "video": tf.constant(np.array(jpegs, object))}
    answer = {name: value.numpy() for name, value in served(**given).items()}
    for i, said in enumerate(("", "truncated", "resample it", "damaged", "nothing", "")):
        assert said in answer["error"][i].decode()
        assert bool(answer["error"][i]) == bool(said)
    good, bad = [0, 5], [1, 2, 3, 4]
    # as many rows, since kernels for another number of them round otherwise
    others = served(**{name: tf.gather(x, [0, 0, 0, 5, 5, 5]) for name, x in given.items()})
    for name, value in others.items():
        np.testing.assert_array_equal(answer[name][good], value.numpy()[good], err_msg=name)
    assert not answer["probabilities"][bad].any()
    assert not answer["shares"][bad].any()
    assert (answer["class_id"][bad] == -1).all()
    assert (answer["label"][bad] == b"").all()


def test_explain_against_the_closed_form_of_a_linear_head(exported, clips, answers):
    """alpha = (W_k - sum_c q_c W_c) ⊙ e, q the softmax over the other classes; W_k ⊙ e by logit."""
    model, answer = exported[0], answers["explain"]
    as_the_model(model, raw(clips), answer)
    encodings = [np.asarray(e, np.float64) for e in model.encode(model.features(raw(clips)))]
    weights, bias = (np.asarray(w, np.float64) for w in model.head.get_weights())
    e = np.concatenate(encodings, axis=1)
    logits = e @ weights + bias
    top = logits.argmax(axis=1)
    others = np.exp(logits)
    others[np.arange(3), top] = 0
    q = others / others.sum(axis=1, keepdims=True)
    split = encodings[0].shape[1]
    alpha = (weights.T[top] - q @ weights.T) * e
    np.testing.assert_allclose(answer["attribution_audio"], alpha[:, :split], atol=1e-5)
    np.testing.assert_allclose(answer["attribution_video"], alpha[:, split:], atol=1e-5)
    by_logit = weights.T[top] * e
    norms = [np.linalg.norm(a, axis=1) for a in (by_logit[:, :split], by_logit[:, split:])]
    expected = np.stack(norms, axis=1) / np.sum(norms, axis=0)[:, None]
    np.testing.assert_allclose(answer["shares_logit"], expected, atol=1e-5)


def test_features_can_be_made_from_the_assets_alone(exported, clips, answers):
    """In NumPy. Frames of the model's height need no scaling."""
    model, version = exported
    about = json.loads((version / "assets" / "model.json").read_text())
    sound, picture = about["audio"], about["video"]
    length, hop, samples = (
        sound["fft_length"],
        sound["hop"],
        round(sound["sample_rate"] * sound["seconds"]),
    )
    padded = np.pad(clips["audio"] / 32_768, [(0, 0), (length // 2, length)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    count = 1 + samples // hop
    windows = np.stack([padded[:, t * hop : t * hop + length] for t in range(count)], axis=1)
    audio = np.log(np.abs(np.fft.rfft(windows * window)) + sound["epsilon"])[..., None]
    video = (clips["video"] / 255 - picture["mean"]) / picture["std"]
    features = {"audio": np.float32(audio), "video": np.float32(video)}
    found = tf.nn.softmax(model.head(model.encode(features)))
    np.testing.assert_allclose(found, answers["serving_default"]["probabilities"], atol=1e-5)
    assert about["classes"] == list(CLASSES)
    assert about["modalities"] == ["audio", "video"]
    assert about["method"] == "x"
    assert f"at most {32 * 2**20} bytes" in sound["rules"]["file"]
    assert f"at most {4096**2} pixels" in picture["rules"]["file"]
    assert (version / "assets" / "classes.txt").read_text("utf-8").splitlines() == list(CLASSES)
    assert (version / "assets.extra" / "MODEL_CARD.md").read_text("utf-8") == "# é\n"


def test_saved_model_cli_shows_the_signatures(exported):
    cli = shutil.which("saved_model_cli") or pathlib.Path(sys.executable).parent / "saved_model_cli"
    command = [str(cli), "show", "--dir", str(exported[1]), "--all"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in ("serving_default", "serving_media", "explain"):
        assert f"signature_def['{name}']" in shown
    for part in (
        "audio", "video", "probabilities", "label", "shares", "class_id",
        "shares_logit", "attribution_audio", "attribution_video",
    ):  # fmt: skip
        assert f"['{part}']" in shown
    for shape in ("(-1, 1000)", "(-1, 2, 16, 16, 3)", "(-1, -1)", "(-1)", "(-1, 3)", "(-1, 2)"):
        assert f"shape: {shape}" in shown


def test_only_core_operations(exported):
    """No custom or Python operation: stock TensorFlow Serving has none."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((exported[1] / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    operations = {n.op for n in graph.node} | {
        n.op for f in graph.library.function for n in f.node_def
    }
    assert {"RFFT", "DecodeRaw", "DecodeJpeg", "ExtractJpegShape"} <= operations
    assert not {op for op in operations if op.startswith(("IO>", "Addons>")) or "PyFunc" in op}


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_one_modality(tmp_path, clips, modality):
    model = small_model((modality,))
    version = exporting.export(model, tmp_path, CLASSES)
    signatures = tf.saved_model.load(str(version)).signatures
    wavs, jpegs = (tf.constant(clips[x]) for x in ("wavs", "jpegs"))
    rows = [0, 2] if modality == "audio" else [0, 1]  # the clips that have it
    arrays = {modality: tf.constant(clips[modality])}
    media = {modality: wavs if modality == "audio" else jpegs}
    expected = tf.nn.softmax(model(arrays))
    for name in ("serving_default", "explain"):
        found = signatures[name](**arrays)
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)
        attributions = {f"attribution_{modality}"} if name == "explain" else set()
        assert set(found) == {"probabilities", "class_id", "label"} | attributions
    found = signatures["serving_media"](**{k: tf.gather(v, rows) for k, v in media.items()})
    inputs = of_media(*(tf.gather(x, rows) for x in (wavs, jpegs)), {modality: INPUTS[modality]})
    np.testing.assert_allclose(found["probabilities"], tf.nn.softmax(model(inputs)), atol=1e-5)
    found = signatures["serving_media"](**media)
    (lacks,) = {0, 1, 2} - set(rows)
    assert found["error"][lacks].numpy().decode().endswith(f"for the model: it needs {modality}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ("a", "b")}, "2 class names for the 3 classes of the model"),
        ({"inputs": {**INPUTS, "vidoe": VIDEO}}, "the model has no vidoe: it has audio, video"),
        ({"notes": {"classes": ["a"]}}, "notes: classes is there already"),
        ({"extra": {"tf_serving_warmup_requests": ""}}, "extra: tf_serving_warmup_requests is"),
    ],
)
def test_what_would_have_no_effect_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        exporting.export(small_model(), tmp_path, **{"classes": CLASSES, **options})
    assert list(tmp_path.iterdir()) == []


def test_versions_count_up_and_are_never_touched(tmp_path, monkeypatch):
    # what a version's graph holds is tested above
    monkeypatch.setattr(exporting, "ServedClassifier", _Nothing)
    model = small_model()
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    assert exporting.export(model, tmp_path, CLASSES).name == "8"
    before = {p: p.read_bytes() for p in (tmp_path / "8").rglob("*") if p.is_file()}
    config = tmp_path / "models.config"
    for part in ('name: "amr"', 'base_path: "/models/amr"', 'model_platform: "tensorflow"'):
        assert part in config.read_text()
    config.write_text("# mine")
    assert exporting.export(model, tmp_path, CLASSES).name == "9"
    assert all(path.read_bytes() == content for path, content in before.items())
    assert config.read_text() == "# mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["7", "8", "9", "models.config", "notes"]
    assert exporting.newest_version(tmp_path) == tmp_path / "9"
    assert exporting.newest_version(tmp_path / "8") == tmp_path / "8"


class _Nothing(tf.Module):
    def __init__(self, *_):
        super().__init__()

    def signature(self, name):
        return tf.function(lambda: {"x": tf.constant(1)}).get_concrete_function()


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "ServedClassifier", _Nothing)
    with pytest.raises(FileNotFoundError):
        exporting.export(small_model(), tmp_path, CLASSES, extra={"no/such/directory": ""})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="holds no export"):
        exporting.newest_version(tmp_path)


@pytest.mark.parametrize("name", ["", "dog\nbark", "dog\u2028bark"])
def test_class_names_are_lines(tmp_path, name):
    with pytest.raises(ValueError, match="one line of text, not"):
        exporting.export(small_model(), tmp_path, ("a", name, "b"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_client_sends_has_to_be_known(tmp_path):
    model = small_model()
    bare = amr_tf.MultimodalClassifier(model.encoders, model.head)
    with pytest.raises(ValueError, match="what a client sends of audio, video is not known"):
        exporting.export(bare, tmp_path, CLASSES)
    with pytest.raises(ValueError, match="features layers of other inputs for video"):
        exporting.export(model, tmp_path, CLASSES, {**INPUTS, "video": VideoConfig(2, 8)})
