"""The encodings of a split, on one device and on several."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.analysis.encodings import Encoder, in_batches, logits_of
from tests.amr_tf.models import classifier, data
from tests.amr_tf.test_model import relu_encodings


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
    logits = logits_of(model.head, list(found.values.values()))
    assert logits.shape == (33, 3)
