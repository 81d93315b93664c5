"""Missing and conflicting modalities at the encodings."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf._shapley import subsets
from amr_tf.analysis import ablation
from amr_tf.analysis.evaluation import Encoder, in_batches
from tests.amr_tf.models import classifier, data, dense_head, head_weights, np_logits
from tests.amr_tf.test_model import relu_encodings


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


def test_partners_are_of_another_class_and_any_of_them():
    labels = np.array([0, 0, 0, 1, 2, 2])
    drawn = np.stack([ablation.partners(labels, seed) for seed in range(300)])
    assert (labels[drawn] != labels).all()
    assert set(drawn[:, 0]) == {3, 4, 5}
    assert set(drawn[:, 3]) == {0, 1, 2, 4, 5}
    counts = np.bincount(drawn[:, 0], minlength=6)[3:]
    assert counts.min() > 70
    np.testing.assert_array_equal(ablation.partners(labels, 1), drawn[1])
    with pytest.raises(ValueError, match="one class"):
        ablation.partners(np.zeros(4, int))


def test_a_model_that_listens_to_one_modality_follows_it(rng):
    """A linear head whose second modality has a small weight: dominance 1 and 0."""
    head = dense_head([3, 3], 3)
    head.set_weights([np.concatenate([np.eye(3), 0.1 * np.eye(3)]), np.zeros(3)])
    labels = rng.integers(0, 3, 30)
    encodings = [np.eye(3)[labels], np.eye(3)[labels]]
    partner = ablation.partners(labels)
    followed, decided = [], []
    for m in range(2):
        predicted = ablation.exchange_predictions(head, encodings, m, partner)
        own, others = predicted == labels[partner], predicted == labels
        followed.append(own.mean())
        decided.append((own | others).mean())
    assert followed == [1, 0]
    found = ablation.behavioural_dominance(np.array(followed), np.array(decided))
    np.testing.assert_array_equal(found, [1, 0])


def test_behavioural_dominance_by_hand():
    found = ablation.behavioural_dominance(np.array([0.6, 0.1]), np.array([0.8, 0.4]))
    np.testing.assert_allclose(found, [0.75, 0.25])
    assert np.isnan(ablation.behavioural_dominance(np.zeros(2), np.array([0.0, 1]))).all()


def test_batches_are_joined():
    x = np.arange(10.0)
    double, same = in_batches(lambda a: (2 * a, a), x, size=4)
    np.testing.assert_array_equal(double, 2 * x)
    np.testing.assert_array_equal(same, x)


def test_encoder_gives_all_or_some_encodings():
    x, y = data(21)
    model = classifier()
    expected = relu_encodings(model, x)
    found = Encoder(model)(tf.data.Dataset.from_tensor_slices((x, y)).batch(8))
    np.testing.assert_array_equal(found.labels, y)
    for e, value in zip(expected, found.values.values(), strict=True):
        np.testing.assert_allclose(value, e, atol=1e-5)
    only = {"video": x["video"], "presence": (np.arange(21) % 2)[:, None].astype("float32")}
    found = Encoder(model, ["video"])(tf.data.Dataset.from_tensor_slices((only, y)).batch(8))
    assert list(found.values) == ["video"]
    there = np.arange(21) % 2 == 1
    np.testing.assert_array_equal(found.complete, there)
    np.testing.assert_allclose(found.values["video"][there], expected[1][there], atol=1e-5)
    assert not found.values["video"][~there].any()
    kept = found.where(there)
    assert len(kept.labels) == len(kept.values["video"]) == 10
    with pytest.raises(ValueError, match="empty"):
        Encoder(model)(tf.data.Dataset.from_tensor_slices((x, y)).batch(8).take(0))


def test_encoder_on_replicas_gives_the_same(strategy):
    """33 samples in batches of 16: the last batch leaves replicas empty."""
    x, y = data(33)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    expected = Encoder(classifier())(dataset)
    with strategy.scope():
        model = classifier()
    found = Encoder(model)(dataset)
    np.testing.assert_array_equal(found.labels, y)
    for name, e in expected.values.items():
        np.testing.assert_allclose(found.values[name], e, atol=1e-5)
    logits = ablation.head_logits(model.head, list(found.values.values()))
    assert logits.shape == (33, 3)
