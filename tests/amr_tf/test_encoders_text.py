"""Encoders of texts and of sequences of features: padding is nothing."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf import saving
from amr_tf.encoders import ENCODERS, build_encoder
from amr_tf.encoders.recurrence import gru
from tests.amr_tf.policies import built_under
from tests.amr_tf.test_encoders import count, gradient_step

TEXT = [name for name, plugin in ENCODERS.items() if "text" in plugin.kinds]
SEQUENCES = [*TEXT, "gru"]
LENGTHS = (9, 3, 1, 0)  # of the samples, the last is of padding alone
STEPS, FEATURES, WORDS = 9, 3, 20


def build(name, steps=STEPS, width=8, modality="words", **options):
    if name == "gru":
        return build_encoder(name, modality, (steps, FEATURES), width=width, **options)
    given = {"vocabulary_size": WORDS}
    return build_encoder(name, modality, (steps,), given=given, width=width, **options)


def samples(name, steps=STEPS):
    """Four samples of `LENGTHS` steps, padded to `steps`."""
    rng = np.random.default_rng(0)
    if name == "gru":
        x = rng.normal(size=(len(LENGTHS), STEPS, FEATURES)).astype(np.float32)
    else:
        x = rng.integers(1, WORDS, size=(len(LENGTHS), STEPS)).astype(np.int32)
    for sample, length in zip(x, LENGTHS, strict=True):
        sample[length:] = 0
    padding = [(0, 0), (0, steps - STEPS)] + [(0, 0)] * (x.ndim - 2)
    return np.pad(x, padding)


def test_these_are_the_encoders_of_text():
    assert TEXT == ["text_cnn", "text_gru", "text_transformer"]


@pytest.mark.parametrize("name", SEQUENCES)
def test_encodings_are_vectors_one_a_sample(name):
    encoder = build(name, width=12)
    assert encoder.name == "words_encoder"
    assert encoder.output_shape == (None, 12)
    encodings = encoder(samples(name))
    assert encodings.shape == (4, 12)
    assert np.isfinite(encodings).all()


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("training", [False, True])
def test_more_padding_changes_nothing(name, training):
    short, long = build(name), build(name, steps=30)
    if name == "text_transformer":
        short, long = build(name, dropout=0.0), build(name, steps=30, dropout=0.0)
    expected = short(samples(name), training=training)
    np.testing.assert_allclose(long(samples(name, 30), training=training), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01  # texts differ


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sample_is_encoded_as_it_is_alone(name):
    encoder = build(name)
    x = samples(name)
    alone = np.concatenate([encoder(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(encoder(x), alone, atol=1e-5)


@pytest.mark.parametrize("name", SEQUENCES)
def test_gradients_of_padding_alone_are_finite(name):
    encoder = build(name)
    with tf.GradientTape() as tape:
        encodings = encoder(samples(name)[-1:], training=True)
        loss = tf.reduce_sum(encodings**2 + encodings)
    assert np.isfinite(encodings).all()
    for gradient in tape.gradient(loss, encoder.trainable_variables):
        assert gradient is None or np.isfinite(gradient).all()


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_order_of_steps_matters(name):
    encoder = build(name)
    x = samples(name)[:1]
    assert np.abs(encoder(x) - encoder(x[:, ::-1].copy())).max() > 1e-3


@pytest.mark.parametrize("name", SEQUENCES)
def test_initial_weights_are_a_function_of_seed_and_modality(name):
    def weights(modality, seed):
        return build(name, modality=modality, seed=seed).get_weights()[0]

    np.testing.assert_array_equal(weights("words", 1), weights("words", 1))
    assert (weights("words", 1) != weights("words", 2)).any()
    assert (weights("words", 1) != weights("title", 1)).any()


@pytest.mark.parametrize("name", SEQUENCES)
def test_saving_and_loading(name, tmp_path):
    encoder = build(name)
    x = samples(name)
    encoder(x, training=True)  # moves the averages of the normalisation
    encoder.save(tmp_path / "encoder.keras")
    encoder.save_weights(tmp_path / "encoder.weights.h5")
    loaded = saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(loaded(x), encoder(x))
    for file in ("encoder.keras", "encoder.weights.h5"):
        other = build(name, steps=30, seed=5, weights=tmp_path / file)
        np.testing.assert_allclose(other(samples(name, 30)), encoder(x), atol=1e-5)


@pytest.mark.parametrize("name", SEQUENCES)
def test_under_xla_and_in_bfloat16(name):
    options = {"dropout": 0.0} if name == "text_transformer" else {}
    with built_under("mixed_bfloat16"):
        encoder = build(name, **options)
    exact = build(name, **options)
    exact.set_weights(encoder.get_weights())
    x = tf.constant(samples(name))

    @tf.function(jit_compile=True)
    def step():
        with tf.GradientTape() as tape:
            encodings = encoder(x, training=True)
            loss = tf.reduce_sum(tf.cast(encodings, tf.float32) ** 2)
        return encodings, tape.gradient(loss, encoder.trainable_variables)

    encodings, gradients = step()
    assert encodings.dtype == tf.bfloat16
    expected = exact(x, training=True)
    difference = np.abs(tf.cast(encodings, tf.float32) - expected)
    assert difference.max() < 0.05 * np.abs(expected).max()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("strategy", [2], indirect=True)
def test_training_on_uneven_replicas_is_training_on_one_device(name, strategy):
    x = tf.constant(samples(name))
    whole = build(name)
    gradient_step(whole, x, 4)
    with strategy.scope():
        encoder = build(name)
    replicas = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )

    def step(replica):
        gradient_step(encoder, x[3 * replica : 3 + replica], 4)

    tf.function(lambda r: strategy.run(step, (r,)))(replicas)
    for mine, wanted in zip(encoder.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-3, atol=1e-4)


def test_the_parameters_are_those_of_the_architectures():
    table = WORDS * 8
    convolutions = sum(kernel * 8 * 8 + 8 for kernel in (3, 4, 5))
    assert count(build("text_cnn")) == table + convolutions + 6 * 8 * 8 + 2 * 8
    recurrence = 8 * 24 + 24 + 8 * 24 + 24
    assert count(build("text_gru")) == table + recurrence
    block = 2 * 16 + 8 * 24 + 24 + 8 * 8 + 8 + 8 * 32 + 32 + 32 * 8 + 8
    assert count(build("text_transformer", depth=3, heads=2)) == table + 3 * block + 16
    assert count(gru((9, 3), width=8)) == 3 * 24 + 24 + 8 * 24 + 24


def test_a_transformer_drops_in_training_alone():
    encoder = build("text_transformer", dropout=0.5)
    x = samples("text_transformer")
    first = encoder(x, training=True).numpy()
    assert (encoder(x, training=True).numpy() != first).any()  # the next mask
    np.testing.assert_array_equal(encoder(x), encoder(x))
    np.testing.assert_array_equal(build("text_transformer", dropout=0.5)(x, training=True), first)


@pytest.mark.parametrize("name", TEXT)
def test_impossible_texts_are_refused(name):
    given = {"vocabulary_size": WORDS}
    for shape in ((9, 3), (None,), ()):
        with pytest.raises(ValueError, match=r"words_encoder: .*samples of shape \[L\]"):
            build_encoder(name, "words", shape, given=given)
    with pytest.raises(ValueError, match=r"words_encoder: the vocabulary .* 1 is too small"):
        build_encoder(name, "words", (9,), given={"vocabulary_size": 1})


def test_impossible_sequences_are_refused():
    for shape in ((9,), (None, 3), (9, None), (9, 3, 1)):
        with pytest.raises(ValueError, match=r"words_encoder: .*samples of shape \[T, D\]"):
            build_encoder("gru", "words", shape)


def test_impossible_transformers_are_refused():
    with pytest.raises(ValueError, match="the width must be a multiple of the heads, not 8, 3"):
        build("text_transformer", heads=3)
    with pytest.raises(ValueError, match="the width must be a multiple of the heads, not 8, 0"):
        build("text_transformer", heads=0)
    with pytest.raises(ValueError, match="the depth must be positive, not 0"):
        build("text_transformer", depth=0)
