"""Gradient-Blending: the weights' formula and rules, and what estimating leaves behind."""

import numpy as np
import pytest

from amr_tf import _compat
from amr_tf.methods import GradientBlending
from amr_tf.methods.gradient_blending import blending_weights
from tests.amr_tf.methods.steps import (
    blending,
    blending_data,
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    step,
)

X, Y = data(24)


def test_weights_are_generalisation_over_squared_overfitting():
    train0, val0 = np.array([2.0, 2.1, 2.2]), np.array([2.1, 2.2, 2.3])
    train1, val1 = np.array([0.5, 1.5, 0.3]), np.array([1.0, 1.8, 1.2])
    overfitting = (val1 - train1) - (val0 - train0)  # 0.4, 0.2, 0.8
    np.testing.assert_allclose(overfitting, [0.4, 0.2, 0.8])
    ratio = (val0 - val1) / overfitting**2
    np.testing.assert_allclose(
        blending_weights(train0, val0, train1, val1), ratio / ratio.sum(), rtol=1e-6
    )


def test_rules_where_the_formula_fails():
    one = np.ones(3)
    equal = blending_weights(one, one, 0.2 * one, 0.5 * one)
    np.testing.assert_allclose(equal, [1 / 3] * 3)
    # the second head got worse on held-out clips
    weights = blending_weights(one, one, 0.2 * one, np.array([0.5, 1.4, 0.5]))
    np.testing.assert_allclose(weights, [0.5, 0, 0.5])
    # none generalises
    np.testing.assert_allclose(blending_weights(one, one, one, 2 * one), [1 / 3] * 3)
    # the first does not overfit at all: as if by 0.01
    weights = blending_weights(one, one, np.array([0.5, 0.4, 0.4]), 0.5 * one)
    np.testing.assert_allclose(weights, np.array([1e4, 1e2, 1e2]) / 10200, rtol=1e-5)
    # one diverged
    weights = blending_weights(one, one, 0.2 * one, np.array([np.nan, 0.5, np.inf]))
    np.testing.assert_allclose(weights, [0, 1, 0])


def test_loss_is_the_weighted_sum():
    model = classifier(GradientBlending())
    np.testing.assert_allclose(model.blend_weights.numpy(), [1 / 3] * 3)
    weights = [0.2, 0.5, 0.3]
    model.blend_weights.assign(weights)
    e = np_encodings(model, X)
    logits = []
    for m, encoding in zip(model.modalities, e, strict=True):
        w, b = dense(getattr(model, f"{m}_head"))
        logits.append(encoding @ w + b)
    w, b = dense(model.head)
    logits.append(np.concatenate(e, 1) @ w + b)
    expected = sum(w * np_cross_entropy(z, Y).mean() for w, z in zip(weights, logits, strict=True))
    step(model, X, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-4)


def test_fused_weight_alone_is_naive_bit_for_bit():
    naive, model = classifier(), classifier(GradientBlending())
    model.blend_weights.assign([0.0, 0.0, 1.0])
    a, b = step(naive, X, Y), step(model, X, Y)
    for name, delta in a.items():
        np.testing.assert_array_equal(delta, b[name], err_msg=name)


def test_estimating_repeats_and_leaves_the_model_as_it_was():
    model = classifier(blending(GradientBlending("online", 2, 1)), batch_norm=True)
    dataset = blending_data().seen
    model.fit(dataset, epochs=1, verbose=0)
    before = _compat.snapshot(model)
    found = [model.method.estimate(model, model.method.held_out) for _ in range(2)]
    np.testing.assert_array_equal(*found)
    assert found[0].sum() == pytest.approx(1)
    assert (found[0] != 1 / 3).all()
    for a, b in zip(before, _compat.snapshot(model), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("mode", "epochs"), [("offline", [0]), ("online", [0, 3, 6])])
def test_weights_are_estimated_when_due(mode, epochs, monkeypatch):
    model = classifier(blending(GradientBlending(mode, 3)))
    seen = []

    def estimate(model, data):
        seen.append(int(model.epoch.numpy()))
        return np.array([0.5, 0.25, 0.25], np.float32)

    monkeypatch.setattr(model.method, "estimate", estimate)
    model.fit(blending_data().seen, epochs=7, verbose=0)
    assert seen == epochs
    np.testing.assert_allclose(model.blend_weights.numpy(), [0.5, 0.25, 0.25])


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match=r"set model\.method\.held_out = amr_tf"):
        classifier(GradientBlending()).fit(blending_data().seen, verbose=0)
    with pytest.raises(ValueError, match="unknown mode 'sometimes'"):
        GradientBlending("sometimes")
    with pytest.raises(ValueError, match="super_epoch is positive"):
        GradientBlending(super_epoch=0)
