import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import distribution
from amr_tf.layers import (
    Cosine,
    FoldFrames,
    MeanOverFrames,
    StatelessDropout,
    SubtractMeanOverFrames,
    UnfoldFrames,
)
from tests.amr_tf.models import on_replicas


def test_dropout_is_a_function_of_seed_and_call():
    x = tf.ones([4, 1000])
    first, again, other = (StatelessDropout(0.25, seed=s) for s in (1, 1, 2))
    one, two = first(x, training=True).numpy(), first(x, training=True).numpy()
    np.testing.assert_array_equal(again(x, training=True), one)
    assert (one != two).any()
    assert (other(x, training=True).numpy() != one).any()
    np.testing.assert_allclose(np.unique(one), [0, 4 / 3], rtol=1e-6)
    assert abs((one == 0).mean() - 0.25) < 0.03


def test_dropout_is_the_identity_in_inference_and_counts_no_call():
    layer = StatelessDropout(0.5)
    x = tf.ones([2, 3])
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(layer(x, training=False), x)
    assert int(layer.calls) == 0


def test_dropout_of_rate_outside_0_1_is_refused():
    for rate in (-0.1, 1.0):
        with pytest.raises(ValueError, match="rate"):
            StatelessDropout(rate)


def test_a_reloaded_dropout_goes_on_with_the_next_mask(tmp_path):
    inputs = keras.Input([50])
    model = keras.Model(inputs, StatelessDropout(0.5, seed=3)(inputs))
    x = tf.ones([4, 50])
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    second = model(x, training=True)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x, training=True), second)


def test_dropout_on_replicas_drops_what_one_device_drops(strategy):
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    whole = StatelessDropout(0.5, seed=7)
    expected = [whole(x, training=True).numpy() for _ in range(2)]
    with strategy.scope():
        layer = StatelessDropout(0.5, seed=7)
        layer.build((None, 5))
    parts = np.split(x, [5] + [8] * (strategy.num_replicas_in_sync - 2))  # the last ones empty
    for step in range(2):
        got = on_replicas(strategy, lambda v: layer(v, training=True), parts)
        np.testing.assert_array_equal(np.concatenate(got), expected[step])
    assert int(tf.convert_to_tensor(layer.calls)) == 2


def test_frames_fold_into_the_batch_and_back():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    folded = FoldFrames()(x)
    np.testing.assert_array_equal(folded, x.reshape(6, 4))
    np.testing.assert_array_equal(UnfoldFrames(3)(folded), x)
    np.testing.assert_allclose(MeanOverFrames(3)(folded), x.mean(1), rtol=1e-6)
    left = SubtractMeanOverFrames(3)(folded)
    np.testing.assert_allclose(left, (x - x.mean(1, keepdims=True)).reshape(6, 4), atol=1e-6)
    assert left.shape == SubtractMeanOverFrames(3).compute_output_shape(folded.shape)
    images = x.reshape(2, 3, 2, 2)
    folded = FoldFrames()(images)
    np.testing.assert_array_equal(UnfoldFrames(3)(folded), images)
    np.testing.assert_allclose(MeanOverFrames(3)(folded), images.mean(1), rtol=1e-6)
    empty = FoldFrames()(x[:0])
    assert UnfoldFrames(3)(empty).shape == (0, 3, 4)
    assert MeanOverFrames(3)(empty).shape == (0, 4)


def test_global_positions_are_what_the_layers_build_on(strategy):
    sizes = [3] + [1] * (strategy.num_replicas_in_sync - 1)
    got = on_replicas(
        strategy,
        lambda v: tf.stack(distribution.global_positions(tf.shape(v)[0])),
        [np.zeros(n, np.float32) for n in sizes],
    )
    offsets = np.cumsum([0, *sizes[:-1]])
    np.testing.assert_array_equal(got, [[offset, sum(sizes)] for offset in offsets])


def test_cosines_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3, 5)), rng.normal(size=(4, 1, 5))
    expected = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    layer = Cosine()
    np.testing.assert_allclose(
        layer([tf.constant(a, "float32"), tf.constant(b, "float32")]), expected, atol=1e-6
    )
    assert tuple(layer.compute_output_shape([(None, 3, 5), (None, 1, 5)])) == (None, 3)


def test_a_cosine_with_the_zero_vector_is_0_with_gradient_0():
    a = tf.constant([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [1e-20, 0.0]])
    b = tf.constant([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        cosines = Cosine()([a, b])
    np.testing.assert_array_equal(cosines, 0)
    for gradient in tape.gradient(cosines, [a, b]):
        np.testing.assert_array_equal(gradient, 0)
