"""Encoders that nobody registered: functions of a module, and saved Keras models."""

import pathlib
import sys

import keras
import numpy as np
import pytest

from amr_tf import _registry, saving
from amr_tf.encoders import ENCODERS, EncoderPlugin, build_encoder, find_encoder, mlp
from tests.amr_tf.test_encoders import FRAMES, IMAGE_ENCODERS, batch

MODULE = """
import keras


@keras.saving.register_keras_serializable(package="own_encoders")
class Twice(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


def dense(shape, units=4, seed=0, name="dense", vocabulary_size=None):
    inputs = keras.Input(shape)
    x = keras.layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed))(inputs)
    return keras.Model(inputs, Twice()(x), name=name)


def nameless(shape, **options):
    return keras.Sequential([keras.Input(shape), keras.layers.Dense(3, trainable=False)])


def of_text(shape, vocabulary_size, seed=0, name=""):
    inputs = keras.Input(shape, dtype="int32")
    x = keras.layers.Embedding(vocabulary_size, 2)(inputs)
    return keras.Model(inputs, keras.layers.Flatten()(x), name=name)


def number(shape, seed=0, name=""):
    return 7


def not_built(shape, seed=0, name=""):
    return keras.Sequential([keras.layers.Dense(3)], name=name)


def two_inputs(shape, seed=0, name=""):
    inputs = [keras.Input(shape), keras.Input(shape)]
    return keras.Model(inputs, keras.layers.Add()(inputs), name=name)


def other_shape(shape, seed=0, name=""):
    inputs = keras.Input((9, *shape))
    return keras.Model(inputs, keras.layers.Flatten()(inputs), name=name)


def unknown_size(shape, seed=0, name=""):
    inputs = keras.Input((None,))
    return keras.Model(inputs, keras.layers.ReLU()(inputs), name=name)


def without_seed(shape, name=""):
    return None


def with_more(shape, units, seed=0, name=""):
    return None


value = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "own_encoders.py").write_text(MODULE)
    (tmp_path / "broken_encoders.py").write_text("raise RuntimeError('no luck')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_registry, "_trusted", set())
    yield "own_encoders"
    sys.modules.pop("own_encoders", None)


def test_registered_encoders_are_found_by_name():
    assert find_encoder("mlp") is ENCODERS["mlp"]
    with pytest.raises(ValueError, match="no encoder 'vgg': there are small, resnet18"):
        find_encoder("vgg")


def test_a_function_of_a_module_is_an_encoder(module):
    plugin = find_encoder(f"{module}:dense")
    assert plugin.options == ("units",)
    assert all(plugin.takes(kind) for kind in ("audio", "features", "of their own"))
    encoder = build_encoder(f"{module}:dense", "left", (5,), seed=3, units=6)
    assert (encoder.name, encoder.output_shape) == ("left_encoder", (None, 6))
    other = build_encoder(f"{module}:dense", "left", (5,), seed=4, units=6)
    assert (encoder.get_weights()[0] != other.get_weights()[0]).any()
    with pytest.raises(ValueError, match="left encoder own_encoders:dense has no option 'width'"):
        build_encoder(f"{module}:dense", "left", (5,), width=3)


def test_its_module_is_trusted_when_models_are_loaded(module, tmp_path):
    build_encoder(f"{module}:dense", "left", (5,)).save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    assert loaded.name == "left_encoder"
    _registry._trusted.clear()
    with pytest.raises(ValueError, match="is refused"):
        saving.load_model(tmp_path / "model.keras")


def test_a_model_of_another_name_is_renamed_and_keeps_what_is_frozen(module):
    encoder = build_encoder(f"{module}:nameless", "left", (5,))
    assert (encoder.name, encoder.output_shape) == ("left_encoder", (None, 3))
    assert not encoder.trainable_weights
    assert find_encoder(f"{module}:nameless").options == ()
    x = batch((5,))
    np.testing.assert_allclose(encoder(x), x @ encoder.get_weights()[0], rtol=1e-5)


def test_an_encoder_gets_what_its_modality_tells_if_it_asks(module):
    given = {"vocabulary_size": 11, "language": "en"}
    encoder = build_encoder(f"{module}:of_text", "words", (4,), given=given)
    assert encoder.get_weights()[0].shape == (11, 2)
    assert find_encoder(f"{module}:of_text").options == ()
    assert build_encoder("mlp", "left", (5,), given=given).output_shape == (None, 128)
    for name in (f"{module}:of_text", "text_cnn"):
        with pytest.raises(ValueError, match=f"words encoder {name} needs .*'vocabulary_size'"):
            build_encoder(name, "words", (4,))
        with pytest.raises(ValueError, match="has no option 'vocabulary_size'"):
            build_encoder(name, "words", (4,), vocabulary_size=5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:f", r"no_such_module:f: the module 'no_such_module' cannot be imported"),
        ("broken_encoders:f", "cannot be imported: no luck"),
        (":f", "cannot be imported"),
        ("own_encoders:missing", "own_encoders has no function 'missing'"),
        ("own_encoders:", "own_encoders has no function ''"),
        ("own_encoders:value", "own_encoders has no function 'value'"),
        ("own_encoders:without_seed", r"must be a function of \(shape, seed=..., name=...\)"),
        ("own_encoders:with_more", r"must be a function of .*'units'"),
        ("missing.keras", r"missing\.keras: there is no such file"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_built(module, name, message):
    with pytest.raises(ValueError, match=message):
        find_encoder(name)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("number", "own_encoders:number is not a Keras model, but 'int'"),
        ("not_built", "must be a functional Keras model of one input .* has 0 and 0"),
        ("two_inputs", "must be a functional Keras model of one input .* has 2 and 1"),
        ("other_shape", r"takes samples of shape \(9, 5\), but those .* the shape \(5,\)"),
        ("unknown_size", r"must give encodings \[B, \.\.\.\] .*, not \(None, None\)"),
    ],
)
def test_what_is_no_encoder_of_such_samples_is_refused(module, function, message):
    with pytest.raises(ValueError, match=message):
        build_encoder(f"{module}:{function}", "left", (5,))


def test_a_saved_model_is_an_encoder_with_its_weights(tmp_path):
    saved = mlp((5,), width=4, seed=1)
    x = batch((5,))
    saved(x, training=True)  # moves the averages of the normalisation
    saved.save(tmp_path / "mine.keras")
    path = str(tmp_path / "mine.keras")
    encoder = build_encoder(path, "left", (5,), seed=9)
    assert encoder.name == "left_encoder"
    np.testing.assert_array_equal(encoder(x), saved(x))
    assert encoder.trainable_weights
    assert not build_encoder(path, "left", (5,), frozen=True).trainable_weights
    encoder.save(tmp_path / "again.keras")
    again = saving.load_model(tmp_path / "again.keras")
    assert again.name == "left_encoder"
    np.testing.assert_array_equal(again(x), saved(x))
    with pytest.raises(ValueError, match=r"mine\.keras has no option 'width': it has none"):
        build_encoder(path, "left", (5,), width=4)


def test_a_saved_model_of_open_size_takes_any(tmp_path):
    inputs = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    keras.Model(inputs, x).save(tmp_path / "mine.keras")
    assert build_encoder(str(tmp_path / "mine.keras"), "image", (8, 9, 3)).output_shape == (None, 3)


def test_saved_models_that_are_no_such_encoder_are_refused(tmp_path):
    mlp((5,), width=4).save(tmp_path / "mine.keras")
    with pytest.raises(ValueError, match=r"mine\.keras takes samples of shape \(5,\), .*\(6,\)"):
        build_encoder(str(tmp_path / "mine.keras"), "left", (6,))
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"encoder .*broken\.keras: .*is not a whole \.keras file"):
        build_encoder(str(tmp_path / "broken.keras"), "left", (6,))


def test_a_plugin_takes_the_kinds_that_it_names():
    plugin = EncoderPlugin(mlp, ("features",))
    assert plugin.takes("features")
    assert not plugin.takes("audio")


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_encoders_of_frames_take_images(name):
    assert ENCODERS[name].takes("image")
    image = build_encoder(name, "image", FRAMES[1:], width=4)
    clip = build_encoder(name, "image", (1, *FRAMES[1:]), width=4)
    x = batch(FRAMES[1:])
    np.testing.assert_allclose(image(x), clip(x[:, None]), atol=1e-6)


def test_paths_may_hold_colons(tmp_path):
    folder = pathlib.Path(tmp_path / "a:b")
    folder.mkdir()
    mlp((5,), width=4).save(folder / "mine.keras")
    assert build_encoder(str(folder / "mine.keras"), "left", (5,)).output_shape == (None, 4)
