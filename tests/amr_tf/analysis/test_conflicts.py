"""Conflicting modalities at the encodings."""

import numpy as np
import pytest

from amr_tf.analysis import conflicts
from tests.amr_tf.models import dense_head


def test_partners_are_of_another_class_and_any_of_them():
    labels = np.array([0, 0, 0, 1, 2, 2])
    drawn = np.stack([conflicts.partners(labels, seed) for seed in range(300)])
    assert (labels[drawn] != labels).all()
    assert set(drawn[:, 0]) == {3, 4, 5}
    assert set(drawn[:, 3]) == {0, 1, 2, 4, 5}
    counts = np.bincount(drawn[:, 0], minlength=6)[3:]
    assert counts.min() > 70
    np.testing.assert_array_equal(conflicts.partners(labels, 1), drawn[1])
    with pytest.raises(ValueError, match="one class"):
        conflicts.partners(np.zeros(4, int))


def test_a_model_that_listens_to_one_modality_follows_it(rng):
    """A linear head whose second modality has a small weight: dominance 1 and 0."""
    head = dense_head([3, 3], 3)
    head.set_weights([np.concatenate([np.eye(3), 0.1 * np.eye(3)]), np.zeros(3)])
    labels = rng.integers(0, 3, 30)
    encodings = [np.eye(3)[labels], np.eye(3)[labels]]
    partner = conflicts.partners(labels)
    found = conflicts.exchange_outcomes(head, encodings, labels, partner)
    for m in range(2):
        predicted = conflicts.exchange_predictions(head, encodings, m, partner)
        np.testing.assert_array_equal(found.follows[m], predicted == labels[partner])
        np.testing.assert_array_equal(found.follows_rest[m], predicted == labels)
    followed, decided = found.follows.mean(axis=1), found.decided.mean(axis=1)
    assert list(followed) == [1, 0]
    found = conflicts.behavioural_dominance(followed, decided)
    np.testing.assert_array_equal(found, [1, 0])


def test_behavioural_dominance_by_hand():
    found = conflicts.behavioural_dominance(np.array([0.6, 0.1]), np.array([0.8, 0.4]))
    np.testing.assert_allclose(found, [0.75, 0.25])
    assert np.isnan(conflicts.behavioural_dominance(np.zeros(2), np.array([0.0, 1]))).all()
