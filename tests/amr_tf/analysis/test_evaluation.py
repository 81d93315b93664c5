"""A pass over a split, on one device and on several."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.analysis.encodings import Encoder
from amr_tf.analysis.evaluation import Evaluator, Unmeasurable
from tests.amr_tf.models import classifier, data, encoder, head_weights, np_logits, np_shares
from tests.amr_tf.test_model import np_cross_entropy, relu_encodings


def test_predictions_equal_numpy_in_order():
    x, y = data(37)
    model = classifier(hidden=5)
    found = Evaluator(model)(tf.data.Dataset.from_tensor_slices((x, y)).batch(16))
    encodings = [e.astype("float64") for e in relu_encodings(model, x)]
    weights = head_weights(model.head)
    np.testing.assert_array_equal(found.labels, y)
    np.testing.assert_allclose(found.logits, np_logits(weights, encodings), atol=1e-5)
    for target in ("probability", "logit"):
        expected = np_shares(weights, encodings, target)
        np.testing.assert_allclose(found.shares[target], expected, atol=1e-3)
    summary = found.summary()
    np.testing.assert_allclose(summary["loss"], np_cross_entropy(found.logits, y), rtol=1e-6)
    np.testing.assert_allclose(found.probabilities.sum(1), 1)
    assert summary["samples"] == 37
    assert summary["mAP_classes"] == 3
    expected = np_shares(weights, encodings, "logit")[:, 0].mean()
    np.testing.assert_allclose(
        summary["dominance_by_target"]["logit"]["audio"], expected, atol=1e-3
    )


def test_replicas_give_the_same_predictions(strategy):
    """33 samples in batches of 16: the last batch leaves replicas empty."""
    x, y = data(33)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    expected = Evaluator(classifier())(dataset)
    with strategy.scope():
        model = classifier()
    found = Evaluator(model)(dataset)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
    np.testing.assert_allclose(
        found.shares["probability"], expected.shares["probability"], atol=1e-5
    )


def test_incomplete_samples_have_no_part_in_dominance():
    x, y = data(10)
    presence = np.ones((10, 2), "float32")
    presence[:6, 0] = 0
    model = classifier()
    dataset = tf.data.Dataset.from_tensor_slices(({**x, "presence": presence}, y)).batch(4)
    found = Evaluator(model)(dataset)
    np.testing.assert_array_equal(found.complete, presence.all(1))
    alone = {m: v[6:] for m, v in x.items()}
    rest = Evaluator(model)(tf.data.Dataset.from_tensor_slices((alone, y[6:])).batch(4)).summary()
    np.testing.assert_allclose(
        found.summary()["dominance"]["audio"], rest["dominance"]["audio"], atol=1e-6
    )


def test_one_modality_has_no_dominance():
    x, y = data(10)
    head = amr_tf.heads.concat([(4,)], 3)
    model = amr_tf.MultimodalClassifier({"audio": encoder(5, 4)}, head)
    summary = Evaluator(model)(tf.data.Dataset.from_tensor_slices((x, y)).batch(4)).summary()
    assert summary["dominance"] is summary["dominance_by_target"] is None


def test_empty_dataset_is_refused():
    x, y = data(4)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).take(0)
    with pytest.raises(ValueError, match="dataset to evaluate on is empty"):
        Evaluator(classifier())(dataset)


def test_concat_head_is_a_linear_layer_on_the_concatenation(rng):
    """A head of encodings of any rank; its dropout leaves inference alone; its seed is its own."""
    head = amr_tf.heads.concat([(4,), (2, 3)], 5, dropout=0.5, seed=3)
    encodings = [rng.normal(size=(6, 4)), rng.normal(size=(6, 2, 3))]
    encodings = [e.astype("float32") for e in encodings]
    w, b = head.get_weights()[:2] if head.get_weights()[0].ndim == 2 else head.get_weights()[1:3]
    flat = np.concatenate([encodings[0], encodings[1].reshape(6, 6)], axis=1)
    np.testing.assert_allclose(head(encodings), flat @ w + b, atol=1e-5)
    assert not np.allclose(head(encodings, training=True), head(encodings))
    again = amr_tf.heads.concat([(4,), (2, 3)], 5, seed=3)
    other = amr_tf.heads.concat([(4,), (2, 3)], 5, seed=4)
    np.testing.assert_array_equal(again.get_weights()[0], w)
    assert not np.allclose(other.get_weights()[0], w)
    assert isinstance(head, keras.Model)


def test_a_model_that_diverged_is_refused_with_a_count():
    x, y = data(37)
    x["audio"][5, 0] = np.inf
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    with pytest.raises(Unmeasurable, match="the logits of 1 of 37 clips are not finite"):
        Evaluator(classifier())(dataset)
    with pytest.raises(Unmeasurable, match="the encodings of audio of 1 of 37 clips"):
        Encoder(classifier())(dataset)
