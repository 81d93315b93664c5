"""Contributions, copies, loss and gradient of the modality valuation against NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from amr_tf._shapley import subsets
from amr_tf.methods import ModalityValuation
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    np_cross_entropy,
    np_encodings,
    step,
    variables,
)
from tests.amr_tf.models import central_differences, head_weights, largest_difference, np_logits

X, Y = data(24, dtype="float64")
PUBLISHED = {-0.5: 3, 0.0: 2, 0.5: 1, 1.0: 0, 1.5: 0}  # contribution -> copies


def logits_of(right):
    """Logits of one sample of class 0 for each set, right or wrong."""
    return {s: tf.constant([[1.0, 0.0] if r else [0.0, 1.0]]) for s, r in right.items()}


@pytest.mark.parametrize("rights", list(itertools.product([0, 1], repeat=3)))
def test_two_modalities_have_the_published_contributions_and_copies(rights):
    audio, video, both = rights
    right = {frozenset([0]): audio, frozenset([1]): video, frozenset([0, 1]): both}
    phi = [(audio + 2 * both - video) / 2, (video + 2 * both - audio) / 2]
    method, labels = ModalityValuation(), tf.constant([0])
    np.testing.assert_allclose(method.contributions(labels, logits_of(right))[0], phi)
    copies = method.copies(labels, logits_of(right))[0]
    np.testing.assert_allclose(copies, [PUBLISHED[p] for p in phi])
    twice = ModalityValuation(strength=2.0).copies(labels, logits_of(right))[0]
    np.testing.assert_allclose(twice, 2 * copies)


def test_three_modalities_share_what_all_are_worth():
    rng, sets = np.random.default_rng(0), subsets(3)[1:]
    for _ in range(5):
        right = dict(zip(sets, rng.integers(0, 2, 7), strict=True))
        value = {frozenset(): 0, **{s: len(s) * r for s, r in right.items()}}
        expected = np.zeros(3)
        for order in itertools.permutations(range(3)):  # the definition by orders of arrival
            for place, m in enumerate(order):
                there = frozenset(order[:place])
                expected[m] += (value[there | {m}] - value[there]) / 6
        found = ModalityValuation().contributions(tf.constant([0]), logits_of(right))[0]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(tf.reduce_sum(found), value[frozenset(range(3))], atol=1e-6)


def alone(e):
    return [e[0], 0 * e[1]], [0 * e[0], e[1]]


def np_copies(model, x, y, strength=1.0, complete=None):
    """The published rule, sample by sample."""
    e, weights = np_encodings(model, x), head_weights(model.head)
    right = [np_logits(weights, given).argmax(1) == y for given in (*alone(e), e)]
    audio, video, both = (r.astype(float) for r in right)
    phi = np.stack([(audio + 2 * both - video) / 2, (video + 2 * both - audio) / 2], axis=1)
    copies = strength * np.vectorize(PUBLISHED.get)(phi)
    return copies if complete is None else copies * complete[:, None]


def np_loss(model, x, y, copies):
    e, weights = np_encodings(model, x), head_weights(model.head)
    total = np_cross_entropy(np_logits(weights, e), y).sum()
    for m, given in enumerate(alone(e)):
        total += (copies[:, m] * np_cross_entropy(np_logits(weights, given), y)).sum()
    return total / (len(y) + copies.sum())


def test_gradient_is_that_of_the_mean_over_samples_and_copies():
    """Central differences; the numbers of copies are constants."""
    method = ModalityValuation(warm_up=0, strength=1.5)
    model = classifier(method, hidden=4, dtype="float64", amr_weight=0)
    copies, named = np_copies(model, X, Y, 1.5), variables(model)
    assert {0, 1.5, 3, 4.5} >= set(copies.ravel())
    assert len(set(copies.ravel())) > 1

    def loss():
        return np_loss(model, X, Y, copies)

    names = ("audio_encoder/0", "video_encoder/1", "head/0", "head/3")
    numeric = {name: central_differences(loss, named[name]) for name in names}
    expected = loss()
    deltas = step(model, X, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)
    for name, wanted in numeric.items():
        np.testing.assert_allclose(deltas[name], wanted, atol=1e-6, err_msg=name)


def test_incomplete_samples_have_no_copies():
    model = classifier(ModalityValuation(warm_up=0), dtype="float64")
    presence = np.ones((24, 2), "float32")
    presence[::3, 1] = 0
    x = {"audio": X["audio"], "video": X["video"] * presence[:, 1:]}
    copies = np_copies(model, x, Y, complete=presence[:, 1])
    e, weights = np_encodings(model, x), head_weights(model.head)
    e[1] = e[1] * presence[:, 1:]
    total = np_cross_entropy(np_logits(weights, e), Y).sum()
    for m, given in enumerate(alone(e)):
        total += (copies[:, m] * np_cross_entropy(np_logits(weights, given), Y)).sum()
    step(model, {**x, "presence": presence}, Y)
    found = float(model.step_metrics.loss.result())
    np.testing.assert_allclose(found, total / (24 + copies.sum()), rtol=1e-5)


def test_the_warm_up_is_naive():
    models = [classifier(ModalityValuation(warm_up=2)), classifier()]
    for epoch, same in ((1, True), (2, False)):
        models[1].set_weights(models[0].get_weights())
        for model in models:
            model.epoch.assign(epoch)
            step(model, X, Y)
        assert bool(largest_difference(*models) == 0) is same


def test_impossible_arguments_are_refused():
    for bad in ({"warm_up": -1}, {"strength": -1}):
        with pytest.raises(ValueError, match="warm_up and strength are zero or positive"):
            ModalityValuation(**bad)
