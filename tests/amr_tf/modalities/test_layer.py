"""Features as a layer of the model: what training changes, by which draws, and what stays."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.modalities import (
    AudioConfig,
    Augment,
    FeaturesConfig,
    FeaturesLayer,
    ImageConfig,
    TextConfig,
    VideoConfig,
)

AUDIO = AudioConfig(sample_rate=1000, seconds=0.3, fft_length=32, hop=16)  # 19 x 17
VIDEO = VideoConfig(frames=2, size=8)
MASKS = Augment(spec_augment_time=5, spec_augment_freq=3)


def sounds(count, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, (count, 300)).astype(np.int16)


def test_spec_augment_masks_the_bands_that_the_draws_name():
    """Width floor(u (W + 1)), start floor(v (size - width + 1)), filled with the mean."""
    rng = np.random.default_rng(1)
    draws = rng.random((400, 4)).astype(np.float32)
    layer = FeaturesLayer(AUDIO, MASKS)
    raw = tf.constant(sounds(400))
    plain, masked = layer(raw).numpy(), layer(raw, draws=tf.constant(draws)).numpy()
    widths = np.floor(draws[:, [0, 2]] * [6, 4]).astype(int)
    starts = np.floor(draws[:, [1, 3]] * (np.array([19, 17]) - widths + 1)).astype(int)
    wanted = plain.copy()
    for i, ((time, freq), (t, f)) in enumerate(zip(widths, starts, strict=True)):
        wanted[i, t : t + time] = plain[i].mean()
        wanted[i, :, f : f + freq] = plain[i].mean()
    np.testing.assert_allclose(masked, wanted, atol=1e-4)
    assert set(widths[:, 0]) == set(range(6))
    assert set(widths[:, 1]) == set(range(4))
    assert (starts + widths <= [19, 17]).all()


def test_a_mask_may_be_wider_than_the_spectrogram():
    layer = FeaturesLayer(AUDIO, Augment(spec_augment_time=1000))
    found = layer(tf.constant(sounds(1)), draws=tf.constant([[0.999, 0.5, 0.999, 0.5]])).numpy()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, found.mean(), rtol=1e-5)  # all of it


@pytest.mark.parametrize("modality", [VIDEO, ImageConfig(8)])
def test_half_of_the_pictures_are_mirrored(modality):
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (6, *modality.shape)).astype(np.uint8)
    layer = FeaturesLayer(modality, Augment())
    assert layer.draws == 1
    plain = layer(tf.constant(raw)).numpy()
    draws = tf.constant([[0.0], [0.49], [0.5], [0.99], [0.2], [0.7]])
    found = layer(tf.constant(raw), draws=draws).numpy()
    for i, flipped in enumerate([True, True, False, False, True, False]):
        np.testing.assert_array_equal(found[i], plain[i, ..., ::-1, :] if flipped else plain[i])
    assert FeaturesLayer(modality, Augment(flip=False)).draws == 0
    assert FeaturesLayer(modality).draws == 0


def model(augment, seed=0, names=("audio", "rgb", "flow")):
    """A classifier of raw sound and two videos, which keeps what its encoders took."""
    keras.utils.set_random_seed(4)
    kinds = {"audio": AUDIO, "rgb": VIDEO, "flow": VIDEO}
    encoders = {}
    for name in names:
        inputs = keras.Input(kinds[name].shape)
        x = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
        encoders[name] = keras.Model(inputs, x, name=f"{name}_encoder")
    head = amr_tf.heads.concat([(2,)] * len(names), 3)
    features = {name: FeaturesLayer(kinds[name], augment, seed) for name in names}
    made = amr_tf.MultimodalClassifier(encoders, head, features=features)
    made.compile(keras.optimizers.SGD(0.01))
    return made


def raw_inputs(count=16):
    rng = np.random.default_rng(2)
    film = rng.integers(0, 256, (count, *VIDEO.shape)).astype(np.uint8)
    return {"audio": sounds(count), "rgb": film, "flow": film}


def features_of_step(made, x, labels):
    """What the encoders take in the model's next training step."""
    from amr_tf._context import Context

    context = Context.of(made, ({k: tf.constant(v) for k, v in x.items()}, labels), training=True)
    return {name: context.inputs[name].numpy() for name in made.modalities}


def test_draws_are_a_function_of_seed_and_step():
    x, labels = raw_inputs(), tf.zeros([16], tf.int32)
    made = model(MASKS)
    first = features_of_step(made, x, labels)
    again = features_of_step(model(MASKS), x, labels)
    other = features_of_step(model(MASKS, seed=1), x, labels)
    made.step.assign(7)
    later = features_of_step(made, x, labels)
    later_again = model(MASKS)
    later_again.step.assign(7)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != other[name]).any()
        assert (first[name] != later[name]).any()
        np.testing.assert_array_equal(later[name], features_of_step(later_again, x, labels)[name])
    np.testing.assert_array_equal(first["rgb"], first["flow"])  # of one kind: mirrored together


