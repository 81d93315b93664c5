"""Shares against closed forms, finite differences, and at the edge of the number range."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import amr_tf
from amr_tf.attribution import target_score
from tests.amr_tf.models import dense_head, gradient, head_weights, np_shares


@pytest.mark.parametrize("sizes", [(4, 6), (3, 5, 2), (2, 3, 4, 5)], ids=["M2", "M3", "M4"])
@pytest.mark.parametrize("hidden", [0, 8], ids=["linear", "two_layer"])
@pytest.mark.parametrize("target", ["probability", "logit", "label"])
def test_shares_equal_finite_differences(rng, sizes, hidden, target):
    head = dense_head(sizes, 5, hidden)
    encodings = [rng.normal(size=(16, size)) for size in sizes]
    labels = rng.integers(0, 5, 16) if target == "label" else None
    shares = amr_tf.modality_attributions(head, encodings, target, labels).numpy()
    np.testing.assert_allclose(
        shares, np_shares(head_weights(head), encodings, target, labels), atol=1e-7
    )
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-12)


def test_linear_head_closed_form(rng):
    """alpha^m = (W_k^m - sum_{c != k} q_c W_c^m) ⊙ e^m, q = softmax over the other classes."""
    sizes, classes = (4, 6), 5
    head = dense_head(sizes, classes)
    ((w, b),) = head_weights(head)
    encodings = [rng.normal(size=(16, size)) for size in sizes]
    z = np.concatenate(encodings, 1) @ w + b
    for i in range(16):
        k = z[i].argmax()
        others = [c for c in range(classes) if c != k]
        q = np.exp(z[i, others]) / np.exp(z[i, others]).sum()
        for target, row in (("probability", w[:, k] - w[:, others] @ q), ("logit", w[:, k])):
            _, alphas = amr_tf.attribute(head, [e[i : i + 1] for e in encodings], target)
            start = 0
            for e, alpha in zip(encodings, alphas, strict=True):
                expected = row[start : start + e.shape[1]] * e[i]
                np.testing.assert_allclose(alpha[0], expected, atol=1e-12)
                start += e.shape[1]


def test_shares_have_the_direction_of_the_probability(rng):
    """The log-odds of the top class and its probability give the same shares: dp = p(1-p) dg."""
    head = dense_head((4, 6), 5)
    encodings = [tf.constant(rng.normal(size=(16, size))) for size in (4, 6)]
    with tf.GradientTape() as tape:
        tape.watch(encodings)
        top = tf.reduce_max(tf.nn.softmax(head(encodings)), axis=-1)
    alphas = [g * e for g, e in zip(tape.gradient(top, encodings), encodings, strict=True)]
    np.testing.assert_allclose(
        amr_tf.attribution_shares(alphas), amr_tf.modality_attributions(head, encodings), atol=1e-9
    )


def test_one_vector_added_to_all_classes(rng):
    """No prediction changes; the default target's shares don't, the logit target's do."""
    head = dense_head((4, 6), 5)
    encodings = [rng.normal(size=(16, size)) for size in (4, 6)]
    before = {
        t: amr_tf.modality_attributions(head, encodings, t).numpy()
        for t in ("probability", "logit")
    }
    kernel = head.trainable_variables[0]
    kernel.assign(kernel + 3 * rng.normal(size=(10, 1)))
    after = {
        t: amr_tf.modality_attributions(head, encodings, t).numpy()
        for t in ("probability", "logit")
    }
    np.testing.assert_allclose(after["probability"], before["probability"], atol=1e-9)
    assert np.abs(after["logit"] - before["logit"]).mean() > 0.05


def test_saturated_softmax_keeps_its_shares(rng):
    """Where all other classes have exactly 0 in float32, the log-odds still have a gradient."""
    head = dense_head((4, 6), 5, dtype="float32")
    encodings = [rng.normal(size=(16, size)).astype("float32") for size in (4, 6)]
    ((w, b),) = head_weights(head)
    head.set_weights([1000 * w, 1000 * b])
    probabilities = tf.nn.softmax(head(encodings)).numpy()  # the top one is 1, or 1 bit less
    assert ((probabilities > 0).sum(axis=1) == 1).sum() > 12
    weights = [(1000.0 * w.astype("float64"), 1000.0 * b.astype("float64"))]
    z = np.concatenate(encodings, 1).astype("float64") @ weights[0][0] + weights[0][1]
    expected = []
    for i in range(16):
        order = np.argsort(-z[i])  # at this scale q is the runner-up
        row = weights[0][0][:, order[0]] - weights[0][0][:, order[1]]
        alpha = row * np.concatenate([e[i] for e in encodings])
        norms = np.array([np.linalg.norm(alpha[:4]), np.linalg.norm(alpha[4:])])
        expected.append(norms / norms.sum())
    shares = amr_tf.modality_attributions(head, encodings).numpy()
    close = np.abs(shares - expected).max(1) < 1e-3
    assert close.sum() >= 15, shares - expected  # one near-tie of runners-up is allowed


