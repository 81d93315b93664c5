"""OGM and OGM-GE against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads
from amr_tf.methods import OGM, OGMGE
from amr_tf.methods.branches import linear_logits
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_encodings,
    of,
    step,
    true_probability,
)
from tests.amr_tf.models import head_weights, largest_difference, np_logits, np_shares

X, Y = data(24)


def scores(model, kind):
    """S^m from its definition."""
    e = np_encodings(model, X)
    if kind == "attribution":
        return np_shares(head_weights(model.head), e, "probability").sum(0)
    if kind == "linear":
        w, b = dense(model.head)
        parts = np.split(w, [e[0].shape[1]])
        logits = [a @ v + b / 2 for a, v in zip(e, parts, strict=True)]
    else:
        weights = head_weights(model.head)
        mean = [np.broadcast_to(a.mean(0), a.shape) for a in e]
        logits = [np_logits(weights, [e[0], mean[1]]), np_logits(weights, [mean[0], e[1]])]
    return np.array([true_probability(z, Y).sum() for z in logits])


@pytest.mark.parametrize(
    ("kind", "hidden"), [("linear", 0), ("ablation", 0), ("ablation", 8), ("attribution", 8)]
)
def test_encoder_gradients_are_scaled_by_k(kind, hidden):
    alpha = 0.7
    naive, model = (classifier(m, hidden=hidden, dtype="float64") for m in (None, OGM(alpha, kind)))
    s = scores(model, kind)
    rho = s / s[::-1]
    k = np.where(rho > 1, 1 - np.tanh(alpha * rho), 1)
    assert (k < 1).sum() == 1  # of two modalities at most one is slowed
    plain, slowed = step(naive, X, Y), step(model, X, Y)
    for m, part in enumerate(("audio_encoder", "video_encoder")):
        for a, b in zip(of(plain, part), of(slowed, part), strict=True):
            np.testing.assert_allclose(b, k[m] * a, rtol=1e-5, atol=1e-9)
    for a, b in zip(of(plain, "head"), of(slowed, "head"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


class _Given(OGM):
    def __init__(self, alpha, s):
        super().__init__(alpha, "ablation")
        self.s = s

    def _scores(self, context):
        return tf.constant(self.s)


class _Step:
    epoch = tf.constant(0, tf.int64)

    def __init__(self, modalities):
        self.encodings = [None] * modalities


@pytest.mark.parametrize("s", [[3.0, 1.0], [2.0, 2.0], [5.0, 1.0, 3.0], [1.0, 1.0, 4.0, 0.5]])
def test_ratio_is_to_the_mean_of_the_others(s):
    k = _Given(0.3, s).coefficients(_Step(len(s))).numpy()
    for m, own in enumerate(s):
        rho = own / np.mean([x for j, x in enumerate(s) if j != m])
        np.testing.assert_allclose(k[m], 1 - np.tanh(0.3 * rho) if rho > 1 else 1, rtol=1e-6)


def test_no_complete_sample_slows_nobody():
    np.testing.assert_array_equal(_Given(0.3, [0.0, 0.0]).coefficients(_Step(2)), [1, 1])


def test_only_the_epochs_of_the_window_are_modulated():
    naive, late = (classifier(m) for m in (None, OGM(0.7, start=1, end=1)))
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    for epoch, same in ((0, True), (1, False)):
        for model in (naive, late):
            model.fit(dataset, initial_epoch=epoch, epochs=epoch + 1, verbose=0)
        assert bool(largest_difference(naive, late) == 0) is same
    late.set_weights(naive.get_weights())
    for model in (naive, late):
        model.fit(dataset, initial_epoch=2, epochs=3, verbose=0)
    assert largest_difference(naive, late) == 0


def test_noise_has_the_deviation_of_each_gradient_also_where_k_is_1():
    big = {"audio": 200, "video": 200}
    x = {m: np.random.default_rng(0).normal(size=(24, n)).astype("float32") for m, n in big.items()}

    def model(method):
        encoders = {}
        for i, m in enumerate(big):
            inputs = keras.Input((200,))
            initial = keras.initializers.GlorotUniform(seed=i)
            out = keras.layers.Dense(50, "relu", kernel_initializer=initial)(inputs)
            encoders[m] = keras.Model(inputs, out, name=f"{m}_encoder")
        made = amr_tf.MultimodalClassifier(encoders, heads.concat([(50,), (50,)], 3), method)
        made.compile(keras.optimizers.SGD(0.1), amr_weight=0)
        return made

    plain = step(model(OGM(0.7)), x, Y)
    naive = step(model(None), x, Y)
    noisy = step(model(OGMGE(0.7, seed=1)), x, Y)
    other = step(model(OGMGE(0.7, seed=2)), x, Y)
    for part in ("audio_encoder", "video_encoder"):
        g, modulated, with_noise, again = (of(d, part)[0] for d in (naive, plain, noisy, other))
        drawn = (with_noise - modulated) / g.std()
        np.testing.assert_allclose(drawn.mean(), 0, atol=0.05)
        np.testing.assert_allclose(drawn.std(), 1, atol=0.03)
        assert abs(np.corrcoef(with_noise.ravel(), again.ravel())[0, 1]) < 0.9
    for a, b in zip(of(plain, "head"), of(noisy, "head"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_linear_logits_are_the_summed_attributions_of_target_logit():
    """Concatenation and one linear layer: sum of Grad⊙Input of z_k = W_k^m e^m."""
    model = classifier()
    e = [a.astype("float32") for a in np_encodings(model, X)]
    logits, alphas = amr_tf.attribute(model.head, e, target="logit")
    top = logits.numpy().argmax(1)
    bias = model.head.trainable_variables[1].numpy()
    for z, alpha in zip(linear_logits(model.head, e), alphas, strict=True):
        without_bias = (z.numpy() - bias / 2)[np.arange(len(top)), top]
        np.testing.assert_allclose(alpha.numpy().sum(1), without_bias, atol=1e-5)


def test_linear_logits_sum_to_the_logits():
    model = classifier()
    e = [tf.constant(a, tf.float32) for a in np_encodings(model, X)]
    np.testing.assert_allclose(
        tf.add_n(linear_logits(model.head, e)), model.head(e), rtol=1e-5, atol=1e-6
    )
    head = heads.HEADS["sum"]([(4,), (6,)], 3, seed=1)
    np.testing.assert_allclose(tf.add_n(linear_logits(head, e)), head(e), rtol=1e-5, atol=1e-6)


def test_a_head_without_linear_parts_is_refused():
    with pytest.raises(ValueError, match="OGM with score='linear' needs a head whose logits are"):
        classifier(OGM(), hidden=8)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="alpha is zero or positive, got -1"):
        OGM(-1)
    with pytest.raises(ValueError, match="unknown score 'size': choose one of linear"):
        OGM(score="size")
    with pytest.raises(ValueError, match="noise is zero or positive"):
        OGMGE(noise=-1)
