"""OPM's probabilities, masks and step against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.methods import OPM, Context
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    of,
    softmax,
    step,
    true_probability,
)
from tests.amr_tf.models import head_weights, np_logits


def np_rates(s, q_base, strength):
    found = []
    for m, own in enumerate(s):
        rho = np.mean([own / other for j, other in enumerate(s) if j != m])
        q = q_base * (1 + strength * np.tanh(rho - 1))
        found.append(np.clip(q, 0, 1) if rho > 1 else 0)
    return np.array(found)


def np_scores(model, x, y, hidden):
    """S^m: of the linear head's parts, or with the other encoding at its batch mean."""
    e = np_encodings(model, x)
    if hidden:
        mean = [np.broadcast_to(a.mean(0), a.shape) for a in e]
        weights = head_weights(model.head)
        z = [np_logits(weights, [e[0], mean[1]]), np_logits(weights, [mean[0], e[1]])]
    else:
        w, b = dense(model.head)
        z = [a @ v + b / 2 for a, v in zip(e, np.split(w, [e[0].shape[1]]), strict=True)]
    return [true_probability(part, y).sum() for part in z]


def dropped(model, x, y, epoch=0, at=0):
    """What the head sees of a batch, and the step's context."""
    batch = {k: tf.constant(v) for k, v in x.items()}, tf.constant(y)
    model.step.assign(at)
    model.epoch.assign(epoch)
    context = Context.of(model, batch, training=True)
    encodings = model.method.encodings(model.encode(context.inputs, training=True), context)
    model.step.assign(0)
    return [e.numpy() for e in encodings], context


@pytest.mark.parametrize(
    "s", [[3.0, 1.0], [1.0, 4.0], [2.0, 2.0], [5.0, 1.0, 3.0], [1.0, 1.0, 4.0, 0.5]]
)
def test_the_modality_that_is_ahead_is_dropped_with_this_probability(s):
    found = OPM(q_base=0.4, strength=0.7).rates(tf.constant(s)).numpy()
    np.testing.assert_allclose(found, np_rates(s, 0.4, 0.7), rtol=1e-5)
    assert found[np.argmin(s)] == 0
    assert OPM(q_base=0.9, strength=5.0).rates(tf.constant([9.0, 1.0])).numpy()[0] == 1


def test_nothing_is_dropped_without_a_score():
    np.testing.assert_array_equal(OPM().rates(tf.zeros(3)), [0, 0, 0])


@pytest.mark.parametrize("hidden", [0, 6])
def test_samples_lose_the_encoding_and_the_rest_is_scaled(hidden):
    x, y = data(3000)
    model = classifier(OPM(execute=1.0, start=0, seed=1), hidden=hidden)
    q = np_rates(np_scores(model, x, y, hidden), 0.5, 0.5)
    theta = (4 * q[0] + 6 * q[1]) / 10
    e = np_encodings(model, x)
    found, context = dropped(model, x, y)
    for m in range(2):
        keep = context.presence.numpy()[:, m]
        np.testing.assert_allclose(keep.mean(), 1 - q[m], atol=0.03)
        np.testing.assert_allclose(found[m], e[m] * keep[:, None] / (1 - theta), rtol=1e-4)
    assert q.max() > 0.5
    np.testing.assert_array_equal(context.complete, context.presence.numpy().all(1))


def test_a_step_is_that_of_the_encodings_that_are_left():
    x, y = data(24)
    model = classifier(OPM(execute=1.0, start=0, seed=2), amr_weight=0)
    e = np.concatenate(dropped(model, x, y)[0], 1)
    w, b = dense(model.head)
    of_logits = (softmax(e @ w + b) - np.eye(3)[y]) / len(y)
    assert (e[:, :4].any(1) != e[:, 4:].any(1)).any()  # some did lose one
    np.testing.assert_allclose(of(step(model, x, y), "head")[0], e.T @ of_logits, atol=2e-4)


def test_it_is_executed_in_some_of_the_steps_of_the_later_epochs():
    x, y = data(16)
    model = classifier(OPM(q_base=1.0, execute=0.3, start=2))

    def share(epoch, steps=range(60)):
        lost = [not dropped(model, x, y, epoch, at)[1].complete.numpy().all() for at in steps]
        return np.mean(lost)

    assert share(1) == 0
    assert 0.15 < share(2) < 0.45


def test_a_sample_that_is_left_without_any_modality_does_not_count():
    """Audio or video is dropped wherever it is; half of the samples have nothing else."""
    x, y = data(24)
    presence = np.ones((24, 2), "float32")
    model = classifier(OPM(q_base=1.0, execute=1.0, start=0), amr_weight=0)
    ahead = int(np.argmax(np_rates(np_scores(model, x, y, 0), 1.0, 0.5)))
    presence[::2, 1 - ahead] = 0
    # the others alone are complete and make the scores
    half = {k: v[1::2] for k, v in x.items()}
    q = np_rates(np_scores(model, half, y[1::2], 0), 1.0, 0.5)
    assert q.tolist() == np.eye(2)[ahead].tolist()
    w, b = dense(model.head)
    e = np_encodings(model, half)
    e[ahead] *= 0
    sizes = np.array([4, 6])
    z = np.concatenate(e, 1) / (1 - sizes[ahead] / 10) @ w + b
    x["presence"] = presence
    step(model, x, y)
    expected = np_cross_entropy(z, y[1::2]).sum() / 24
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-4)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match=r"are probabilities, got 1\.5 and 0\.7"):
        OPM(q_base=1.5)
    with pytest.raises(ValueError, match="q_base and execute are probabilities"):
        OPM(execute=-0.1)
    with pytest.raises(ValueError, match="strength is zero or positive, got -1"):
        OPM(strength=-1)
