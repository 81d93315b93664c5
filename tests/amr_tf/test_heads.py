import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads, saving
from amr_tf.heads import HEADS
from tests.amr_tf import models

SIZES = (4, 6, 3)
CLASSES = 3
NAMES = tuple(HEADS)


def make(name, modalities=2, **options):
    return HEADS[name]([(size,) for size in SIZES[:modalities]], CLASSES, **options)


def shaken(head, seed=3):
    """Biases too are to count: they start at zero."""
    rng = np.random.default_rng(seed)
    head.set_weights([w + 0.3 * rng.normal(size=w.shape) for w in head.get_weights()])
    return head


def encodings(modalities=2, rows=5, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rows, size)).astype(dtype) for size in SIZES[:modalities]]


# -- the heads' mathematics in NumPy, from their weights ---------------------------------------


def linear(head, name, x):
    kernel, bias = (w.astype(np.float64) for w in head.get_layer(name).get_weights())
    return x @ kernel + bias


def has(head, name):
    return any(layer.name == name for layer in head.layers)


def np_concat(head, e):
    x = np.concatenate(e, 1)
    if has(head, "hidden"):
        x = np.maximum(linear(head, "hidden", x), 0)
    return linear(head, "logits", x)


def np_sum(head, e):
    z = 0
    for m, x in enumerate(e):
        if has(head, f"hidden_{m}"):
            x = np.maximum(linear(head, f"hidden_{m}", x), 0)
        z = z + linear(head, f"logits_{m}", x)
    return z


def np_film(head, e):
    x = np.concatenate(e[1:], 1)
    if has(head, "features"):
        x = linear(head, "features", x)
    return linear(head, "logits", linear(head, "gamma", e[0]) * x + linear(head, "beta", e[0]))


def np_gated(head, e):
    gate = 1 / (1 + np.exp(-linear(head, "gate", e[0])))
    return linear(head, "logits", gate * linear(head, "features", np.concatenate(e[1:], 1)))


def np_attention(head, e):
    t = np.stack([linear(head, f"token_{m}", x) for m, x in enumerate(e)], 1)
    outputs = []
    while has(head, f"query_{len(outputs)}"):
        h = len(outputs)
        q, k, v = (linear(head, f"{part}_{h}", t) for part in ("query", "key", "value"))
        scores = np.exp(np.einsum("bik,bjk->bij", q, k) / np.sqrt(q.shape[-1]))
        outputs.append(np.einsum("bij,bjk->bik", scores / scores.sum(-1, keepdims=True), v))
    y = t + linear(head, "attended", np.concatenate(outputs, -1))
    scale, shift = head.get_layer("norm").get_weights()
    centred = y - y.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * scale + shift
    return linear(head, "logits", y.mean(1))


FORWARD = {
    "concat": np_concat,
    "sum": np_sum,
    "film": np_film,
    "gated": np_gated,
    "attention": np_attention,
}


def np_shares(forward, e, target, step=1e-6):
    """Shares by central differences of the target's score."""
    norms = []
    for m, x in enumerate(e):
        gradient = np.zeros_like(x)
        for d in range(x.shape[1]):
            up, down = ([v.copy() for v in e] for _ in range(2))
            up[m][:, d] += step
            down[m][:, d] -= step
            scores = [models.np_score(forward(v), target) for v in (up, down)]
            gradient[:, d] = (scores[0] - scores[1]) / (2 * step)
        norms.append(np.linalg.norm(gradient * x, axis=1))
    return np.stack(norms, 1) / np.sum(norms, 0)[:, None]


# -- tests -------------------------------------------------------------------------------------