EXTREMES = {
    "zero": lambda r, s: np.zeros(s),
    "tiny": lambda r, s: 1e-20 * r.normal(size=s),
    "denormal": lambda r, s: 1e-39 * r.normal(size=s),
    "huge": lambda r, s: 1e20 * r.normal(size=s),
    "tie": lambda r, s: np.ones(s),
}


@pytest.mark.parametrize("first", EXTREMES)
@pytest.mark.parametrize("second", EXTREMES)
@pytest.mark.parametrize("target", ["probability", "logit"])
def test_finite_at_the_edge_of_float32(rng, first, second, target):
    head = dense_head((4, 6), 5, dtype="float32")
    if "tie" in (first, second):
        head.set_weights([np.ones((10, 5), "float32"), np.zeros(5, "float32")])
    encodings = [
        tf.constant(EXTREMES[first](rng, (3, 4)), tf.float32),
        tf.constant(EXTREMES[second](rng, (3, 6)), tf.float32),
    ]
    with tf.GradientTape() as tape:
        shares = amr_tf.modality_attributions(head, encodings, target)
        penalty = amr_tf.AttributionRegularizer((1, 3))(shares)
    gradients = gradient(tape, penalty, head)
    np.testing.assert_allclose(tf.reduce_sum(shares, 1), 1, atol=1e-6)
    assert np.isfinite(penalty)
    assert all(np.isfinite(g).all() for g in gradients)
    if first == second == "zero":
        np.testing.assert_array_equal(shares, 0.5)
        assert all((g.numpy() == 0).all() for g in gradients)


# not so small that `scale` makes subnormal numbers, which TensorFlow takes for 0
SIZES = st.one_of(st.just(0.0), st.floats(1e-290, 1e3), st.floats(-1e3, -1e-290))


@settings(deadline=None, max_examples=60)
@given(
    alphas=arrays(np.float64, (3, 2, 4), elements=SIZES),
    scale=st.sampled_from([1e-12, 1e-3, 1.0, 1e6, 1e12]),
)
def test_shares_are_shares(alphas, scale):
    """Non-negative, summing to 1, unchanged by a common factor, equal to the NumPy quotient."""
    shares = amr_tf.attribution_shares([tf.constant(alphas[:, m]) for m in range(2)]).numpy()
    scaled = amr_tf.attribution_shares([tf.constant(scale * alphas[:, m]) for m in range(2)])
    # hypot, as squares of 1e-200 are 0
    norms = np.array([[math.hypot(*alpha) for alpha in sample] for sample in alphas])
    total = norms.sum(1, keepdims=True)
    expected = np.where(total > 0, norms / np.where(total > 0, total, 1), 0.5)
    np.testing.assert_allclose(shares, expected, atol=1e-9)
    np.testing.assert_allclose(scaled, shares, atol=1e-9)


def test_encodings_of_any_rank(rng):
    """Attributions keep the encoding's shape; shares pool over all of it."""
    inputs = [rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 4))]
    flat_head = dense_head((6, 4), 3)

    def head(encodings, training=False):
        return flat_head([tf.reshape(encodings[0], [-1, 6]), encodings[1]])

    _, alphas = amr_tf.attribute(head, inputs)
    assert alphas[0].shape == (5, 2, 3)
    np.testing.assert_allclose(
        amr_tf.modality_attributions(head, inputs),
        amr_tf.modality_attributions(flat_head, [inputs[0].reshape(5, 6), inputs[1]]),
    )


def test_unused_encoding_has_share_zero(rng):
    head = dense_head((4,), 3)
    shares = amr_tf.modality_attributions(
        lambda e, training=False: head(e[0]), [rng.normal(size=(5, 4)), rng.normal(size=(5, 2))]
    )
    np.testing.assert_array_equal(shares, [[1, 0]] * 5)


def test_half_precision_is_scored_in_float32(rng):
    logits = tf.constant(rng.normal(size=(4, 3)), tf.bfloat16)
    assert target_score(logits).dtype == tf.float32


@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (tf.zeros([2, 3]), "entropy", "unknown attribution target 'entropy'"),
        (tf.zeros([2, 3]), "label", "give labels"),
        (tf.zeros([2, 1]), "probability", "C >= 2 classes"),
    ],
)
def test_what_cannot_be_attributed_is_refused(logits, target, message):
    with pytest.raises(ValueError, match=message):
        target_score(logits, target)
