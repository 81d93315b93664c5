"""Metrics against hand-made numbers and definitions written anew."""

import numpy as np
import pytest

from amr_tf.analysis import metrics
from amr_tf.tasks.metrics import accuracy, average_precisions, mean_average_precision


def np_average_precision(positive, scores):
    """Sum over the ranks of the positives of precision there / number of positives (no ties)."""
    order = np.argsort(-scores)
    hits = positive[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return precision[hits].mean()


def test_mean_average_precision_over_classes_with_positives(rng):
    labels = rng.integers(0, 4, 50)  # class 4 never occurs
    scores = rng.random((50, 5))
    expected = [np_average_precision(labels == c, scores[:, c]) for c in range(4)]
    value, classes = mean_average_precision(labels, scores)
    assert classes == 4
    np.testing.assert_allclose(value, np.mean(expected), atol=1e-12)
    assert np.isnan(average_precisions(labels, scores)[4])


def test_accuracy_and_dominance():
    scores = np.array([[0.2, 0.8], [0.9, 0.1], [0.4, 0.6]])
    assert accuracy(np.array([1, 0, 0]), scores) == 2 / 3
    shares = np.array([[0.9, 0.1], [0.5, 0.5], [1.0, 0.0]])
    np.testing.assert_allclose(metrics.dominance(shares), [0.8, 0.2])
    np.testing.assert_allclose(metrics.dominance(shares, [1, 1, 0]), [0.7, 0.3])
    assert np.isnan(metrics.dominance(shares, [0, 0, 0])).all()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.744, 0.256), "74/26"),
        ((0.745, 0.255), "75/25"),
        ((1 / 3, 1 / 3, 1 / 3), "34/33/33"),
        ((1.0, 0.0), "100/0"),
        ((float("nan"), float("nan")), "?"),
        ((1.0,), "-"),
        ((), "-"),
    ],
)
def test_dominance_as_percent(values, text):
    assert metrics.format_dominance(dict(enumerate(values))) == text
