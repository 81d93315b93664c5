"""AGM's responses, coefficients and gradient against NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.methods import AGM
from amr_tf.methods.agm import shapley
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    np_cross_entropy,
    softmax,
    step,
    variables,
)
from tests.amr_tf.models import np_logits

X, Y = data(24)


def test_shapley_of_two_is_the_closed_form():
    value = {frozenset(): 0.0, frozenset({0}): 3.0, frozenset({1}): -1.0, frozenset({0, 1}): 7.0}
    assert shapley(value, 0, 2) == 0.5 * (7 - (-1) + 3)
    assert shapley(value, 1, 2) == 0.5 * (7 - 3 + (-1))


@pytest.mark.parametrize("players", [2, 3, 4])
def test_shapley_is_the_mean_over_all_orders(players, rng):
    value = {
        frozenset(s): rng.normal() if s else 0.0
        for n in range(players + 1)
        for s in itertools.combinations(range(players), n)
    }
    orders = list(itertools.permutations(range(players)))
    for player in range(players):
        marginal = [
            value[frozenset(o[: o.index(player) + 1])] - value[frozenset(o[: o.index(player)])]
            for o in orders
        ]
        np.testing.assert_allclose(shapley(value, player, players), np.mean(marginal))
    total = sum(shapley(value, p, players) for p in range(players))
    np.testing.assert_allclose(total, value[frozenset(range(players))])


def forward(model, weights, audio=True, video=True):
    """The logits in NumPy, from given weights of encoders and head, inputs zeroed on demand."""
    e = []
    for m, there in (("audio", audio), ("video", video)):
        w, b = weights[f"{m}_encoder/0"], weights[f"{m}_encoder/1"]
        e.append(np.maximum((X[m] if there else 0 * X[m]) @ w + b, 0))
    heads = [weights[f"head/{i}"] for i in range(len(model.head.trainable_variables))]
    return np_logits(list(zip(heads[::2], heads[1::2], strict=True)), e)


def responses(model, weights):
    both = forward(model, weights)
    audio, video = forward(model, weights, video=False), forward(model, weights, audio=False)
    return 0.5 * (both - video + audio), 0.5 * (both - audio + video)


def values(model):
    return {name: v.numpy().astype(np.float64) for name, v in variables(model).items()}


def test_gradient_through_each_response_is_scaled_by_its_coefficient():
    """Two steps: the first only fills the means. Finite differences of the modulated objective."""
    alpha = 2.0
    model = classifier(AGM(alpha), hidden=5, amr_weight=0)
    for w in model.audio_encoder.trainable_variables[1:]:
        w.assign(w + 0.3)  # a bias: an encoding of silence that is not zero
    first = np.array([np_cross_entropy(p, Y).mean() for p in responses(model, values(model))])
    step(model, X, Y)
    np.testing.assert_allclose(model.agm_scores.numpy(), first, rtol=1e-4)
    weights = values(model)
    phi = responses(model, weights)
    score = np.array([np_cross_entropy(p, Y).mean() for p in phi])
    tau, r = np.exp(first[::-1] - first), np.exp(score[::-1] - score)
    kappa = np.exp(alpha * np.minimum(tau - r, 10))
    assert abs(kappa - 1).max() > 1e-3
    of_logits = (softmax(forward(model, weights)) - np.eye(3)[Y]) / len(Y)

    def objective(changed):
        return sum(
            (of_logits * k * p).sum() for k, p in zip(kappa, responses(model, changed), strict=True)
        )

    deltas = step(model, X, Y)
    for name in ("audio_encoder/0", "video_encoder/0", "video_encoder/1", "head/0", "head/3"):
        numeric = np.zeros_like(weights[name])
        for index in np.ndindex(*numeric.shape):
            sides = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in weights.items()}
                moved[name][index] += sign * 1e-6
                sides.append(objective(moved))
            numeric[index] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(deltas[name], numeric, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(model.agm_scores.numpy(), (first + score) / 2, rtol=1e-4)
    assert model.agm_steps.numpy() == 2


def test_coefficients_of_three():
    c, means = np.array([0.4, 1.5, 0.9]), np.array([0.6, 1.1, 0.8])
    others = [[1, 2], [0, 2], [0, 1]]
    r, tau = (np.exp([v[o].mean() - v[m] for m, o in enumerate(others)]) for v in (c, means))
    found = AGM(0.5).coefficients(tf.constant(c), tf.constant(means))
    np.testing.assert_allclose(found, np.exp(0.5 * np.minimum(tau - r, 10)))


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="alpha is zero or positive"):
        AGM(-0.1)
