"""Layers over steps that know which of them are padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf.encoders.recurrence import GatedRecurrence
from amr_tf.encoders.steps import (
    MaskedAttention,
    MaxOfSteps,
    MeanOfSteps,
    RealSteps,
    RealTokens,
    SinusoidalPositions,
    TokenEmbedding,
)

MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], np.float32)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_real_tokens_are_those_that_are_not_padding():
    tokens = np.array([[5, 1, 0, 0], [2, 0, 3, 0]], np.int32)
    np.testing.assert_array_equal(RealTokens()(tokens), [[1, 1, 0, 0], [1, 0, 1, 0]])


def test_real_steps_end_with_the_last_that_says_something():
    x = np.zeros((3, 4, 2), np.float32)
    x[0, 0] = x[0, 2, 1] = 1e-30  # the step between them is a value
    x[1, 3] = -1
    np.testing.assert_array_equal(RealSteps()(x), [[1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]])


def test_an_embedding_says_nothing_of_padding_and_learns_nothing_from_it():
    layer = TokenEmbedding(6, 3, seed=1)
    tokens = tf.constant([[2, 0, 2, 5]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tokens))
    table = layer.get_weights()[0]
    expected = table.copy()
    expected[0] = 0
    np.testing.assert_array_equal(layer(tokens)[0], expected[[2, 0, 2, 5]])
    assert (table[0] != 0).all()  # it is what is read of it that is 0
    (gradient,) = tape.gradient(loss, layer.trainable_variables)
    assert isinstance(gradient, tf.Tensor)  # not slices
    np.testing.assert_array_equal(gradient, np.array([0, 0, 2, 0, 0, 1])[:, None] * np.ones(3))


def test_initial_embeddings_are_normal_and_a_function_of_the_seed():
    tables = []
    for seed in (1, 1, 2):
        layer = TokenEmbedding(2000, 8, seed=seed)
        layer(np.zeros((1, 1), np.int32))
        tables += layer.get_weights()
    np.testing.assert_array_equal(tables[0], tables[1])
    assert (tables[0] != tables[2]).any()
    np.testing.assert_allclose([tables[0].mean(), tables[0].std()], [0, 1], atol=0.03)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_an_embedding_adds_up_the_gradients_of_a_frequent_token_in_float32(policy):
    layer = TokenEmbedding(3, 2, dtype=policy)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.ones((1, 5001), tf.int32)))
    (gradient,) = tape.gradient(loss, layer.trainable_variables)
    np.testing.assert_array_equal(gradient, [[0, 0], [5001, 5001], [0, 0]])


@pytest.mark.parametrize(("layer", "reduce"), [(MeanOfSteps, np.mean), (MaxOfSteps, np.max)])
def test_pooling_sees_real_steps_alone_and_gives_0_for_none(layer, reduce):
    x = normal(3, 4, 5) - 3
    expected = [reduce(x[0, :2], 0), reduce(x[1], 0), np.zeros(5)]
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        pooled = layer()([inputs, MASK])
    np.testing.assert_allclose(pooled, expected, rtol=1e-5)
    gradient = tape.gradient(pooled, inputs).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[MASK == 0], 0)
    np.testing.assert_allclose(gradient.sum(1)[:2], 1, rtol=1e-5)


def test_a_mean_of_many_steps_is_exact_in_16_bits():
    x = tf.ones((1, 999, 1), tf.bfloat16)
    layer = MeanOfSteps(dtype="mixed_bfloat16")
    assert float(layer([x, tf.ones((1, 999), tf.bfloat16)])[0, 0]) == 1


def test_positions_are_those_of_the_formula():
    found = SinusoidalPositions()(np.zeros((1, 7, 5), np.float32))[0]
    for t in range(7):
        for d in range(5):
            angle = t / 10000 ** ((d - d % 2) / 5)
            expected = np.cos(angle) if d % 2 else np.sin(angle)
            np.testing.assert_allclose(found[t, d], expected, atol=1e-6)


def attention_by_hand(projected, mask, heads):
    """Sample by sample, head by head."""
    features = projected.shape[-1] // 3
    size = features // heads
    result = np.zeros((*projected.shape[:2], features))
    for i, (x, real) in enumerate(zip(projected.astype(np.float64), mask > 0, strict=True)):
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            q, k, v = (x[:, n * features :][:, part] for n in range(3))
            weights = np.exp(q @ k.T / np.sqrt(size)) * real
            result[i, :, part] = weights / weights.sum(1, keepdims=True) @ v
    return result


def test_attention_is_that_of_the_formula():
    x = normal(2, 4, 18)
    found = MaskedAttention(3)([x, MASK[:2]])
    np.testing.assert_allclose(found, attention_by_hand(x, MASK[:2], 3), atol=1e-5)


def test_attention_without_a_real_step_is_finite():
    x = tf.constant(normal(3, 4, 18))
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = MaskedAttention(3)([x, MASK])
    assert np.isfinite(found).all()
    assert np.isfinite(tape.gradient(found, x)).all()


def test_a_recurrence_is_that_of_keras():
    """Keras' GRU has (z, r, c) in the same order, and two biases."""
    x = normal(3, 4, 5)
    theirs = keras.layers.GRU(6, reset_after=True)
    theirs(x)
    kernel, recurrent, biases = (normal(*w.shape, seed=i) for i, w in enumerate(theirs.weights))
    theirs.set_weights([kernel, recurrent, biases])
    ours = GatedRecurrence(6)
    projected = x @ kernel + biases[0]
    ours([projected, MASK])
    ours.set_weights([recurrent, biases[1]])
    found = ours([projected, MASK])
    for i, length in enumerate((2, 4)):
        np.testing.assert_allclose(found[i], theirs(x[i : i + 1, :length])[0], atol=1e-5)
    np.testing.assert_array_equal(found[2], 0)


def test_a_recurrence_skips_padding_wherever_it_is():
    layer = GatedRecurrence(6, seed=3)
    x = normal(1, 5, 18)
    expected = layer([x[:, [0, 2, 3]], np.ones((1, 3), np.float32)])
    found = layer([x, np.array([[1, 0, 1, 1, 0]], np.float32)])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_initial_recurrent_kernel_is_orthogonal():
    layer = GatedRecurrence(6, seed=3)
    layer([normal(1, 2, 18), MASK[:1, :2]])
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(6), atol=1e-5)
    np.testing.assert_array_equal(bias, 0)
