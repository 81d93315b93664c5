"""CML's chain of nested sets, its loss and gradient against NumPy."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.methods import CML, Context
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    np_cross_entropy,
    np_encodings,
    softmax,
    step,
    variables,
)
from tests.amr_tf.models import central_differences, encoder, head_weights, np_logits

X, Y = data(12)


def np_loss(e, head, y, order, presence, weight, subset_weight):
    """Sample by sample, removing what it has in the order that is given."""
    total = 0.0
    for i in range(len(y)):
        there = [m for m in order[i] if presence[i, m]]
        chain = [there[k:] for k in range(max(1, len(there)))]
        losses, confidences = [], []
        for kept in chain:
            z = np_logits(head, [a[i : i + 1] * (m in kept) for m, a in enumerate(e)])
            losses.append(np_cross_entropy(z, y[i : i + 1])[0])
            confidences.append(softmax(z).max())
        weights = [1] + [subset_weight] * (len(chain) - 1)
        total += np.dot(weights, losses) / sum(weights)
        total += weight * sum(max(0, b - a) for a, b in itertools.pairwise(confidences))
    return total / len(y)


def order_of(model, x, y):
    """The order of removal: of the draws, from the least on."""
    batch = {k: tf.constant(v) for k, v in x.items()}, tf.constant(y)
    context = Context.of(model, batch, training=True)
    return np.argsort(context.uniform(model.method.seed, (len(model.modalities),)).numpy(), axis=1)


def of_three(method):
    sizes = {"audio": 5, "video": 7, "text": 4}
    model = amr_tf.MultimodalClassifier(
        {m: encoder(n, 4, i, f"{m}_encoder") for i, (m, n) in enumerate(sizes.items())},
        amr_tf.heads.concat([(4,)] * 3, 3, seed=1),
        method,
    )
    model.compile(keras.optimizers.SGD(0.1), amr_weight=0)
    return model


@pytest.mark.parametrize("subset_weight", [1.0, 0.4])
def test_loss_of_three_modalities_of_which_some_are_absent(subset_weight):
    model = of_three(CML(weight=3.0, subset_weight=subset_weight, seed=4))
    rng = np.random.default_rng(1)
    x = {**X, "text": rng.normal(size=(12, 4)).astype("float32")}
    presence = np.ones((12, 3), "float32")
    presence[0, 1] = presence[1, [0, 2]] = presence[2, 0] = 0
    head = head_weights(model.head)
    arguments = [np_encodings(model, x), head, Y, order_of(model, x, Y), presence]
    expected = np_loss(*arguments, 3.0, subset_weight)
    assert expected > np_loss(*arguments, 0.0, subset_weight) + 1e-2  # some confidence grows
    step(model, {**x, "presence": presence}, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)


def test_gradient_goes_through_both_confidences():
    """Against central differences of the loss in NumPy."""
    x = {k: v.astype("float64") for k, v in X.items()}
    model = classifier(CML(weight=2.0, seed=1), hidden=4, dtype="float64", amr_weight=0)
    order = order_of(model, x, Y)
    named = variables(model)

    def loss():
        e, head = np_encodings(model, x), head_weights(model.head)
        return np_loss(e, head, Y, order, np.ones((12, 2)), 2.0, 1.0)

    names = ("audio_encoder/0", "video_encoder/1", "head/0", "head/3")
    numeric = {name: central_differences(loss, named[name]) for name in names}
    deltas = step(model, x, Y)
    for name, expected in numeric.items():
        np.testing.assert_allclose(deltas[name], expected, atol=1e-6, err_msg=name)


def test_all_orders_are_as_frequent():
    x, y = data(6000)
    x["text"] = np.zeros((6000, 4), "float32")
    model = of_three(CML(seed=2))
    batch = {k: tf.constant(v) for k, v in x.items()}, tf.constant(y)
    place, lacking = model.method._order(Context.of(model, batch, training=True))
    for order in itertools.permutations(range(3)):
        share = (place.numpy() == order).all(1).mean()
        np.testing.assert_allclose(share, 1 / 6, atol=0.02)
    assert not lacking.numpy().any()


def test_a_model_whose_confidence_does_not_grow_is_not_punished():
    """Encodings of zero: every set has the same logits, those of the bias."""
    losses = []
    for weight in (0.0, 5.0):
        model = classifier(CML(weight, 0.0), amr_weight=0)
        for m in model.encoders.values():
            m.set_weights([0 * v for v in m.get_weights()])
        step(model, X, Y)
        losses.append(float(model.step_metrics.loss.result()))
    assert losses[0] == losses[1]


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="are zero or positive, got -1 and 1"):
        CML(-1)
    with pytest.raises(ValueError, match=r"zero or positive, got 6\.4 and -2"):
        CML(subset_weight=-2)