def test_evaluation_changes_nothing():
    x = raw_inputs()
    made = model(MASKS)
    plain = model(None)
    plain.set_weights(made.get_weights())
    np.testing.assert_array_equal(made.predict(x, verbose=0), plain.predict(x, verbose=0))
    labels = np.arange(16) % 3
    assert made.evaluate(x, labels, verbose=0) == plain.evaluate(x, labels, verbose=0)


def test_what_is_absent_is_zero_also_where_silence_is_not():
    x = {k: tf.constant(v) for k, v in raw_inputs(2).items()}
    made = model(None).features({**x, "presence": tf.constant([[0.0, 1, 1], [1, 1, 0]])})
    assert not made["audio"][0].numpy().any()
    assert made["audio"][1].numpy().any()
    assert not made["flow"][1].numpy().any()


@pytest.mark.parametrize(
    "modality",
    [
        AUDIO,
        VIDEO,
        ImageConfig(8),
        TextConfig(("the", "cat"), 4),
        FeaturesConfig((3, 2), (1.0, 2.0), (0.5, 0.0), sequence=True),
    ],
    ids=lambda modality: modality.kind,
)
def test_a_layer_is_saved_with_its_numbers(modality):
    layer = FeaturesLayer(modality, MASKS, seed=5, name="x_features")
    again = FeaturesLayer.from_config(layer.get_config())
    assert (again.modality, again.augment, again.seed, again.name) == (
        modality, MASKS, 5, "x_features",
    )  # fmt: skip
    raw = modality.absent()[None]
    assert raw.shape[1:] == modality.raw.shape
    assert raw.dtype == modality.raw.dtype
    found = again(raw)
    assert (
        tuple(found.shape)
        == (1, *modality.shape)
        == again.compute_output_shape(raw.shape)[:1] + modality.shape
    )
    assert np.isfinite(found.numpy()).all()
    assert modality.raw_bytes == raw.numpy().nbytes


def test_a_saved_model_takes_raw_tensors(tmp_path):
    made, x = model(MASKS), raw_inputs()
    made.save(tmp_path / "model.keras")
    loaded = amr_tf.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), made.predict(x, verbose=0), atol=1e-6)
    assert {n: f.augment for n, f in loaded.features_layers.items()} == dict.fromkeys(x, MASKS)


def test_raw_numbers_are_not_rounded_on_their_way_in():
    """Under a policy of half precision only encoders compute in it."""
    values = np.float32([[1000.123, 2000.456]])
    kind = FeaturesConfig((2,), (1000.0, 2000.0), (1.0, 1.0))
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        encoders = {"x": amr_tf.encoders.mlp((2,), width=2, name="x_encoder")}
        head = amr_tf.heads.concat([(2,)], 2)
        made = amr_tf.MultimodalClassifier(encoders, head, features={"x": FeaturesLayer(kind)})
        found = made.features({"x": tf.constant(values)})["x"]
        seen = []
        made.features = lambda inputs, context=None: seen.append(inputs["x"]) or {"x": found}
        made({"x": tf.constant(values)})
    finally:
        keras.mixed_precision.set_global_policy("float32")
    np.testing.assert_allclose(found, values - [[1000, 2000]], atol=1e-4)
    np.testing.assert_array_equal(seen[0], values)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"smell": FeaturesLayer(AUDIO)}, "features: there is no encoder of 'smell'"),
        ({"audio": AUDIO}, r"audio is AudioConfig: give an amr_tf\.modalities\.FeaturesLayer"),
    ],
)
def test_other_layers_are_refused(features, message):
    parts = model(None)
    with pytest.raises(ValueError, match=message):
        amr_tf.MultimodalClassifier(parts.encoders, parts.head, features=features)


def trained(accumulate=1):
    """Weights after five steps of batches that no number of replicas divides."""
    made = model(MASKS)
    made.compile(keras.optimizers.SGD(0.01), accumulate=accumulate, amr_ratio=(1, 2, 7))
    x, labels = raw_inputs(19), np.arange(19) % 3
    made.fit(tf.data.Dataset.from_tensor_slices((x, labels)).batch(4), verbose=0)
    return made.get_weights()


def test_masks_and_mirrors_are_the_same_on_replicas_and_in_parts(strategy):
    single = trained()
    with strategy.scope():
        replicas = trained()
    for one, many, parts in zip(single, replicas, trained(accumulate=3), strict=True):
        np.testing.assert_allclose(many, one, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(parts, one, rtol=1e-4, atol=1e-5)
