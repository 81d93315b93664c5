"""Bootstrap draws against NumPy and scikit-learn, and against a known case."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from amr_tf.analysis import bootstrap, calibration
from amr_tf.analysis.bootstrap import Bootstrap, interval


def test_first_draw_is_the_sample_and_the_others_are_resamples(rng):
    values = rng.normal(size=(30, 2))
    found = Bootstrap(30, 50, seed=4)
    assert found.weights.shape == (30, 51)
    np.testing.assert_array_equal(found.weights.sum(0), 30)
    draws = found.mean(values)
    assert draws.shape == (2, 51)
    np.testing.assert_allclose(draws[:, 0], values.mean(0))
    repeated = np.repeat(values, found.weights[:, 7].astype(int), axis=0)
    np.testing.assert_allclose(draws[:, 7], repeated.mean(0))
    np.testing.assert_array_equal(found.weights, Bootstrap(30, 50, seed=4).weights)
    assert (found.weights != Bootstrap(30, 50, seed=5).weights).any()


def test_interval_of_a_proportion_is_near_the_normal_one():
    """120 of 400: 0.3 ± 1.96 sqrt(0.3 0.7 / 400)."""
    values = np.arange(400) < 120
    found = interval(Bootstrap(400, 4000).mean(values))
    half = 1.96 * np.sqrt(0.3 * 0.7 / 400)
    assert found.value == 0.3
    assert abs(found.low - (0.3 - half)) < 0.006
    assert abs(found.high - (0.3 + half)) < 0.006


def test_paired_difference_is_narrower_than_that_of_two_samples(rng):
    a = rng.random(300) < 0.7
    b = a.copy()
    b[:15] = ~b[:15]
    boots = Bootstrap(300)
    paired = interval(boots.mean(a) - boots.mean(b))
    alone = interval(boots.mean(a))
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)
    assert interval(boots.mean(a) - boots.mean(a)).high == 0


def test_subgroup_and_classes(rng):
    values, labels = rng.random(40), np.arange(40) % 4
    boots = Bootstrap(40, 20)
    draws = boots.class_means(values, labels, 5)
    assert draws.shape == (5, 21)
    np.testing.assert_allclose(draws[2, 0], values[labels == 2].mean())
    assert np.isnan(draws[4]).all()
    assert np.isnan(interval(draws[4]).low)
    np.testing.assert_array_equal(boots.mean(values, labels == 2), draws[2])


def test_mean_average_precision_equals_scikit_learn(rng):
    labels = rng.integers(0, 3, 50)
    scores = rng.integers(0, 6, (50, 4)) / 6  # ties; the last class has no clip
    boots = Bootstrap(50, 5)
    found = boots.mean_average_precision(labels, scores)
    for r in range(6):
        weights = boots.weights[:, r]
        expected = [
            average_precision_score(labels == c, scores[:, c], sample_weight=weights)
            for c in range(3)
        ]
        np.testing.assert_allclose(found[r], np.mean(expected), rtol=1e-6)


@pytest.mark.parametrize("arguments", [(0, 10), (5, 0)])
def test_nothing_to_resample_is_refused(arguments):
    with pytest.raises(ValueError, match="need clips and resamples"):
        Bootstrap(*arguments)


def test_two_models_share_the_resamples():
    assert bootstrap.shared(10, 20, 1) is bootstrap.shared(10, 20, 1)


def test_calibration_by_hand():
    """Two bins of 0.5: confidences .6 .8 (one right) and .5 (right), by hand."""
    probabilities = np.array([[0.6, 0.4], [0.2, 0.8], [0.5, 0.5]])
    found = calibration.reliability(np.array([0, 0, 0]), probabilities, bins=2)
    np.testing.assert_array_equal(found.counts, [1, 2])
    np.testing.assert_allclose(found.accuracy, [1, 0.5])
    np.testing.assert_allclose(found.confidence, [0.5, 0.7])
    np.testing.assert_allclose(found.error(), 1 / 3 * 0.5 + 2 / 3 * 0.2)
    weights = np.array([[1, 0], [1, 2], [1, 1]], float)
    np.testing.assert_allclose(found.error(weights), [0.3, 2 / 3 * 0.8 + 1 / 3 * 0.5])


def test_perfect_calibration_and_empty_bins():
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = calibration.reliability(np.array([0, 1]), probabilities)
    assert found.error() == 0
    assert found.bins == 15
    assert np.isnan(found.accuracy[:14]).all()
