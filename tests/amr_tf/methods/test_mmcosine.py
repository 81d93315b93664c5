"""MMCosine's head against NumPy, and that there is no other."""

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.methods import MMCosine, mmcosine
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    np_cross_entropy,
    np_encodings,
    of,
    step,
)
from tests.amr_tf.models import dense_head, encoder, largest_difference

X, Y = data(24)


def np_cosines(e, kernels, scale):
    """The sum over modalities of scaled cosines, and 0 for what has no direction."""
    total = 0.0
    for a, w in zip(e, kernels, strict=True):
        length = np.linalg.norm(a, axis=1, keepdims=True)
        unit = np.divide(a, length, out=np.zeros_like(a), where=length > 0)
        total = total + scale * unit @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T
    return total


def kernels(model):
    return [w.numpy().astype("float64") for w in model.head.trainable_variables]


def test_logits_are_the_sum_of_cosines():
    model = classifier(MMCosine(scale=4.0))
    x = {**X, "audio": np.concatenate([0 * X["audio"][:2], X["audio"][2:]])}
    e = [a.astype("float64") for a in np_encodings(model, x)]
    assert [w.shape for w in kernels(model)] == [(3, 4), (3, 6)]  # and no bias
    assert not e[0][:2].any()
    expected = np_cosines(e, kernels(model), 4.0)
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected).max() <= 8


def test_lengths_of_encodings_and_weights_change_nothing():
    model = classifier(MMCosine())
    before = model(X).numpy()
    model.audio_encoder.set_weights([7 * w for w in model.audio_encoder.get_weights()])
    model.head.set_weights([w * f for w, f in zip(model.head.get_weights(), (3, 0.2), strict=True)])
    np.testing.assert_allclose(model(X), before, rtol=1e-4, atol=1e-5)


def test_step_is_that_of_cross_entropy_of_the_cosines():
    """Central differences; a gradient is at right angles to its weights."""
    model = classifier(MMCosine(scale=4.0), amr_weight=0)
    e = [a.astype("float64") for a in np_encodings(model, X)]
    at = kernels(model)
    numeric = [np.zeros_like(w) for w in at]
    for m, w in enumerate(at):
        for index in np.ndindex(*w.shape):
            sides = []
            for sign in (1, -1):
                moved = [v.copy() for v in at]
                moved[m][index] += sign * 1e-6
                sides.append(np_cross_entropy(np_cosines(e, moved, 4.0), Y).mean())
            numeric[m][index] = (sides[0] - sides[1]) / 2e-6
    expected = np_cross_entropy(np_cosines(e, at, 4.0), Y).mean()
    found = of(step(model, X, Y), "head")
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)
    for g, wanted, w in zip(found, numeric, at, strict=True):
        np.testing.assert_allclose(g, wanted, atol=1e-5)
        np.testing.assert_allclose((g * w).sum(1), 0, atol=1e-5)


def test_it_is_naive_fusion_with_a_head_of_its_own():
    model = classifier(MMCosine(scale=4.0, seed=2), run_eagerly=True)
    encoders = {
        "audio": encoder(5, 4, 1, "audio_encoder"),
        "video": encoder(7, 6, 2, "video_encoder"),
    }
    naive = amr_tf.MultimodalClassifier(encoders, mmcosine.cosine_head([(4,), (6,)], 3, 4.0, 2))
    naive.compile(type(model.optimizer)(0.1), run_eagerly=True)
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    for m in (model, naive):
        m.fit(batches, epochs=2, verbose=0)
    assert largest_difference(model, naive) == 0


def test_another_head_is_refused():
    encoders = {"audio": encoder(5, 4, 1), "video": encoder(7, 6, 2)}
    head = dense_head([4, 6], 3, dtype="float32")
    with pytest.raises(ValueError, match=r"has a head of its own.*method\.parts\(modalities"):
        amr_tf.MultimodalClassifier(encoders, head, MMCosine())


def test_a_head_of_unknown_shapes_is_refused():
    with pytest.raises(ValueError, match="MMCosine needs a functional head"):
        MMCosine().parts(("audio", "video"), lambda: ({}, object()))


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="scale is positive, got 0"):
        MMCosine(0)
