"""CGGM's balance, factors, cosines and their gradient against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.methods import CGGM
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    of,
    softmax,
    step,
    variables,
)
from tests.amr_tf.models import central_differences, head_weights, np_logits

X, Y = data(24)
NAMES = ("audio", "video")


def own_logits(model, x):
    heads = [dense(getattr(model, f"{m}_head")) for m in NAMES]
    return [e @ w + b for e, (w, b) in zip(np_encodings(model, x), heads, strict=True)]


def accuracies(model, x, y):
    return np.array([(z.argmax(1) == y).mean() for z in own_logits(model, x)])


def cosine(a, b):
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


def np_loss(model, x, y, balance, errors, weight):
    """Fused cross-entropy and the term of the cosines; the classifiers' errors are given."""
    z = np_logits(head_weights(model.head), np_encodings(model, x))
    fused = softmax(z) - np.eye(3)[y]
    terms = [abs(b) - b * cosine(fused, e).mean() for b, e in zip(balance, errors, strict=True)]
    return np_cross_entropy(z, y).mean() + weight * np.mean(terms)


def errors(model, x, y):
    return [softmax(z) - np.eye(3)[y] for z in own_logits(model, x)]


@pytest.mark.parametrize(
    ("rises", "expected"),
    [
        ([0.3, 0.1], [0.25, 0.75]),  # d^video / (d^audio + d^video), and the other way round
        ([0.2, 0.2], [0.5, 0.5]),
        ([0.2, 0.0], [0, 1]),
        ([0.3, -0.1], [-0.5, 1]),  # 1.5 is clipped
        ([0.31, -0.3], [-1, 1]),
        ([0.2, -0.2], [0.5, 0.5]),  # nothing to share out
        ([-0.2, -0.1], [0.5, 0.5]),
        ([0.3, 0.2, 0.1], [1 / 2, 2 / 3, 5 / 6]),
        ([0.0, 0.0, 0.0], [2 / 3] * 3),
    ],
)
def test_balance(rises, expected):
    found = CGGM().balance(tf.constant(rises))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def prepared(**options):
    """A model after a step on other clips, whose next step has unequal positive rises."""
    model = classifier(CGGM(**options), hidden=4, amr_weight=0)
    step(model, X, Y)
    now = accuracies(model, X, Y)
    model.classifier_accuracies.assign(now - [0.3, 0.1])
    return model, np.array([0.25, 0.75])


def of_doubles(model):
    """The same encoders and head in float64, for differences."""
    twin = classifier(hidden=4, dtype="float64")
    for name, part in {**model.encoders, "head": model.head}.items():
        own = twin.head if name == "head" else twin.encoders[name]
        own.set_weights(part.get_weights())
    return twin


def test_gradients_are_those_of_the_loss_times_the_factors():
    """Central differences; B and the classifiers' errors are constants."""
    model, balance = prepared(rho=1.3, weight=0.7)
    twin, given = of_doubles(model), errors(model, X, Y)
    named = variables(twin)

    def loss():
        return np_loss(twin, X, Y, balance, given, 0.7)

    factors = {
        "audio_encoder/0": 1.3 * balance[0],
        "video_encoder/0": 1.3 * balance[1],
        "head/0": 1.0,
        "head/3": 1.0,
    }
    numeric = {n: f * central_differences(loss, named[n]) for n, f in factors.items()}
    parts = zip(NAMES, np_encodings(model, X), given, strict=True)
    learnt = {f"{m}_head": e.T @ error / len(Y) for m, e, error in parts}
    total = loss() + sum(np_cross_entropy(z, Y).mean() for z in own_logits(model, X))
    model.step_metrics.loss.reset_state()
    deltas = step(model, X, Y)
    for name, expected in numeric.items():
        np.testing.assert_allclose(deltas[name], expected, atol=2e-6, err_msg=name)
    for part, expected in learnt.items():
        np.testing.assert_allclose(of(deltas, part)[0], expected, atol=2e-6, err_msg=part)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), total, rtol=1e-5)


def test_an_encoder_whose_classifier_alone_has_risen_stands_still():
    model, _ = prepared(weight=0.0)
    now = accuracies(model, X, Y)
    model.classifier_accuracies.assign(now - [0.3, -0.1])  # B of sound is -0.5
    deltas = step(model, X, Y)
    assert all((d == 0).all() for d in of(deltas, "audio_encoder"))
    assert all((d != 0).any() for d in of(deltas, "video_encoder"))


def test_accuracies_are_of_samples_that_have_the_modality():
    model = classifier(CGGM())
    presence = np.ones((24, 2), "float32")
    presence[::3, 0] = 0
    presence[:, 1] = 0
    model.classifier_accuracies.assign([0.5, 0.25])
    right = own_logits(model, X)[0].argmax(1) == Y
    step(model, {**X, "presence": presence}, Y)
    found = model.classifier_accuracies.numpy()
    # nobody has the picture: its accuracy is not known anew
    np.testing.assert_allclose(found, [right[presence[:, 0] > 0].mean(), 0.25], rtol=1e-6)
    assert all(np.isfinite(v.numpy()).all() for v in model.variables)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match=r"rho and weight are zero or positive, got -1 and 0\.2"):
        CGGM(-1)
    with pytest.raises(ValueError, match="rho and weight are zero or positive"):
        CGGM(weight=-1)
