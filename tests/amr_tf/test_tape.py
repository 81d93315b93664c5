"""A batch in parts gives what the whole batch gives: for every method, with AMR, on replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf._tape import Tape
from tests.amr_tf.methods.steps import METHODS, walked
from tests.amr_tf.models import classifier, data, dense_head, encoder, largest_difference


def eager_steps(model, count=2, n=17):
    """17 samples in 3 parts are 5, 6 and 6."""
    x, y = data(n)
    batch = {k: tf.constant(v) for k, v in x.items()}, tf.constant(y)
    for _ in range(count):
        model.train_step(batch)
    return model


@pytest.mark.parametrize("name", walked(["naive", *METHODS]))
def test_parts_equal_the_whole_batch(name):
    make = METHODS.get(name, lambda: None)
    whole, parts = (
        eager_steps(classifier(make(), hidden=8, amr_ratio=(1, 9), accumulate=k)) for k in (1, 3)
    )
    untrained = classifier(make(), hidden=8)
    assert largest_difference(whole, parts) < 2e-6
    assert largest_difference(untrained, parts) > 1e-3


def with_dropout(**options):
    def stacked(features, units, seed, name):
        inputs = keras.Input((features,))
        x = encoder(features, units, seed, f"{name}_dense")(inputs)
        x = amr_tf.layers.StatelessDropout(0.5, seed=seed)(x)
        return keras.Model(inputs, x, name=name)

    model = amr_tf.MultimodalClassifier(
        {"audio": stacked(5, 4, 1, "audio_encoder"), "video": stacked(7, 6, 2, "video_encoder")},
        dense_head([4, 6], 3, seed=3, dtype="float32"),
    )
    model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def test_the_second_pass_draws_and_counts_as_the_first():
    """Against the gradient written out: parts in order, each with its own mask, taped as one."""
    model, reference = with_dropout(accumulate=3, amr_weight=0.0), with_dropout(amr_weight=0.0)
    x, y = data(9)
    x = {k: tf.constant(v) for k, v in x.items()}
    with tf.GradientTape() as tape:
        parts = [
            reference.encode({k: v[i : i + 3] for k, v in x.items()}, training=True)
            for i in (0, 3, 6)
        ]
        logits = reference.head([tf.concat(e, 0) for e in zip(*parts, strict=True)])
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
    variables = reference.trainable_variables
    expected = [v - 0.1 * g for v, g in zip(variables, tape.gradient(loss, variables), strict=True)]
    model.train_step((x, tf.constant(y)))
    for a, b in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-6)
    counters = [v.numpy() for v in model.audio_encoder.non_trainable_variables]
    assert counters == [3]  # not 6: the second pass counts what the first has counted


def test_moving_averages_move_once_a_part():
    model = classifier(batch_norm=True, accumulate=2)
    x, y = data(8)
    mean = np.zeros(4)
    w, b = (v.numpy() for v in model.audio_encoder.layers[1].trainable_variables)
    for half in (x["audio"][:4], x["audio"][4:]):
        mean = 0.99 * mean + 0.01 * (half @ w + b).mean(0)
    model.train_step(({k: tf.constant(v) for k, v in x.items()}, tf.constant(y)))
    found = model.audio_encoder.layers[2].moving_mean.numpy()
    np.testing.assert_allclose(found, mean, rtol=1e-5)


@pytest.mark.parametrize("name", [pytest.param("naive", marks=pytest.mark.slow), "mmpareto"])
def test_parts_on_replicas(strategy, name):
    make = METHODS.get(name, lambda: None)
    dataset = tf.data.Dataset.from_tensor_slices(data(48)).batch(16)

    def train(parts):
        model = classifier(make(), hidden=8, amr_ratio=(1, 9), accumulate=parts)
        model.fit(dataset, epochs=2, verbose=0)
        return model

    single = train(1)
    with strategy.scope():
        several = train(2)
    assert largest_difference(single, several) < 1e-5


def test_a_saved_model_keeps_its_parts(tmp_path):
    model = eager_steps(with_dropout(accumulate=3))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.accumulate == 3
    for m in (model, loaded):
        eager_steps(m)
    assert largest_difference(model, loaded) == 0


def test_activations_of_one_part_at_a_time():
    """While a part is encoded, no other part's activations are held by the tape."""
    model = classifier(accumulate=4)
    x, _ = data(16)
    seen = []
    original = type(model).encoding

    def watched(self, modality, inputs, training=False):
        seen.append(int(inputs[modality].shape[0]))
        return original(self, modality, inputs, training)

    type(model).encoding = watched
    try:
        with Tape() as tape:
            encodings = tape.encode(model, {k: tf.constant(v) for k, v in x.items()}, 4)
            loss = tf.add_n([tf.reduce_sum(e) for e in encodings])
        kernel = model.audio_encoder.trainable_variables[0]
        direct = tape._tape.gradient(loss, [kernel])
        found = tape.gradient(loss, [kernel])
    finally:
        type(model).encoding = original
    assert direct == [None]  # nothing between loss and encoder was recorded
    assert np.abs(found[0].numpy()).sum() > 0
    assert seen == [4] * 8 + [4] * 4  # video has no variable to differentiate: no second pass


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_samples_than_parts(n):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="split into 3 parts: it needs as many"
    ):
        eager_steps(classifier(accumulate=3), n=n)


def test_refusals():
    with pytest.raises(ValueError, match="accumulate is 1 or more, got 0"):
        classifier(accumulate=0)
    inputs = keras.Input((5,))
    stock = keras.Model(inputs, keras.layers.Dropout(0.5, name="stock")(inputs))
    model = amr_tf.MultimodalClassifier(
        {"audio": stock, "video": encoder(7, 6, 2)}, dense_head([5, 6], 3, dtype="float32")
    )
    if amr_tf._compat.KERAS_3:  # the draws' state is a variable, and can be put back
        model.compile("sgd", accumulate=2)
    else:
        with pytest.raises(ValueError, match=r"stock of the audio encoder draws anew.*Stateless"):
            model.compile("sgd", accumulate=2)
