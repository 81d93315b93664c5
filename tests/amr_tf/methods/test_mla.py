"""MLA's head, turns and projection against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import _compat
from amr_tf.methods import MLA, mla
from tests.amr_tf.methods.steps import classifier, data, np_cross_entropy, softmax
from tests.amr_tf.models import dense_head, encoder

X, Y = data(24)
RATE = 0.1


def alike(method, dtype="float32"):
    """A model of two encoders of 4 features each."""
    parts = {"audio": encoder(5, 4, 1, "audio_encoder"), "video": encoder(7, 4, 2, "video_encoder")}
    encoders, head = method.parts(tuple(parts), lambda: (parts, dense_head([4, 4], 3, dtype=dtype)))
    model = amr_tf.MultimodalClassifier(encoders, head, method)
    model.compile(keras.optimizers.SGD(RATE), amr_weight=0, run_eagerly=True)
    return model


def np_fused(logits):
    """The weighted mean of softmaxes, sample by sample."""
    p = [softmax(z) for z in logits]
    weights = [np.exp((q * np.log(q)).sum(1, keepdims=True)) for q in p]
    return sum(w * q for w, q in zip(weights, p, strict=True)) / sum(weights)


def test_the_surer_modality_counts_more():
    head = mla.shared_head([(4,), (4,)], 3)
    rng = np.random.default_rng(0)
    e = [rng.normal(size=(8, 4)) * scale for scale in (0.5, 5)]
    w, b = (v.numpy() for v in head.trainable_variables)
    found = head([tf.constant(x, tf.float32) for x in e]).numpy()
    np.testing.assert_allclose(np.exp(found), np_fused([x @ w + b for x in e]), rtol=1e-4)


def np_step(parts, shared, projection, alpha, x, y):
    """One step in NumPy: each modality's turn, with gradients by hand."""
    (w, b), p = shared, projection
    for m, (we, be) in parts.items():
        before = x[m] @ we + be
        e = np.maximum(before, 0)
        dz = (softmax(e @ w + b) - np.eye(3)[y]) / len(y)
        back = (dz @ w.T) * (before > 0)
        w, b = w - RATE * p @ (e.T @ dz), b - RATE * dz.sum(0)
        parts[m] = we - RATE * x[m].T @ back, be - RATE * back.sum(0)
        r = e.mean(0)
        p = p - np.outer(p @ r, p @ r) / (alpha + r @ p @ r)
    return parts, (w, b), p


def test_steps_are_turns_with_projected_gradients():
    model = alike(MLA(alpha=0.5))
    parts = {m: tuple(w.astype("float64") for w in e.get_weights())
             for m, e in model.encoders.items()}  # fmt: skip
    shared = tuple(w.astype("float64") for w in model.head.get_weights())
    p = np.eye(4)
    batch = ({k: tf.constant(v) for k, v in X.items()}, tf.constant(Y))
    losses = [np_cross_entropy(np.maximum(X[m] @ w + b, 0) @ shared[0] + shared[1], Y).mean()
              for m, (w, b) in parts.items()]  # fmt: skip
    for _ in range(3):
        logs = model.train_step(batch)
        parts, shared, p = np_step(parts, shared, p, 0.5, X, Y)
        np.testing.assert_allclose(model.projection.numpy(), p, atol=1e-5)
        for found, expected in zip(model.head.get_weights(), shared, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)
        for m, expected in parts.items():
            for a, b in zip(model.encoders[m].get_weights(), expected, strict=True):
                np.testing.assert_allclose(a, b, atol=1e-5)
    assert float(logs["loss"]) < sum(losses)
    assert np.abs(p - np.eye(4)).max() > 0.1


def test_the_projection_has_a_closed_form():
    """P = (I + sum r r^T / alpha)^-1, by Sherman and Morrison's formula turn by turn."""
    model = alike(MLA(alpha=0.5))
    encodings = model.encode({k: tf.constant(v) for k, v in X.items()})
    model.train_step(({k: tf.constant(v) for k, v in X.items()}, tf.constant(Y)))
    means = [e.numpy().mean(0) for e in encodings]
    expected = np.linalg.inv(np.eye(4) + sum(np.outer(r, r) for r in means) / 0.5)
    np.testing.assert_allclose(model.projection.numpy(), expected, atol=1e-5)


def test_only_samples_that_have_a_modality_count_in_its_turn():
    presence = np.ones((24, 2), np.float32)
    presence[:8, 0] = 0
    model = alike(MLA())
    r = model.encode({k: tf.constant(v) for k, v in X.items()})[0].numpy()[8:].mean(0)
    video = model.encode({k: tf.constant(v) for k, v in X.items()})[1].numpy().mean(0)
    batch = {k: tf.constant(v) for k, v in {**X, "presence": presence}.items()}
    model.train_step((batch, tf.constant(Y)))
    expected = np.linalg.inv(np.eye(4) + (np.outer(r, r) + np.outer(video, video)) / 0.1)
    np.testing.assert_allclose(model.projection.numpy(), expected, atol=1e-4)


def test_turns_count_as_one_step_of_the_schedule():
    model = alike(MLA())
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 6
    assert _compat.learning_rate_now(model.optimizer) == pytest.approx(RATE)


def test_encodings_of_different_sizes_get_a_linear_layer():
    model = classifier(MLA())
    assert [tuple(e.shape) for e in model.encode({k: tf.constant(v) for k, v in X.items()})] == [
        (24, 4), (24, 4)
    ]  # fmt: skip
    assert [v.shape for v in model.video_encoder.trainable_variables][-2:] == [(6, 4), (4,)]


def test_what_cannot_be_made_smaller_is_refused():
    head = dense_head([4, 6], 3, dtype="float32")
    with pytest.raises(ValueError, match=r"the encoding \(6,\) of video has to become one of 4"):
        MLA().parts(("audio", "video"), lambda: ({"audio": None, "video": None}, head))


def test_another_head_is_refused():
    encoders = {"audio": encoder(5, 4, 1), "video": encoder(7, 4, 2)}
    head = dense_head([4, 4], 3, dtype="float32")
    with pytest.raises(ValueError, match=r"has a head of its own.*method\.parts\(modalities"):
        amr_tf.MultimodalClassifier(encoders, head, MLA())


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="alpha is positive, got 0"):
        MLA(0)
