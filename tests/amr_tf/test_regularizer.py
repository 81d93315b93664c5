"""Eq. (1) against NumPy, its gradient against finite differences in float64."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import amr_tf
from tests.amr_tf.models import dense_head, gradient, head_weights, np_shares


def np_penalty(shares, ratio):
    a = np.mean(shares, axis=0)
    return sum(abs(a[m] / sum(a) - ratio[m] / sum(ratio)) for m in range(len(ratio)))


@pytest.mark.parametrize("ratio", [(1, 1), (3, 1), (0, 1), (20, 60), (2, 1, 1), (1, 0, 0, 3)])
def test_equals_equation_one(rng, ratio):
    shares = rng.dirichlet(np.ones(len(ratio)), size=9)
    penalty = amr_tf.AttributionRegularizer(ratio)(tf.constant(shares))
    np.testing.assert_allclose(penalty, np_penalty(shares, ratio), atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    ratio=st.lists(st.floats(0, 100), min_size=2, max_size=5).filter(lambda r: sum(r) > 1e-6),
    seed=st.integers(0, 99),
)
def test_bounds(ratio, seed):
    """R lies in [0, 2 (1 - min r)], and is 0 at the ratio itself."""
    regularizer = amr_tf.AttributionRegularizer(ratio)
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(ratio)), size=4)
    normalised = np.array(ratio) / sum(ratio)
    assert 0 <= regularizer(tf.constant(shares)) <= 2 * (1 - normalised.min()) + 1e-9
    np.testing.assert_allclose(regularizer(tf.constant([normalised])), 0, atol=1e-12)


@pytest.mark.parametrize("hidden", [0, 6], ids=["linear", "two_layer"])
@pytest.mark.parametrize("target", ["probability", "logit"])
@pytest.mark.parametrize(
    ("sizes", "ratio"), [((3, 4), (1, 1)), ((3, 4), (0, 1)), ((2, 3, 2), (3, 1, 1))]
)
def test_gradient_for_every_head_variable(rng, hidden, target, sizes, ratio):
    """d(weight R)/d(each weight of the head) by central differences of an independent NumPy R."""
    weight = 2.5
    head = dense_head(sizes, 4, hidden)
    encodings = [rng.normal(size=(8, size)) for size in sizes]
    regularizer = amr_tf.AttributionRegularizer(ratio)
    with tf.GradientTape() as tape:
        shares = amr_tf.modality_attributions(head, encodings, target)
        loss = weight * regularizer(shares)
    gradients = gradient(tape, loss, head)

    with tf.GradientTape() as tape:
        shares = amr_tf.modality_attributions(head, encodings, target)
        local, _, _ = regularizer.replica_loss(shares, tf.ones(8))
    surrogate = gradient(tape, local, head)

    values = [w.numpy() for w in head.trainable_variables]
    for v, value in enumerate(values):
        for index in np.ndindex(value.shape):
            moved = []
            for sign in (1, -1):
                shifted = [x.copy() for x in values]
                shifted[v][index] += sign * 1e-4
                pairs = list(zip(shifted[::2], shifted[1::2], strict=True))
                moved.append(np_penalty(np_shares(pairs, encodings, target, step=1e-5), ratio))
            expected = weight * (moved[0] - moved[1]) / 2e-4
            np.testing.assert_allclose(gradients[v].numpy()[index], expected, atol=2e-5)
            np.testing.assert_allclose(weight * surrogate[v].numpy()[index], expected, atol=2e-5)
    assert head_weights(head)[0][0].shape == (sum(sizes), hidden or 4)


def test_only_complete_samples_count(rng):
    shares = tf.constant(rng.dirichlet([1, 1], size=6))
    complete = tf.constant([1.0, 0, 1, 1, 0, 0])
    _, mean, count = amr_tf.AttributionRegularizer().replica_loss(shares, complete)
    np.testing.assert_allclose(mean, shares.numpy()[[0, 2, 3]].mean(0))
    assert count == 3


def test_no_complete_sample_no_gradient():
    shares = tf.Variable([[1.0, 0.0], [0.0, 1.0]])
    with tf.GradientTape() as tape:
        loss, mean, count = amr_tf.AttributionRegularizer().replica_loss(shares, tf.zeros(2))
    np.testing.assert_array_equal(tape.gradient(loss, shares), np.zeros((2, 2)))
    np.testing.assert_array_equal(mean, [0, 0])
    assert count == 0


@pytest.mark.parametrize(
    ("ratio", "message"),
    [
        ((1,), "one number per modality"),
        ((-1, 2), "not negative"),
        ((float("nan"), 1), "finite"),
        ((0, 0), "positive sum"),
    ],
)
def test_bad_ratio_is_refused(ratio, message):
    with pytest.raises(ValueError, match=message):
        amr_tf.AttributionRegularizer(ratio)


def test_shares_of_another_number_of_modalities_are_refused():
    with pytest.raises(ValueError, match=r"shares must be \[B, 2\]"):
        amr_tf.AttributionRegularizer((1, 1))(tf.ones([4, 3]) / 3)