def test_there_is_a_reference_for_every_head():
    assert set(FORWARD) == set(HEADS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("modalities", [2, 3])
@pytest.mark.parametrize("hidden", [0, 8])
def test_logits_and_shares_are_those_of_the_formula(name, modalities, hidden):
    head = shaken(make(name, modalities, hidden=hidden, dropout=0.5))
    assert len(head.inputs) == modalities
    e = encodings(modalities)
    exact = [x.astype(np.float64) for x in e]
    np.testing.assert_allclose(head(e), FORWARD[name](head, exact), rtol=1e-4, atol=1e-5)
    for target in ("probability", "logit"):
        shares = amr_tf.modality_attributions(head, e, target=target).numpy()
        np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
        expected = np_shares(lambda v: FORWARD[name](head, v), exact, target)
        np.testing.assert_allclose(shares, expected, atol=1e-3)


@pytest.mark.parametrize("name", ["concat", "sum", "attention"])
def test_one_modality_is_enough_where_that_makes_sense(name):
    head = shaken(make(name, 1, hidden=8))
    e = encodings(1)
    np.testing.assert_allclose(head(e), FORWARD[name](head, e), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["film", "gated"])
def test_one_modality_is_refused_by_heads_that_condition(name):
    with pytest.raises(ValueError, match=f"head {name} fuses at least 2 modalities, not 1"):
        make(name, 1)


def test_film_starts_near_the_features_and_sum_names_its_branches():
    film = make("film")
    np.testing.assert_array_equal(film.get_layer("gamma").get_weights()[1], 1)
    nothing, e = encodings()
    z = film([0 * nothing, e])
    np.testing.assert_allclose(z, linear(film, "logits", e), rtol=1e-4, atol=1e-5)
    for modalities in (1, 2, 3):
        head = make("sum", modalities, hidden=2)
        for m in range(modalities):
            assert isinstance(head.get_layer(f"logits_{m}"), keras.layers.Dense)


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_loading(name, tmp_path):
    head = shaken(make(name, hidden=8, dropout=0.5))
    e = encodings()
    expected = head(e)
    head.save(tmp_path / "head.keras")
    np.testing.assert_array_equal(saving.load_model(tmp_path / "head.keras")(e), expected)


@pytest.mark.parametrize("name", NAMES)
def test_no_sample_sees_another_and_an_empty_batch_passes(name):
    head = shaken(make(name))
    amr_tf.heads.check_head(head)
    e, other = encodings(), encodings(seed=1)
    moved = [np.concatenate([x[:-1], y[-1:]]) for x, y in zip(e, other, strict=True)]
    np.testing.assert_allclose(head(moved)[:-1], head(e)[:-1], rtol=1e-6)
    assert (head(moved).numpy()[-1] != head(e).numpy()[-1]).any()
    logits, shares, gradients = attributed(head, [tf.TensorSpec([None, *x.shape[1:]]) for x in e])(
        *[x[:0] for x in e]
    )
    assert logits.shape == (0, CLASSES)
    assert shares.shape == (0, 2)
    assert not any(np.any(gradient) for gradient in gradients)


def attributed(head, signature):
    """Logits, shares and the head's gradients as a graph, as in a step: batches of any size."""

    @tf.function(input_signature=signature)
    def graph(*e):
        with tf.GradientTape() as tape:
            logits, attributions = amr_tf.attribute(head, list(e))
            shares = amr_tf.attribution_shares(attributions)
            loss = tf.reduce_sum(shares) + tf.reduce_sum(logits)
        gradients = tape.gradient(loss, head.trainable_variables)
        return logits, shares, [g for g in gradients if g is not None]

    return graph


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("modalities", [2, 3])
def test_a_missing_modality_has_no_share_and_no_wild_gradient(name, modalities):
    head = shaken(make(name, modalities))
    for missing in (*range(modalities), "all"):
        e = [x * (missing not in (m, "all")) for m, x in enumerate(encodings(modalities))]
        with tf.GradientTape() as tape:
            shares = amr_tf.modality_attributions(head, e)
            loss = tf.reduce_mean(shares[:, 0])
        if missing == "all":
            np.testing.assert_allclose(shares, 1 / modalities, atol=1e-6)
        else:
            np.testing.assert_array_equal(shares[:, missing], 0)
        for gradient in tape.gradient(loss, head.trainable_variables):
            assert gradient is None or np.max(np.abs(gradient)) < 10


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_a_function_of_the_seed_and_differ_from_each_other(name):
    def weights(seed):
        return make(name, hidden=4, seed=seed).get_weights()

    for mine, again in zip(weights(1), weights(1), strict=True):
        np.testing.assert_array_equal(mine, again)
    drawn = [w for seed in (1, 2) for w in weights(seed) if w.ndim == 2]
    for i, one in enumerate(drawn):
        for two in drawn[:i]:
            assert one.shape != two.shape or (one != two).all()


@pytest.mark.parametrize("name", NAMES)
def test_encodings_of_any_rank_are_flattened(name):
    flat = make(name, dropout=0.5, hidden=4)
    deep = HEADS[name]([(2, 2), (3, 1, 2)], CLASSES, dropout=0.5, hidden=4)
    audio, video = encodings()
    expected = flat([audio, video])
    np.testing.assert_allclose(
        deep([audio.reshape(-1, 2, 2), video.reshape(-1, 3, 1, 2)]), expected
    )


@pytest.mark.parametrize("name", NAMES)
def test_dropout_acts_in_training_alone(name):
    head, e = make(name, dropout=0.5), encodings()
    np.testing.assert_array_equal(head(e), make(name)(e))
    assert (head(e, training=True).numpy() != head(e).numpy()).any()


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_float32_in_mixed_precision(name):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        logits = make(name, hidden=4)(encodings())
    finally:
        keras.mixed_precision.set_global_policy(before)
    assert logits.dtype == tf.float32


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_amr_lowers_the_penalty(name):
    x, y = models.data(32)
    head = make(name, hidden=8, seed=1)
    model = amr_tf.MultimodalClassifier(
        {"audio": models.encoder(5, 4, 1, "a"), "video": models.encoder(7, 6, 2, "v")}, head
    )
    model.compile(
        keras.optimizers.SGD(0.0),
        amr_ratio=(1, 9),
        amr_optimizer=keras.optimizers.SGD(0.05),
        run_eagerly=True,
    )
    penalty = amr_tf.AttributionRegularizer((1, 9))
    before = penalty(amr_tf.modality_attributions(head, model.encode(x)))
    logs = model.train_on_batch(x, y, return_dict=True)
    after = penalty(amr_tf.modality_attributions(head, model.encode(x)))
    assert all(np.isfinite(value) for value in logs.values())
    assert 0 < float(after) < float(before)


def softmaxed(kind):
    """A head that ends in probabilities, in one of the ways in which people write it."""
    layers, inputs = keras.layers, [keras.Input((4,)), keras.Input((6,))]
    x = layers.Concatenate()(inputs)
    logits = layers.Dense(3)
    if kind == "average":
        x = layers.Average()([layers.Dense(3, "softmax")(x) for _ in range(2)])
    elif kind == "nested":
        x = keras.Sequential([keras.Input((10,)), layers.Dense(3), layers.Softmax()])(x)
    elif kind == "function":
        x = (keras.ops.softmax if amr_tf._compat.KERAS_3 else tf.nn.softmax)(logits(x))
    elif kind == "twice nested":
        inner = keras.Sequential([keras.Input((10,)), layers.Dense(3, "softmax")])
        x = keras.Sequential([keras.Input((10,)), inner, layers.Dropout(0.1)])(x)
    else:
        ends = {
            "Softmax": [logits, layers.Softmax()],
            "Activation": [logits, layers.Activation("softmax"), layers.Activation("linear")],
            "Dense": [layers.Dense(3, "softmax"), layers.Reshape((3,))],
            "sigmoid": [layers.Dense(3, "sigmoid")],
            "logarithm": [layers.Dense(3, tf.nn.log_softmax)],
            "gate": [layers.Dense(10, "sigmoid"), logits],
            "ReLU": [layers.Dense(3, "softmax"), layers.Dense(3), layers.ReLU()],
        }
        for layer in ends[kind]:
            x = layer(x)
    return keras.Model(inputs, x)


ENDS = (
    "Softmax",
    "Activation",
    "Dense",
    "sigmoid",
    "average",
    "nested",
    "twice nested",
    "function",
)


@pytest.mark.parametrize("kind", ENDS)
def test_a_head_of_probabilities_is_refused(kind):
    """Trained on, a softmax of probabilities took 98 % of accuracy to 62."""
    encoders = {"audio": models.encoder(5, 4), "video": models.encoder(7, 6)}
    with pytest.raises(ValueError, match="the head ends in probabilities, by its layer"):
        amr_tf.MultimodalClassifier(encoders, softmaxed(kind))


@pytest.mark.parametrize("kind", ["logarithm", "gate", "ReLU"])
def test_a_head_of_logits_may_have_probabilities_within(kind):
    heads.check_head(softmaxed(kind))


@pytest.mark.parametrize("name", NAMES)
def test_the_heads_here_give_logits(name):
    heads.check_head(make(name, hidden=4, dropout=0.5))
