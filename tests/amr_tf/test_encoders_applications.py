"""Networks of keras.applications: our inputs, their preprocessing, their weights."""

import functools
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import saving
from amr_tf.encoders import ENCODERS, build_encoder, load_weights
from amr_tf.encoders.applications import BACKBONES, _preprocessed, application, backbone_of
from amr_tf.encoders.converted import FixedStatistics
from amr_tf.normalization import SyncBatchNormalization
from tests.amr_tf.policies import built_under
from tests.amr_tf.test_encoders import gradient_step

IMAGE, FRAMES = (40, 36, 3), (2, 40, 36, 3)
MODULES = {"efficientnet_b0": "efficientnet", "efficientnet_v2_b0": "efficientnet_v2",
           "convnext_tiny": "convnext", "densenet121": "densenet",
           "mobilenet_v3_small": "mobilenet_v3"}  # fmt: skip
QUICK = "mobilenet_v3_small"
# the others take seconds to build, and each of these tests builds a network twice
NAMES = [pytest.param(n, marks=[pytest.mark.slow] * (n != QUICK)) for n in BACKBONES]


def pixels(shape, size=2, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, *shape)).astype(np.float32)


def normalised(x):
    return ((x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32)


def preprocess_input(name, x):
    module = importlib.import_module(f"keras.applications.{MODULES.get(name, name)}")
    return module.preprocess_input(x.copy())


@functools.lru_cache(maxsize=2)
def plain(name):
    """Keras' own network, all weights of its own, with statistics that are not 0 and 1."""
    keras.utils.set_random_seed(0)
    network = BACKBONES[name].plain(*IMAGE[:2])
    rng = np.random.default_rng(0)
    weights = [
        w if w.ndim > 1 else w + rng.uniform(0, 0.1, w.shape).astype(w.dtype)
        for w in network.get_weights()
    ]
    network.set_weights(weights)
    return network


@pytest.fixture(scope="module")
def quick():
    """An encoder that tests leave as it is."""
    return build_encoder(QUICK, "image", IMAGE)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A directory of the files in which the weights of `plain(QUICK)` may come."""
    directory = tmp_path_factory.mktemp("saved")
    plain(QUICK).save(directory / "plain.h5")  # what Keras publishes
    encoder = build_encoder(QUICK, "image", IMAGE)
    backbone_of(encoder).set_weights(plain(QUICK).get_weights())
    encoder.save(directory / "encoder.keras")
    encoder.save_weights(directory / "encoder.weights.h5")
    return directory


def encode(network, name, x):
    """What an encoder of that network has to give."""
    return network(preprocess_input(name, x), training=False).numpy().mean((1, 2))


def test_all_are_registered_for_images_and_video():
    for name in BACKBONES:
        assert (ENCODERS[name].kinds, ENCODERS[name].options) == (("video", "image"), ())


@pytest.mark.parametrize("name", BACKBONES)
def test_a_network_sees_what_its_own_preprocessing_makes_of_pixels(name):
    encoder_inputs = keras.Input(IMAGE)
    seen = _preprocessed(encoder_inputs, BACKBONES[name].preprocessing)
    x = pixels(IMAGE)
    found = keras.Model(encoder_inputs, seen)(normalised(x))
    # of numbers up to 255
    np.testing.assert_allclose(found, preprocess_input(name, x), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_the_network_itself_give_what_the_network_gives(name, tmp_path):
    network = plain(name)
    network.save_weights(tmp_path / "plain.weights.h5")
    weights = tmp_path / "plain.weights.h5"
    encoder = build_encoder(name, "video", FRAMES, seed=3, weights=weights)
    x = pixels(FRAMES)
    expected = np.mean([encode(network, name, x[:, i]) for i in range(2)], axis=0)
    np.testing.assert_allclose(
        encoder(normalised(x)), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()
    )
    assert encoder.name == "video_encoder"
    assert encoder.output_shape == (None, expected.shape[1])


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_loading(name, tmp_path):
    encoder = build_encoder(name, "image", IMAGE, seed=1)
    x = normalised(pixels(IMAGE))
    encoder.save(tmp_path / "encoder.keras")
    loaded = saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(loaded(x), encoder(x))


@pytest.mark.parametrize("file", ["encoder.keras", "encoder.weights.h5", "plain.h5"])
def test_weights_of_an_encoder_and_of_the_older_kind_of_files(file, saved):
    other = build_encoder(QUICK, "image", IMAGE, seed=5, weights=saved / file)
    for mine, wanted in zip(other.get_weights(), plain(QUICK).get_weights(), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_a_saved_network_of_keras_itself_is_read_where_it_is_of_plain_layers(tmp_path):
    network = plain("mobilenet_v2")
    network.save(tmp_path / "plain.keras")
    other = build_encoder("mobilenet_v2", "image", IMAGE, weights=tmp_path / "plain.keras")
    for mine, wanted in zip(other.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_weights_of_another_network_are_refused(quick, tmp_path):
    plain("mobilenet_v2").save_weights(tmp_path / "plain.weights.h5")
    small = build_encoder("small", "image", IMAGE)
    small.save(tmp_path / "encoder.keras")
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    for file in ("plain.weights.h5", "encoder.keras", "broken.h5"):
        with pytest.raises(ValueError, match=f"image_encoder: .*{file} (does not fit|holds)"):
            load_weights(quick, tmp_path / file)
    with pytest.raises(ValueError, match=r"ends in \.keras or \.weights\.h5"):
        load_weights(small, tmp_path / "broken.h5")


@pytest.mark.slow
def test_the_published_efficientnet_normalises_by_the_deviation(tmp_path):
    """Its file holds the deviation for the variance; see `adjust_statistics`."""
    network = plain.__wrapped__("efficientnet_b0")  # to change it
    normalise = next(x for x in network.layers if isinstance(x, keras.layers.Normalization))
    own = [*normalise.get_weights()]
    own[:2] = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    normalise.set_weights(own)
    network.save_weights(tmp_path / "published.weights.h5")
    encoder = build_encoder(
        "efficientnet_b0", "image", IMAGE, weights=tmp_path / "published.weights.h5"
    )
    behind = keras.Model(normalise.output, network.output)
    x = normalised(pixels(IMAGE))
    expected = behind(x).numpy().mean((1, 2))  # it sees our inputs as they are
    np.testing.assert_allclose(encoder(x), expected, rtol=1e-3, atol=1e-3 * expected.max())
    encoder.save(tmp_path / "encoder.keras")
    again = build_encoder("efficientnet_b0", "image", IMAGE, weights=tmp_path / "encoder.keras")
    np.testing.assert_array_equal(again(x), encoder(x))


def test_initial_weights_are_a_function_of_seed_and_modality(quick):
    def weights(encoder):
        return [w for w in encoder.get_weights() if w.ndim > 1]

    first = weights(quick)
    again, *others = (
        weights(build_encoder(QUICK, modality, IMAGE, seed=seed))
        for modality, seed in (("image", 0), ("image", 2), ("photo", 0))
    )
    for mine, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(mine, same)
    for other in others:
        for mine, different in zip(first, other, strict=True):
            assert (mine != different).any()
    # and no two layers start alike
    assert len({float(w.ravel()[0]) for w in first}) == len(first)


def layers_of(model):
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)


@pytest.mark.parametrize("name", NAMES)
def test_normalisation_is_over_all_replicas_and_nothing_is_dropped(name):
    layers = list(layers_of(application(name, IMAGE)))
    found = [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]
    assert bool(found) == (name != "convnext_tiny")
    assert all(isinstance(x, SyncBatchNormalization) for x in found)
    assert not [x for x in layers if isinstance(x, keras.layers.Dropout)]


@pytest.mark.parametrize("strategy", [2], indirect=True)
@pytest.mark.slow
def test_training_on_uneven_replicas_is_training_on_one_device(strategy):
    x = normalised(pixels(IMAGE, 4))
    whole = build_encoder(QUICK, "image", IMAGE)
    gradient_step(whole, tf.constant(x), 4)
    with strategy.scope():
        encoder = build_encoder(QUICK, "image", IMAGE)
    replicas = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )

    def step(replica):
        gradient_step(encoder, tf.constant(x)[3 * replica : 3 + replica], 4)

    tf.function(lambda r: strategy.run(step, (r,)))(replicas)
    for mine, wanted in zip(encoder.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-2, atol=2e-3)


def test_under_xla(quick):
    x = normalised(pixels(IMAGE))
    found = tf.function(quick, jit_compile=True)(x)
    np.testing.assert_allclose(found, quick(x), rtol=1e-3, atol=1e-5)


def test_frozen_it_computes_what_it_computes_in_inference():
    encoder = build_encoder(QUICK, "image", IMAGE, frozen=True)
    x = normalised(pixels(IMAGE))
    np.testing.assert_array_equal(encoder(x, training=True), encoder(x))
    assert not encoder.trainable_weights


def test_impossible_images_are_refused():
    with pytest.raises(ValueError, match=r"video_encoder: mobilenet_v2 can't see images of 20 x"):
        build_encoder("mobilenet_v2", "video", (2, 20, 20, 3))
    with pytest.raises(ValueError, match=r"mobilenet_v2 sees images of 3 channels, not \(40, 36,"):
        build_encoder("mobilenet_v2", "image", (40, 36, 1))
    with pytest.raises(ValueError, match="image_encoder: expected samples of shape"):
        build_encoder("mobilenet_v2", "image", (36, 3))
    with pytest.raises(ValueError, match="no network 'vgg16': there are mobilenet_v2, "):
        application("vgg16", IMAGE)
    with pytest.raises(ValueError, match="mobilenet_v2 has no option 'width': it has none"):
        build_encoder("mobilenet_v2", "image", IMAGE, width=8)


def test_fixed_statistics_are_those_that_were_set():
    layer = FixedStatistics()
    x = pixels(IMAGE)
    np.testing.assert_array_equal(layer(x), x)
    layer.set_weights([np.float32([1, 2, 3]), np.float32([4, 9, 0.25]), np.float32(7)])
    np.testing.assert_allclose(layer(x), (x - [1, 2, 3]) / [2, 3, 0.5], rtol=1e-5)
    assert not layer.trainable_weights


def test_in_bfloat16_it_gives_about_the_same():
    with built_under("mixed_bfloat16"):
        encoder = build_encoder(QUICK, "image", IMAGE)
    exact = build_encoder(QUICK, "image", IMAGE)
    exact.set_weights(encoder.get_weights())
    x = normalised(pixels(IMAGE))
    found, expected = encoder(x), exact(x)
    assert found.dtype == tf.bfloat16
    difference = np.abs(tf.cast(found, tf.float32) - expected)
    assert difference.max() < 0.05 * np.abs(expected).max()
