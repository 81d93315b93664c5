"""InfoReg's traces, windows, coefficients and gradient against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.methods import InfoReg
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    of,
    step,
)
from tests.amr_tf.models import head_weights, np_logits

X, Y = data(24)
NAMES = ("audio", "video")


def dataset(n=48):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(16)


def paper(scores, beta):
    """Equations 9, 10 and 16, one modality after the other; 0 where none is lower."""
    found = []
    for m, s in enumerate(scores):
        lower = [other for j, other in enumerate(scores) if j != m and other < s]
        gap = sum(s - other for other in lower) / max(len(lower), 1)
        found.append(np.exp(beta * np.tanh(gap)) if lower else 0.0)
    return found


@pytest.mark.parametrize(
    "scores", [[-0.2, -0.9], [-0.9, -0.2], [-0.5, -0.5], [-1.0, -0.1, -0.4], [-0.1, -0.1, -3.0]]
)
def test_coefficients_are_the_papers(scores):
    found = InfoReg(beta=0.9).coefficients(tf.constant(scores))
    np.testing.assert_allclose(found, paper(scores, 0.9), rtol=1e-5)


def scores(model, x, y):
    """The mean log-probability by each modality's part of the logits of a linear head."""
    w, b = dense(model.head)
    parts = zip(np_encodings(model, x), np.split(w, [4]), strict=True)
    return [-np_cross_entropy(e @ k + b / 2, y).mean() for e, k in parts]


@pytest.mark.parametrize("windows", [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_the_gradient_of_the_term_is_added_to_who_is_ahead_in_a_window(windows):
    naive, model = classifier(), classifier(InfoReg(beta=0.7, strength=0.5))
    model.in_window.assign(np.array(windows, "float32"))
    rng, before = np.random.default_rng(3), {}
    for name in NAMES:
        copy = getattr(model, f"{name}_before")
        before[name] = [rng.normal(size=v.shape).astype("float32") for v in copy.values]
        for value, kept in zip(copy.values, before[name], strict=True):
            value.assign(kept)
    alpha = np.array(paper(scores(model, X, Y), 0.7)) * windows
    assert (alpha > 0).sum() <= 1
    moved = {n: [v.numpy() for v in model.encoders[n].trainable_variables] for n in NAMES}
    plain, found = step(naive, X, Y), step(model, X, Y)
    for m, name in enumerate(NAMES):
        pairs = zip(of(plain, f"{name}_encoder"), moved[name], before[name], strict=True)
        expected = [g + 0.5 * alpha[m] * (w - kept) for g, w, kept in pairs]
        for a, b in zip(of(found, f"{name}_encoder"), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6)
    for a, b in zip(of(found, "head"), of(plain, "head"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_scores_are_of_complete_samples():
    model = classifier(InfoReg())
    presence = np.ones((24, 2), "float32")
    presence[::3, 1] = 0
    kept = presence[:, 1] > 0
    seen = []
    model.method.coefficients = lambda s: seen.append(s.numpy()) or tf.zeros(2)
    step(model, {**X, "presence": presence}, Y)
    expected = scores(classifier(), {k: v[kept] for k, v in X.items()}, Y[kept])
    np.testing.assert_allclose(seen[0], expected, rtol=1e-4)


def told(method, traces):
    """The windows after each epoch, with these traces `[T, M]` in the place of measured ones."""
    model = classifier(method)
    found = []
    for epoch, trace in enumerate(traces):
        model.squared_lengths.assign(4 * np.asarray(trace, "float32"))
        model.lengths_counted.assign(4.0)
        method.on_epoch_end(model, epoch, {})
        found.append(model.in_window.numpy())
    assert not model.squared_lengths.numpy().any()
    return np.array(found)


def test_windows_are_where_the_trace_has_grown():
    traces = np.array([[1, 2], [2, 1.5], [2.07, 3], [2.5, 0], [2.5, 1]])
    found = told(InfoReg(threshold=0.04), traces)
    for t, row in enumerate(found):
        expected = [0, 0]
        if t:
            now, before = traces[t], traces[t - 1]
            expected = [
                float(n > 0 and (n - b) / n > 0.04) for n, b in zip(now, before, strict=True)
            ]
        np.testing.assert_array_equal(row, expected, err_msg=str(t))


@pytest.mark.usefixtures("eagerly")
def test_an_epoch_measures_its_gradients_and_keeps_its_parameters():
    """The trace is the mean of squared lengths over the steps; no window in the first epochs."""
    model, naive = classifier(InfoReg(threshold=0.0), amr_weight=0), classifier(amr_weight=0)
    lengths = {name: [] for name in NAMES}
    for _ in range(2):
        for x, y in dataset().as_numpy_iterator():
            deltas = step(naive, x, y)
            for name, found in lengths.items():
                found.append(sum((d**2).sum() for d in of(deltas, f"{name}_encoder")))
    model.fit(dataset(), epochs=2, verbose=0)
    for a, b in zip(naive.trainable_variables, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    expected = [[np.mean(lengths[n][:3]), np.mean(lengths[n][3:])] for n in NAMES]
    np.testing.assert_allclose(model.fisher_traces.numpy(), np.transpose(expected), rtol=1e-3)
    for name in NAMES:
        copy = getattr(model, f"{name}_before")
        for variable, value in copy.pairs():
            np.testing.assert_array_equal(variable.numpy(), value.numpy())


def test_a_held_back_encoder_stays_nearer_to_the_epoch_before():
    distances = []
    for strength in (0.0, 3.0):
        model = classifier(InfoReg(strength=strength), amr_weight=0)
        ahead = NAMES[int(np.argmax(scores(model, X, Y)))]
        model.in_window.assign([1.0, 1.0])
        getattr(model, f"{ahead}_before").take()
        before = model.encoders[ahead].get_weights()
        for _ in range(4):
            step(model, X, Y)
        pairs = zip(model.encoders[ahead].get_weights(), before, strict=True)
        distances.append(sum(((a - b) ** 2).sum() for a, b in pairs))
    assert 0 < distances[1] < 0.9 * distances[0]


def test_impossible_arguments_are_refused():
    for bad in ({"beta": -1}, {"threshold": -0.1}, {"strength": -1}):
        with pytest.raises(ValueError, match="beta, threshold and strength are zero or positive"):
            InfoReg(**bad)


def test_any_head_has_scores():
    model = classifier(InfoReg(), hidden=4)
    e, weights = np_encodings(model, X), head_weights(model.head)
    mean = [np.broadcast_to(a.mean(0), a.shape) for a in e]
    seen = []
    model.method.coefficients = lambda s: seen.append(s.numpy()) or tf.zeros(2)
    step(model, X, Y)
    given = ([e[0], mean[1]], [mean[0], e[1]])
    expected = [-np_cross_entropy(np_logits(weights, g), Y).mean() for g in given]
    np.testing.assert_allclose(seen[0], expected, rtol=1e-4)
