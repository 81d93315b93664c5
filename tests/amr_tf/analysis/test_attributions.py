"""Integrated Gradients, DeepLIFT and rank correlation against closed forms and NumPy."""

import keras
import numpy as np
import pytest
from scipy import stats

import amr_tf
from amr_tf.analysis.attributions import DeepLift, integrated_gradients, rank_correlation
from amr_tf.attribution import attribute, attribution_shares
from tests.amr_tf.models import dense_head, head_weights


@pytest.fixture
def encodings(rng):
    return [rng.normal(size=(9, 4)), rng.normal(size=(9, 6))]


def total(parts):
    return sum(p.numpy().sum(1) for p in parts)


def test_linear_head_all_measures_are_gradient_times_input(encodings):
    """With target logit and baseline zero: W_k^m ⊙ e^m."""
    head = dense_head([4, 6], 3)
    _, expected = attribute(head, encodings, "logit")
    gradients, missing = integrated_gradients(head, encodings, target="logit")
    lifted, lift_missing = DeepLift(head)(encodings, target="logit")
    (w, _), k = head_weights(head)[0], head(encodings).numpy().argmax(1)
    closed = np.concatenate(encodings, 1) * w.T[k]
    np.testing.assert_allclose(np.concatenate(expected, 1), closed, atol=1e-12)
    np.testing.assert_allclose(np.concatenate(gradients, 1), closed, atol=1e-12)
    np.testing.assert_allclose(np.concatenate(lifted, 1), closed, atol=1e-12)
    np.testing.assert_allclose(missing, 0, atol=1e-12)
    np.testing.assert_allclose(lift_missing, 0, atol=1e-12)
    shares = attribution_shares(lifted)
    np.testing.assert_allclose(shares, attribution_shares(expected), atol=1e-12)


@pytest.mark.parametrize("target", ["probability", "logit", "centred"])
def test_integrated_gradients_are_complete(encodings, rng, target):
    head = dense_head([4, 6], 3, hidden=8)  # tanh: smooth
    baselines = [rng.normal(size=(1, 4)), np.zeros((1, 6))]
    found, missing = integrated_gradients(head, encodings, baselines, target)
    logits = head(encodings).numpy()
    start = head([np.tile(baselines[0], (9, 1)), np.zeros((9, 6))]).numpy()
    rows, k = np.arange(9), logits.argmax(1)

    def score(z):
        if target == "logit":
            return z[rows, k]
        if target == "centred":
            return z[rows, k] - z.mean(1)
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return np.log(p[rows, k] / (1 - p[rows, k]))

    np.testing.assert_allclose(total(found), score(logits) - score(start), atol=1e-5)
    np.testing.assert_allclose(missing, 0, atol=1e-5)


def test_integrated_gradients_equal_a_fine_sum_in_numpy(encodings):
    """Central differences along 2,000 points of the path, for one feature."""
    head = dense_head([4, 6], 3, hidden=8)
    found, _ = integrated_gradients(head, encodings, target="logit")
    (w1, b1), (w2, _) = head_weights(head)
    x = np.concatenate(encodings, 1)
    k = head(encodings).numpy().argmax(1)
    integral = 0
    for t in (np.arange(2000) + 0.5) / 2000:
        slope = 1 - np.tanh(t * x @ w1 + b1) ** 2
        integral = integral + (slope * w2.T[k]) @ w1.T / 2000
    np.testing.assert_allclose(np.concatenate(found, 1), x * integral, atol=1e-6)


def np_deep_lift(weights, x, start, k, centred):
    """Rescale rule on a ReLU network of two layers, multipliers written out."""
    (w1, b1), (w2, _) = weights
    h, h0 = x @ w1 + b1, start @ w1 + b1
    found = np.zeros_like(x)
    for i in range(len(x)):
        top = w2[:, k[i]] - (w2.mean(1) if centred else 0)
        through = [
            (max(a, 0) - max(c, 0)) / (a - c) * t for a, c, t in zip(h[i], h0[i], top, strict=True)
        ]
        found[i] = (w1 @ through) * (x[i] - start[i])
    return found


