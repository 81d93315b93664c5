"""Grad⊙Input at the inputs against finite differences."""

import keras
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


def test_a_words_attribution_is_its_embeddings_gradient_times_input():
    """Against NumPy: the mean of embeddings and a linear head give (W_k - sum q W_c) ⊙ E / L."""
    tokens = keras.Input((4,), dtype="int32")
    table = keras.layers.Embedding(7, 3, name="table")
    mean = keras.layers.GlobalAveragePooling1D()(table(tokens))
    encoder = keras.Model(tokens, mean, name="text_encoder")
    model = amr_tf.MultimodalClassifier({"text": encoder}, amr_tf.heads.concat([(3,)], 3, seed=1))
    x = np.array([[2, 3, 2, 0], [6, 5, 4, 1]], np.int32)
    found = explain(model, {"text": x})
    embedded = table.get_weights()[0][x]
    weights, bias = model.head.get_weights()
    logits = embedded.mean(1) @ weights + bias
    top = logits.argmax(1)
    q = np.exp(logits)
    q[np.arange(2), top] = 0
    q /= q.sum(1, keepdims=True)
    wanted = ((weights.T[top] - q @ weights.T)[:, None] * embedded / 4).sum(-1)
    np.testing.assert_allclose(found.attributions["text"], wanted, atol=1e-6)
    np.testing.assert_array_equal(found.features["text"], x)


def test_words_of_a_real_encoder_are_explained():
    text = amr_tf.modalities.TextConfig(("a", "b", "c"), 5)
    encoder = amr_tf.encoders.build_encoder(
        "text_cnn", "text", text.shape, given=text.given_to_encoder, width=4
    )
    head = amr_tf.heads.concat([(4,)], 3)
    features = {"text": amr_tf.modalities.FeaturesLayer(text)}
    model = amr_tf.MultimodalClassifier({"text": encoder}, head, features=features)
    found = explain(model, {"text": np.array([[2, 3, 4, 0, 0]], np.int32)}).attributions["text"]
    assert found.shape == (1, 5)
    assert found[0, :3].any()
    assert not found[0, 3:].any()  # padding says nothing
