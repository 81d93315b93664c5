"""LFM: the loss and its gradient against NumPy, and how the weight falls."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads
from amr_tf.methods import LFM
from amr_tf.methods.lfm import js_divergence
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    softmax,
    step,
)
from tests.amr_tf.models import encoder, head_weights, largest_difference, np_logits

X, Y = data(24)


def np_js(a, b):
    p, q = softmax(a), softmax(b)
    mean = (p + q) / 2
    return (p * np.log(p / mean) + q * np.log(q / mean)).sum(1) / 2


def np_weight(epoch, epochs):
    """The coefficient of the released code, of the epoch that this one stands for of its 200."""
    learning = (2.04623704e-01, 3.35472727e-03, 1.22989557e-04, -2.92947416e-06, 2.23835486e-08,
                -5.39717505e-11)  # fmt: skip
    t = 200 * min(epoch / epochs, 1)
    return min(max(1 - sum(c * t**i for i, c in enumerate(learning)), 0.05), 0.95)


@pytest.mark.parametrize("epochs", [200, 16, 1])
def test_the_weight_falls_along_the_published_polynomial(epochs):
    steps = np.arange(0, 2 * epochs + 1)
    found = np.array([float(LFM(epochs).agreement(tf.constant(t, tf.int64))) for t in steps])
    np.testing.assert_allclose(found, [np_weight(t, epochs) for t in steps], atol=1e-6)
    assert found[0] == pytest.approx(0.795, abs=1e-3)
    assert (found[epochs:] == found[-1]).all()
    assert found.min() >= np.float32(0.05)
    assert (np.diff(found[: 1 + int(0.9 * epochs)]) <= 0).all()


def test_the_divergence_of_equal_and_of_opposite_predictions():
    a = tf.constant([[1.0, 2.0, -1.0], [90.0, 0.0, 0.0], [1e4, 0.0, -1e4]])
    b = tf.constant([[2.0, 3.0, 0.0], [0.0, 90.0, 0.0], [-1e4, 0.0, 1e4]])
    expected = [0, np.log(2), np.log(2)]
    np.testing.assert_allclose(js_divergence(a, b), expected, atol=1e-6)
    np.testing.assert_allclose(js_divergence(b, a), expected, atol=1e-6)


@pytest.mark.parametrize("hidden", [0, 8])
def test_the_loss_is_that_of_the_formula(hidden):
    """A linear head's parts; behind another the others are at their batch mean."""
    model = classifier(LFM(epochs=10), hidden=hidden)
    model.epoch.assign(4)
    e = np_encodings(model, X)
    if hidden:
        weights = head_weights(model.head)
        mean = [np.broadcast_to(a.mean(0), a.shape) for a in e]
        alone = [np_logits(weights, [e[0], mean[1]]), np_logits(weights, [mean[0], e[1]])]
        fused = np_logits(weights, e)
    else:
        w, b = dense(model.head)
        alone = [a @ k + b / 2 for a, k in zip(e, np.split(w, [4]), strict=True)]
        fused = sum(alone)
    a = np_weight(4, 10)
    expected = (1 - a) * np_cross_entropy(fused, Y).mean() + a * np_js(*alone).mean()
    step(model, X, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)


def test_the_gradient_is_that_of_central_differences():
    model = classifier(LFM(epochs=10), dtype="float64", amr_weight=0.0)

    def loss():
        e, (w, b) = np_encodings(model, X), dense(model.head)
        alone = [v @ k + b / 2 for v, k in zip(e, np.split(w, [4]), strict=True)]
        return (1 - a) * np_cross_entropy(sum(alone), Y).mean() + a * np_js(*alone).mean()

    a = np_weight(0, 10)
    kernels = [model.encoders["video"].trainable_variables[0], model.head.trainable_variables[0]]
    expected = []
    for kernel in kernels:
        value = kernel.numpy()
        for index in itertools.islice(np.ndindex(value.shape), 0, None, 5):
            ends = []
            for sign in (1, -1):
                moved = value.copy()
                moved[index] += sign * 1e-5
                kernel.assign(moved)
                ends.append(loss())
            expected.append((ends[0] - ends[1]) / 2e-5)
        kernel.assign(value)
    deltas = step(model, X, Y)
    found = np.concatenate([deltas[k].ravel()[::5] for k in ("video_encoder/0", "head/0")])
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_all_pairs_of_three_modalities():
    sizes = {"audio": 5, "video": 7, "text": 4}
    model = amr_tf.MultimodalClassifier(
        {m: encoder(n, 4, i, f"{m}_encoder") for i, (m, n) in enumerate(sizes.items())},
        heads.HEADS["sum"]([(4,)] * 3, 3, seed=1),
        LFM(epochs=10),
    )
    model.compile("sgd", amr_weight=0.0)
    x = {**X, "text": np.random.default_rng(0).normal(size=(24, 4)).astype("float32")}
    branches = [layer for layer in model.head.layers if layer.name.startswith("logits_")]
    alone = []
    for e, branch in zip(np_encodings(model, x), branches, strict=True):
        alone.append(branch(tf.constant(e, tf.float32)).numpy().astype(float))
    a = np_weight(0, 10)
    between = sum(np_js(*pair).mean() for pair in itertools.combinations(alone, 2))
    expected = (1 - a) * np_cross_entropy(sum(alone), Y).mean() + a * between
    model.train_step(({k: tf.constant(v) for k, v in x.items()}, tf.constant(Y)))
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)


def test_a_sample_that_lacks_one_of_a_pair_has_no_divergence():
    model = classifier(LFM(epochs=10))
    presence = np.ones((24, 2), "float32")
    presence[::3, 1] = 0
    e, (w, b) = np_encodings(model, X), dense(model.head)
    e[1][::3] = 0
    alone = [v @ k + b / 2 for v, k in zip(e, np.split(w, [4]), strict=True)]
    a = np_weight(0, 10)
    between = (np_js(*alone) * presence[:, 1]).mean()
    expected = (1 - a) * np_cross_entropy(sum(alone), Y).mean() + a * between
    step(model, {**X, "presence": presence}, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)


def test_the_epoch_reaches_a_compiled_step():
    """Two epochs of one traced step are two eager epochs, and not twice the first."""
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(24)
    ends = []
    for first, options in ((0, {}), (0, {"run_eagerly": True}), (1, {})):
        model = classifier(LFM(epochs=2), **options)
        model.fit(batches, initial_epoch=first, epochs=first + 2, verbose=0)
        ends.append(model)
    assert largest_difference(ends[0], ends[1]) < 1e-6
    assert largest_difference(ends[0], ends[2]) > 1e-3


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match="epochs is positive, got 0"):
        LFM(epochs=0)
    with pytest.raises(ValueError, match="strength lies in"):
        LFM(strength=1.5)
