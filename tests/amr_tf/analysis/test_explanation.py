"""Grad⊙Input at the inputs against finite differences."""

import numpy as np
import tensorflow as tf

import amr_tf
from amr_tf.analysis.explanation import explain
from tests.amr_tf.models import classifier, data, head_weights, np_logits, np_score

X, _ = data(3, dtype="float64")


def score(model, x):
    encodings = []
    for m, part in model.encoders.items():
        w, b = (v.numpy() for v in part.trainable_variables)
        encodings.append(np.maximum(x[m] @ w + b, 0))
    return np_score(np_logits(head_weights(model.head), encodings), "probability")


def test_attributions_are_gradients_times_inputs():
    model = classifier(hidden=6, dtype="float64")
    found = explain(model, X)
    for m, x in X.items():
        numeric = np.zeros_like(x)
        for d in range(x.shape[1]):
            sides = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in X.items()}
                moved[m][:, d] += sign * 1e-6
                sides.append(score(model, moved))
            numeric[:, d] = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(found.attributions[m], numeric * x, atol=1e-6)
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-6)
    _, alphas = model.attribute(X, "logit")
    np.testing.assert_allclose(found.shares["logit"], amr_tf.attribution_shares(alphas))


def test_what_is_absent_has_no_part():
    model = classifier(dtype="float64")
    presence = tf.constant([[1.0, 0.0]] * 3)
    found = explain(model, {**X, "presence": presence})
    assert not found.attributions["video"].any()
    np.testing.assert_array_equal(found.shares["probability"], [[1, 0]] * 3)