@pytest.mark.parametrize("target", ["logit", "centred"])
def test_deep_lift_of_a_relu_network_equals_numpy(encodings, rng, target):
    head = dense_head([4, 6], 3, hidden=8, activation="relu")
    baselines = [rng.normal(size=(9, 4)), rng.normal(size=(9, 6))]
    found, missing = DeepLift(head)(encodings, baselines, target)
    expected = np_deep_lift(
        head_weights(head),
        np.concatenate(encodings, 1),
        np.concatenate(baselines, 1),
        head(encodings).numpy().argmax(1),
        target == "centred",
    )
    np.testing.assert_allclose(np.concatenate(found, 1), expected, atol=1e-10)
    np.testing.assert_allclose(missing, 0, atol=1e-10)


def test_deep_lift_where_input_and_baseline_meet(encodings):
    head = dense_head([4, 6], 3, hidden=8, activation="relu")
    found, missing = DeepLift(head)(encodings, [encodings[0], np.zeros((1, 6))])
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_allclose(missing, 0, atol=1e-10)
    same, _ = DeepLift(head)(encodings, encodings)
    assert np.isfinite(np.concatenate(same, 1)).all()


@pytest.mark.parametrize(
    ("build", "hidden"), [("concat", 0), ("concat", 7), ("sum", 0), ("sum", 7)]
)
def test_deep_lift_of_the_projects_dense_heads(encodings, build, hidden):
    """Encodings of any rank; the head itself stays as it is."""
    head = amr_tf.heads.HEADS[build]([(4,), (2, 3)], 5, hidden=hidden, dropout=0.3)
    inputs = [encodings[0].astype("float32"), encodings[1].reshape(9, 2, 3).astype("float32")]
    before = head(inputs, training=False).numpy()
    found, missing = DeepLift(head)(inputs, target="logit")
    assert found[1].shape == (9, 2, 3)
    np.testing.assert_allclose(missing, 0, atol=1e-5)
    np.testing.assert_array_equal(head(inputs, training=False).numpy(), before)


def test_deep_lift_of_an_ensemble(encodings):
    from amr_tf.methods.ume import ensemble_head

    parts = {
        name: amr_tf.heads.concat([(size,)], 3, hidden=5, seed=i)
        for i, (name, size) in enumerate((("audio", 4), ("video", 6)))
    }
    _, missing = DeepLift(ensemble_head(parts))([e.astype("float32") for e in encodings])
    np.testing.assert_allclose(missing, 0, atol=1e-5)


@pytest.mark.parametrize("fusion", ["film", "gated", "attention"])
def test_deep_lift_refuses_other_layers(fusion):
    head = amr_tf.heads.HEADS[fusion]([(4,), (6,)], 3)
    with pytest.raises(ValueError, match="for heads of dense layers; this head has"):
        DeepLift(head)


def test_deep_lift_refuses_softmax_and_log_odds(encodings):
    inputs = keras.Input((4,))
    head = keras.Model([inputs], keras.layers.Dense(3, activation="softmax")(inputs))
    with pytest.raises(ValueError, match="Dense"):
        DeepLift(head)
    with pytest.raises(ValueError, match="linear in the logits"):
        DeepLift(dense_head([4, 6], 3))(encodings, target="probability")


def test_unknown_target_is_refused(encodings):
    with pytest.raises(ValueError, match="not 'loss'"):
        integrated_gradients(dense_head([4, 6], 3), encodings, target="loss")


def test_rank_correlation_equals_scipy(rng):
    a, b = rng.integers(0, 5, (12, 3)).astype(float), rng.normal(size=(12, 3))
    found = rank_correlation(a, b)
    expected = [stats.spearmanr(x, y).statistic for x, y in zip(a.T, b.T, strict=True)]
    np.testing.assert_allclose(found, expected)
    assert rank_correlation(a[:, 0], -a[:, 0]) == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.ones(4), np.arange(4.0)))
    b[0, 1] = np.nan
    assert list(np.isnan(rank_correlation(a, b))) == [False, True, False]
