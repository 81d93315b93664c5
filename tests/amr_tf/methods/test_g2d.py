"""G2D's distances, strengths and phases against NumPy."""

import types

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads
from amr_tf.methods import G2D
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    of,
    softmax,
    step,
    teachers,
    true_probability,
)
from tests.amr_tf.models import encoder, head_weights, np_logits, of_parts, on_replicas
from tests.conftest import mirrored

X, Y = data(24)


@pytest.fixture(scope="module")
def found():
    return teachers()


def of_teachers(found):
    """Encodings and logits."""
    encodings = [np_encodings(t, X)[0] for t in found.values()]
    pairs = zip(encodings, (dense(t.head) for t in found.values()), strict=True)
    return encodings, [e @ w + b for e, (w, b) in pairs]


def divergence(wanted, student, temperature):
    p, q = softmax(wanted / temperature), softmax(student / temperature)
    return temperature**2 * (p * np.log(p / q)).sum(1)


def test_the_fused_model_learns_from_both_teachers(found):
    temperature = 2.0
    method = G2D(found, (), feature_weight=3.0, logit_weight=0.5, temperature=temperature)
    model = classifier(method, hidden=4)
    presence = np.ones((24, 2), "float32")
    presence[::3, 1] = 0
    x = {**X, "video": X["video"] * presence[:, 1:]}
    e, (f, t) = np_encodings(model, x), of_teachers(found)
    e[1] = e[1] * presence[:, 1:]
    z = np_logits(head_weights(model.head), e)
    total = np_cross_entropy(z, Y)
    for m in range(2):
        away = 3.0 * ((e[m] - f[m]) ** 2).mean(1) + 0.5 * divergence(t[m], z, temperature)
        total += away * presence[:, m]
    step(model, {**x, "presence": presence}, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), total.mean(), rtol=1e-4)


@pytest.mark.parametrize(
    ("phases", "epoch", "expected"),
    [
        ((2,), 0, [0, 1, 0]),  # the weakest
        ((2,), 1, [0, 1, 0]),
        ((2,), 2, [1, 1, 1]),
        ((2, 3), 2, [0, 0, 1]),  # the second weakest
        ((2, 3), 4, [0, 0, 1]),
        ((2, 3), 5, [1, 1, 1]),
        ((1, 0, 1), 1, [1, 0, 0]),  # a phase without epochs is passed over
        ((), 0, [1, 1, 1]),
    ],
)
def test_phases(phases, epoch, expected):
    strengths = tf.constant([0.9, 0.2, 0.5])
    factors = G2D(phases=phases).factors(strengths, tf.constant(epoch, tf.int64))
    np.testing.assert_array_equal(factors, expected)


def test_in_the_first_phase_the_weakest_encoder_learns_alone(found):
    free, model = (classifier(G2D(found, phases)) for phases in ((), (1,)))
    strengths = [true_probability(t, Y).mean() for t in of_teachers(found)[1]]
    weakest, other = ("audio", "video")[:: 1 if strengths[0] < strengths[1] else -1]
    plain, first = step(free, X, Y), step(model, X, Y)
    for part in (f"{weakest}_encoder", "head"):
        for a, b in zip(of(first, part), of(plain, part), strict=True):
            np.testing.assert_array_equal(a, b)
    assert all((d == 0).all() for d in of(first, f"{other}_encoder"))
    model.epoch.assign(1)
    assert all((d != 0).any() for d in of(step(model, X, Y), f"{other}_encoder"))


def test_strengths_are_of_the_global_batch():
    """On two replicas, of samples that have the modality; 1 where nobody has it."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(3, 5, 3)).astype("float32"), np.array([0, 2, 1, 1, 0])
    presence = np.ones((5, 3), "float32")
    presence[[1, 4], 1] = 0
    presence[:, 2] = 0

    def of_replica(a, b, c, y, there):
        present = amr_tf.methods.Context.present
        context = types.SimpleNamespace(labels=y, presence=there, extras={"teachers": [a, b, c]})
        context.present = lambda m, per_sample: present(context, m, per_sample)
        return G2D()._strengths(context)

    cuts = [slice(0, 2), slice(2, 5)]
    arrays = (*logits, labels, presence)
    shares = on_replicas(mirrored(2), of_replica, *([a[c] for c in cuts] for a in arrays))
    chosen = [true_probability(z, labels) for z in logits]
    expected = [chosen[0].mean(), chosen[1][presence[:, 1] > 0].mean(), 1.0]
    for share in shares:
        np.testing.assert_allclose(share.numpy(), expected, rtol=1e-5)


def test_text_and_numbers_are_phases():
    assert G2D(phases="10:5").phases == (10, 5)
    assert G2D(phases=8).phases == (8,)
    assert G2D(phases="").phases == ()
    assert G2D.from_config(G2D(phases="3").get_config()).phases == (3,)


def test_what_is_wrong_is_said(found):
    with pytest.raises(ValueError, match=r"G2D needs a trained unimodal model for video: G2D\(tea"):
        classifier(G2D({"audio": found["audio"]}))
    with pytest.raises(ValueError, match="3 phases for the 2 modalities audio, video"):
        classifier(G2D(found, (1, 1, 1)))
    with pytest.raises(ValueError, match=r"phases are numbers of epochs, .* got soon"):
        G2D(phases="soon")
    with pytest.raises(ValueError, match="phases are zero or positive"):
        G2D(phases=(-1,))
    for bad in ({"feature_weight": -1}, {"logit_weight": -1}, {"temperature": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            G2D(**bad)


def test_three_modalities(found):
    """The one whose teacher is weakest learns in the first phase."""
    text = amr_tf.MultimodalClassifier({"text": encoder(3, 2, 5)}, heads.concat([(2,)], 3))
    text.head.set_weights([0 * w for w in text.head.get_weights()])  # 1 / 3 for every class
    method = G2D({**found, "text": text}, (1, 1))
    sizes = {"audio": (5, 4), "video": (7, 6), "text": (3, 2)}
    parts = {m: encoder(*s, k, f"{m}_encoder") for k, (m, s) in enumerate(sizes.items())}
    model = of_parts(parts, heads.concat([(4,), (6,), (2,)], 3), method)
    model.compile("sgd")
    x = {**X, "text": np.random.default_rng(0).normal(size=(24, 3)).astype("float32")}
    strengths = [true_probability(t, Y).mean() for t in of_teachers(found)[1]] + [1 / 3]
    deltas = step(model, x, Y)
    learnt = [any((d != 0).any() for d in of(deltas, f"{m}_encoder")) for m in sizes]
    np.testing.assert_array_equal(learnt, np.arange(3) == np.argmin(strengths))
