"""Missing modalities at the encodings."""

import numpy as np
import pytest

from amr_tf._shapley import subsets
from amr_tf.analysis import ablation
from tests.amr_tf.models import dense_head, head_weights, np_logits


@pytest.fixture
def encodings(rng):
    return [rng.normal(size=(20, 4)), rng.normal(size=(20, 6)), rng.normal(size=(20, 2))]


def test_subsets_replace_the_others(encodings):
    head = dense_head([4, 6, 2], 3, hidden=5)
    away = [np.full((1, 4), 0.5), np.zeros((1, 6)), np.ones((1, 2))]
    found = ablation.subset_logits(head, encodings, away)
    assert list(found) == subsets(3)
    assert len(found) == 8
    for subset, logits in found.items():
        mixed = [
            e if m in subset else np.broadcast_to(away[m], e.shape) for m, e in enumerate(encodings)
        ]
        np.testing.assert_allclose(logits, np_logits(head_weights(head), mixed))


def test_shapley_values_add_up_and_spare_dummies(encodings):
    """Accuracy of a head that ignores its third modality."""
    head = dense_head([4, 6, 2], 3)
    weights = head.get_weights()
    weights[0][10:] = 0
    head.set_weights(weights)
    labels = np.arange(20) % 3
    logits = ablation.subset_logits(head, encodings, [np.zeros((1, 1))] * 3)
    correct = {s: (z.argmax(1) == labels).mean() for s, z in logits.items()}
    phi = ablation.shapley_values(correct, 3)
    np.testing.assert_allclose(phi.sum(), correct[frozenset({0, 1, 2})] - correct[frozenset()])
    assert abs(phi[2]) < 1e-12
    f = {s: correct[s] for s in subsets(2)}
    both, none, audio, video = (f[frozenset(s)] for s in ({0, 1}, set(), {0}, {1}))
    np.testing.assert_allclose(phi[0], 0.5 * (both - video + audio - none))


def test_positive_shares():
    values = np.array([[3.0, -1, -1, np.nan], [1.0, 2, -2, 1]])
    expected = [[0.75, 0, 0.5, np.nan], [0.25, 1, 0.5, np.nan]]
    np.testing.assert_allclose(ablation.positive_shares(values), expected)
