"""Learned LFM: the gradient of the agreement against NumPy, and what becomes of it."""

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.methods import LearnedLFM
from tests.amr_tf.methods.steps import (
    blending,
    classifier,
    data,
    np_cross_entropy,
    softmax,
    step,
    variables,
)
from tests.conftest import mirrored

SEEN, UNSEEN = data(24), data(16, seed=7)


def np_losses(theta, x, y):
    """CE and JS of dense ReLU encoders and a linear head, all weights in one vector."""
    shapes = [(5, 4), (4,), (7, 6), (6,), (10, 3), (3,)]
    ends = np.cumsum([np.prod(s) for s in shapes])
    parts = [p.reshape(s) for p, s in zip(np.split(theta, ends[:-1]), shapes, strict=True)]
    audio = np.maximum(x["audio"] @ parts[0] + parts[1], 0)
    video = np.maximum(x["video"] @ parts[2] + parts[3], 0)
    alone = audio @ parts[4][:4] + parts[5] / 2, video @ parts[4][4:] + parts[5] / 2
    p, q = (softmax(z) for z in alone)
    mean = (p + q) / 2
    js = (p * np.log(p / mean) + q * np.log(q / mean)).sum(1).mean() / 2
    return np_cross_entropy(sum(alone), y).mean(), js


def gradient(function, theta, eps=1e-4):
    """Central differences."""
    ends = [[function(theta + s * d) for s in (1, -1)] for d in eps * np.eye(len(theta))]
    return np.array([a - b for a, b in ends]) / (2 * eps)


def np_loss(theta, a):
    fused, between = np_losses(theta, *SEEN)
    return (1 - a) * fused + a * between


def weights(model):
    parts = ("audio_encoder", "video_encoder", "head")
    found = variables(model)
    return np.concatenate([found[f"{p}/{i}"].numpy().ravel() for p in parts for i in (0, 1)])


def hypergradient(model, **options):
    method = LearnedLFM(**options)
    return float(method.hypergradient(model, SEEN, UNSEEN))


@pytest.fixture
def model():
    made = classifier(LearnedLFM(), dtype="float64")
    made.agreement.assign(0.6)
    return made


@pytest.mark.parametrize("terms", [0, 2])
def test_it_is_the_neumann_series_of_numpy(model, terms):
    theta, eta, eps = weights(model), 0.3, 1e-4
    term = gradient(lambda t: np_losses(t, *UNSEEN)[0], theta)
    slope = gradient(lambda t: np.subtract(*np_losses(t, *SEEN)[::-1]), theta)
    ahead = term.copy()
    for _ in range(terms):
        ends = [gradient(lambda t: np_loss(t, 0.6), theta + s * eps * term, 1e-5) for s in (1, -1)]
        term = term - eta * (ends[0] - ends[1]) / (2 * eps)
        ahead += term
    found = hypergradient(model, inner_rate=eta, terms=terms)
    assert found == pytest.approx(-eta * ahead @ slope, rel=1e-4)


def test_it_tells_what_a_step_at_another_agreement_would_make_of_held_out_clips(model):
    theta, eta = weights(model), 1e-3

    def ahead(a):
        return np_losses(theta - eta * gradient(lambda t: np_loss(t, a), theta), *UNSEEN)[0]

    expected = (ahead(0.7) - ahead(0.5)) / 0.2
    assert hypergradient(model, inner_rate=eta, terms=0) == pytest.approx(expected, rel=0.02)


def test_two_replicas_find_what_one_does(model):
    expected = hypergradient(model)
    strategy = mirrored(2)
    with strategy.scope():
        made = classifier(LearnedLFM(), dtype="float64")
    made.agreement.assign(0.6)
    batches = tf.data.Dataset.zip(
        tuple(tf.data.Dataset.from_tensor_slices(b).batch(32) for b in (SEEN, UNSEEN))
    )
    made.method.held_out = amr_tf.methods.HeldOut(
        train=None,
        steps_per_epoch=1,
        seen=batches.map(lambda seen, _: seen),
        unseen=batches.map(lambda _, unseen: unseen),
    )
    (found,) = made.method._gradients(made, 0)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_the_agreement_is_the_weight_of_the_loss(model):
    model.method.strength = 0.5
    fused, between = np_losses(weights(model), *SEEN)
    step(model, *SEEN)
    found = float(model.step_metrics.loss.result())
    assert found == pytest.approx(0.7 * fused + 0.3 * between, rel=1e-6)


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [([2.0, 4.0], 0.3), ([9.0], 0.05), ([-9.0], 0.95), ([float("nan")], 0.6), ([], 0.6)],
)
def test_an_epoch_moves_it_against_the_mean_gradient(model, monkeypatch, gradients, expected):
    monkeypatch.setattr(LearnedLFM, "_gradients", lambda *_: gradients)
    model.method.on_epoch_end(model, 0, {})
    assert float(model.agreement.numpy()) == pytest.approx(expected)


def test_epochs_take_the_pairs_of_batches_in_turn(model, monkeypatch, eagerly):
    """Of 3 pairs, two an epoch: 0, 1, then 2, 0, then 1, 2."""
    number = tf.data.Dataset.range(3)
    model.method = LearnedLFM(batches=2)
    model.method.held_out = amr_tf.methods.HeldOut(
        train=None, steps_per_epoch=1, seen=number, unseen=number.map(lambda i: 10 * i)
    )
    monkeypatch.setattr(LearnedLFM, "hypergradient", lambda _, model, seen, unseen: seen + unseen)
    found = [[int(g) // 11 for g in model.method._gradients(model, epoch)] for epoch in range(3)]
    assert found == [[0, 1], [2, 0], [1, 2]]


def test_the_moved_agreement_reaches_a_compiled_step():
    batches = tf.data.Dataset.from_tensor_slices(SEEN).batch(24)
    ends = []
    for rate in (0.0, 5.0):
        model = classifier(blending(LearnedLFM(rate=rate)))
        model.fit(batches, epochs=2, verbose=0)
        ends.append((float(model.agreement.numpy()), weights(model)))
    assert ends[0][0] == pytest.approx(0.95)
    assert 0.05 <= ends[1][0] < 0.95
    assert np.abs(ends[0][1] - ends[1][1]).max() > 1e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": -1}, "rate is zero or positive and inner_rate positive"),
        ({"inner_rate": 0}, "rate is zero or positive and inner_rate positive"),
        ({"terms": -1}, "terms is zero or positive and batches positive"),
        ({"batches": 0}, "terms is zero or positive and batches positive"),
        ({"start": 0.99}, "start lies in"),
        ({"strength": 2}, "strength lies in"),
    ],
)
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        LearnedLFM(**options)


def test_without_held_out_clips_nothing_is_trained(model):
    with pytest.raises(ValueError, match="learns how much modalities should agree on held-out"):
        model.fit(tf.data.Dataset.from_tensor_slices(SEEN).batch(24), verbose=0)
