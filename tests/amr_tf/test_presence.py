"""What stands in the place of an absent modality has no influence, NaN and infinity included."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.methods.dropout import Dropout
from amr_tf.modalities import FeaturesConfig, FeaturesLayer
from amr_tf.serving import ServedClassifier
from tests.amr_tf.methods.steps import METHODS, data, walked
from tests.amr_tf.models import classifier, dense_head, encoder, largest_difference

FILLINGS = {"NaN": np.nan, "infinity": np.inf, "large": 1e30}
WITH_DROPOUT = {
    "naive": lambda: None,
    "dropout": lambda: Dropout(0.3),
    "modality_dropout": lambda: amr_tf.methods.ModalityDropout(0.3, per_sample=True),
    **METHODS,
}


def lacking(n, filling):
    """A batch of which some lack the sound, and others the picture: `filling` stands there."""
    x, y = data(n)
    presence = np.ones((n, 2), "float32")
    presence[: n // 4, 0] = 0
    presence[n // 4 : n // 2, 1] = 0
    for m, name in enumerate(x):
        x[name][presence[:, m] == 0] = filling
    return {**x, "presence": presence}, y


def batches(n, filling):
    return tf.data.Dataset.from_tensor_slices(lacking(n, filling)).batch(16)


def trained(filling, method=None, n=32, **options):
    model = classifier(method, hidden=8, batch_norm=True, amr_ratio=(1, 9), **options)
    model.fit(batches(n, filling), epochs=2, verbose=0)
    return model


def assert_same_and_finite(a, b):
    assert all(np.isfinite(v.numpy()).all() for v in a.variables)
    assert largest_difference(a, b) == 0
    for u, v in zip(a.non_trainable_variables, b.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(u.numpy(), v.numpy(), err_msg=u.name)  # moving averages, too


@pytest.fixture(scope="module")
def with_zeros():
    """Parts of a batch -> a model that was trained with zeros there."""
    return {parts: trained(0.0, accumulate=parts) for parts in (1, 2)}


@pytest.mark.parametrize("filling", FILLINGS.values(), ids=FILLINGS)
def test_training_is_that_with_zeros_there(filling, with_zeros):
    """Weights and moving averages, in parts of a batch too."""
    for parts, expected in with_zeros.items():
        assert_same_and_finite(trained(filling, accumulate=parts), expected)


@pytest.mark.parametrize("name", walked(WITH_DROPOUT))
def test_every_method_ignores_what_stands_there(name):
    found, expected = (
        trained(filling, WITH_DROPOUT[name](), run_eagerly=True) for filling in (np.nan, 0.0)
    )
    assert_same_and_finite(found, expected)


def test_replicas_ignore_it_as_one_device_does(strategy):
    """33 samples in batches of 16: in the last step replicas are empty."""
    single = trained(np.nan, n=33)
    with strategy.scope():
        several = trained(np.nan, n=33)
    assert largest_difference(single, several) < 1e-5


def test_logits_metrics_shares_explanations_and_measures_ignore_it():
    model = trained(0.0)
    zeros, y = lacking(16, 0.0)
    wrong, _ = lacking(16, np.nan)
    np.testing.assert_array_equal(model(wrong), model(zeros))
    logs = [model.evaluate(x, y, verbose=0, return_dict=True) for x in (wrong, zeros)]
    assert logs[0] == logs[1]
    found, wanted = (amr_tf.explain(model, x) for x in (wrong, zeros))
    np.testing.assert_array_equal(found.shares["logit"], wanted.shares["logit"])
    for name in model.modalities:
        assert np.isfinite(found.features[name]).all()
        np.testing.assert_array_equal(found.attributions[name], wanted.attributions[name])
    found, wanted = (amr_tf.Evaluator(model)(batches(16, f)) for f in (np.nan, 0.0))
    np.testing.assert_array_equal(found.logits, wanted.logits)
    np.testing.assert_array_equal(found.shares["probability"], wanted.shares["probability"])
    found, wanted = (amr_tf.analysis.Encoder(model)(batches(16, f)) for f in (np.nan, 0.0))
    np.testing.assert_array_equal(found.values["video"], wanted.values["video"])


def test_raw_tensors_of_a_features_layer_are_replaced():
    """Here infinity, which no features layer takes for missing."""
    kind = {"audio": FeaturesConfig((5,)), "video": FeaturesConfig((7,))}
    model = amr_tf.MultimodalClassifier(
        {"audio": encoder(5, 4, 1), "video": encoder(7, 6, 2)},
        dense_head([4, 6], 3, dtype="float32"),
        features={name: FeaturesLayer(modality) for name, modality in kind.items()},
    )
    model.compile(keras.optimizers.SGD(0.1))
    zeros, wrong = lacking(16, 0.0)[0], lacking(16, np.inf)[0]
    model.fit(batches(16, np.inf), verbose=0)
    assert all(np.isfinite(v.numpy()).all() for v in model.trainable_variables)
    np.testing.assert_array_equal(model(wrong), model(zeros))
    served = ServedClassifier(model, ("a", "b", "c"))
    answer = served.signature("serving_media")(
        audio=tf.fill([2, 5], np.nan), video=tf.constant(zeros["video"][:2])
    )
    assert np.isfinite(answer["probabilities"]).all()
    np.testing.assert_array_equal(answer["shares"], [[0, 1], [0, 1]])


def test_the_regulariser_leaves_out_shares_that_are_not_numbers():
    """Value and gradient: a sum of 0 x NaN would be NaN."""
    shares = tf.Variable([[0.9, 0.1], [np.nan, np.nan], [0.7, 0.3]])
    with tf.GradientTape() as tape:
        found = amr_tf.AttributionRegularizer((1, 1)).replica_loss(shares, tf.constant([1, 0, 1.0]))
    np.testing.assert_allclose(found[1], [0.8, 0.2], rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(found[0], shares), [[0.5, -0.5], [0, 0], [0.5, -0.5]])
