"""Keras' and TensorFlow's own ways to export a model of one's own, before and after training."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import saving
from amr_tf.modalities import AudioConfig, FeaturesLayer
from tests.amr_tf.models import classifier, data, dense_head, encoder

WAYS = {
    "model.export": lambda model, path: model.export(path),
    "tf.saved_model.save": lambda model, path: tf.saved_model.save(model, path),
}


def exported(model, path, way):
    WAYS[way](model, str(path))
    return tf.saved_model.load(str(path)).signatures["serving_default"]


def assert_answers(served, model, x):
    (logits,) = served(**{name: tf.constant(v) for name, v in x.items()}).values()
    np.testing.assert_allclose(logits, model(x), atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["new", "fitted", "loaded"])
def test_a_model_is_exported(state, way, tmp_path):
    x, y = data(32)
    model = classifier(amr_tf.methods.Dropout(0.3), batch_norm=True)
    if state != "new":
        model.fit(x, y, verbose=0)
    if state == "loaded":
        model.save(tmp_path / "model.keras")
        model = saving.load_model(tmp_path / "model.keras")
    assert_answers(exported(model, tmp_path / "exported", way), model, x)


@pytest.mark.parametrize("way", WAYS)
def test_raw_inputs_and_given_encodings(way, tmp_path):
    """A features layer knows its raw tensors, integers here; what is given, the first batch."""
    audio = AudioConfig(sample_rate=1000, seconds=0.2, fft_length=64, hop=32)
    inputs = keras.Input(audio.shape)
    flat = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
    model = amr_tf.MultimodalClassifier(
        {"audio": keras.Model(inputs, flat), "given": None},
        dense_head([4, 6], 3, dtype="float32"),
        features={"audio": FeaturesLayer(audio)},
    )
    model.compile(keras.optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="what the model takes of given is not known yet"):
        model.export(str(tmp_path / "no"))
    rng = np.random.default_rng(0)
    x = {
        "audio": rng.integers(-9000, 9000, (8, audio.samples), dtype=np.int16),
        "given": rng.normal(size=(8, 6)).astype("float32"),
    }
    model.fit(x, rng.integers(0, 3, 8), verbose=0)
    assert_answers(exported(model, tmp_path / "exported", way), model, x)


def test_one_modality(tmp_path):
    x, y = data(8)
    model = amr_tf.MultimodalClassifier(
        {"audio": encoder(5, 4)}, dense_head([4], 3, dtype="float32")
    )
    model.compile(keras.optimizers.SGD(0.1))
    model.fit({"audio": x["audio"]}, y, verbose=0)
    served = exported(model, tmp_path / "exported", "model.export")
    assert_answers(served, model, {"audio": x["audio"]})
