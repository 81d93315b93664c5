"""The measures against NumPy: all orders of arrival, finite differences, closed forms."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import measures, saving
from amr_tf.heads import HEADS
from amr_tf.measures import MEASURES, measure_shares
from tests.amr_tf.models import (
    classifier,
    data,
    dense_head,
    gradient,
    head_weights,
    largest_difference,
    np_logits,
    np_score,
    on_replicas,
)

SIZES = {2: (4, 6), 3: (3, 5, 2), 6: (2, 3, 1, 2, 4, 2)}
BEYOND = MEASURES[1:]  # what is not Grad⊙Input


def drawn(rng, sizes, samples=7, dtype="float64"):
    return [tf.constant(rng.normal(size=(samples, n)), dtype) for n in sizes]


def normalised(contributions):
    """`[B, M]` from M contributions `[B, D]`."""
    norms = np.stack([np.linalg.norm(c, axis=1) for c in contributions], axis=1)
    return norms / norms.sum(1, keepdims=True)


def by_orders(value, players):
    """Shapley values from their definition: the mean over all orders of what each one adds."""
    value = functools.cache(value)
    total = [0.0] * players
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        for place, m in enumerate(order):
            before = frozenset(order[:place])
            total[m] = total[m] + (value(before | {m}) - value(before)) / len(orders)
    return total


def integrated(score, encodings, nodes, weights, step=1e-6):
    """Integrated Gradients of `score` of arrays, by central differences in every feature."""
    found = [np.zeros_like(e) for e in encodings]
    features = [(m, d) for m, e in enumerate(encodings) for d in range(e.shape[1])]
    for (m, d), (t, w) in itertools.product(features, zip(nodes, weights, strict=True)):
        ends = []
        for sign in (1, -1):
            point = [t * e for e in encodings]
            point[m][:, d] += sign * step
            ends.append(score(point))
        found[m][:, d] += w * encodings[m][:, d] * (ends[0] - ends[1]) / (2 * step)
    return found


def gauss():
    """Four points and weights on [0, 1], by their closed form (Abramowitz and Stegun, 25.4.30)."""
    inner, outer = (np.sqrt(3 / 7 + sign * 2 / 7 * np.sqrt(6 / 5)) for sign in (-1, 1))
    heavy, light = ((18 + sign * np.sqrt(30)) / 36 for sign in (1, -1))
    nodes = np.array([-outer, -inner, inner, outer])
    return (nodes + 1) / 2, np.array([light, heavy, heavy, light]) / 2


def fixed_score(head, encodings, target, labels):
    """The score of the class that the full input chooses, a function of arrays, in NumPy."""
    weights = head_weights(head)
    classes = np_logits(weights, encodings).argmax(1) if labels is None else labels
    return lambda point: np_score(np_logits(weights, point), target, classes)


@pytest.fixture(params=["probability", "logit", "label"])
def target(request):
    return request.param


@pytest.mark.parametrize("players", SIZES)
def test_shapley_shares_are_the_mean_over_all_orders(rng, players, target):
    head = dense_head(SIZES[players], 5, hidden=8)
    encodings = [e.numpy() for e in drawn(rng, SIZES[players])]
    labels = rng.integers(0, 5, 7) if target == "label" else None
    score = fixed_score(head, encodings, target, labels)

    def value(present):
        return score([e if m in present else 0 * e for m, e in enumerate(encodings)])

    expected = normalised([phi[:, None] for phi in by_orders(value, players)])
    logits, shares = measure_shares(head, encodings, "shapley", target, labels)
    np.testing.assert_allclose(shares, expected, atol=1e-10)
    np.testing.assert_array_equal(logits, head(encodings))


@pytest.mark.parametrize("players", [2, 3])
def test_integrated_shares_equal_finite_differences(rng, players, target):
    head = dense_head(SIZES[players], 5, hidden=8)
    encodings = [e.numpy() for e in drawn(rng, SIZES[players])]
    labels = rng.integers(0, 5, 7) if target == "label" else None
    score = fixed_score(head, encodings, target, labels)
    logits, shares = measure_shares(head, encodings, "integrated", target, labels)
    expected = normalised(integrated(score, encodings, *gauss()))
    np.testing.assert_allclose(shares, expected, atol=1e-7)
    fine = (np.arange(100) + 0.5) / 100
    near = normalised(integrated(score, encodings, fine, np.full(100, 0.01)))
    np.testing.assert_allclose(shares, near, atol=0.02)
    np.testing.assert_array_equal(logits, head(encodings))


def test_gradient_is_what_it_was(rng, target):
    head = dense_head(SIZES[3], 5, hidden=8)
    encodings, labels = drawn(rng, SIZES[3]), rng.integers(0, 5, 7)
    found = measure_shares(head, encodings, target=target, labels=labels)
    logits, attributions = amr_tf.attribute(head, encodings, target, labels)
    np.testing.assert_array_equal(found[0], logits)
    np.testing.assert_array_equal(found[1], amr_tf.attribution_shares(attributions))


def test_a_linear_head(rng):
    """By the logit, both are closed forms: `W_k^m ⊙ e^m`, and its sum over the features."""
    head = dense_head(SIZES[3], 5)
    ((w, b),) = head_weights(head)
    encodings = drawn(rng, SIZES[3])
    x = np.concatenate(encodings, axis=1)
    products = np.split(w.T[(x @ w + b).argmax(1)] * x, np.cumsum(SIZES[3])[:-1], axis=1)
    _, shares = measure_shares(head, encodings, "integrated", "logit")
    np.testing.assert_allclose(shares, normalised(products), atol=1e-12)
    np.testing.assert_allclose(shares, measure_shares(head, encodings, target="logit")[1])
    _, shares = measure_shares(head, encodings, "shapley", "logit")
    sums = [p.sum(axis=1, keepdims=True) for p in products]
    np.testing.assert_allclose(shares, normalised(sums), atol=1e-12)


@pytest.mark.parametrize("degree", [3, 8, 9])
def test_contributions_are_complete(rng, degree):
    """`sum phi = g(e) - g(0)` always; for Integrated Gradients up to degree 8 of a polynomial."""
    encodings = drawn(rng, SIZES[3], samples=40)
    w = [tf.constant(rng.normal(size=n)) for n in SIZES[3]]

    def scores(points):
        x = tf.add_n([tf.linalg.matvec(p, v) for p, v in zip(points, w, strict=True)])
        return x**degree / 3**degree + 0.3 * tf.reduce_prod(points[1], axis=-1) - x + 0.2

    def error(contributions):
        found = contributions(scores, encodings)
        return np.abs(sum(np.sum(c, axis=1) for c in found) - (scores(encodings) - 0.2)).max()

    assert error(measures.shapley_contributions) < 1e-11
    assert (error(measures.integrated_contributions) < 1e-11) == (degree <= 8)


@pytest.mark.parametrize("measure", BEYOND)
@pytest.mark.parametrize(
    ("players", "target"), [(2, "logit"), (3, "probability"), (3, "label"), (6, "probability")]
)
def test_derivatives_equal_finite_differences(rng, measure, players, target):
    """In the head's variables and the encodings, along random directions."""
    head = dense_head(SIZES[players], 5, hidden=4)
    encodings, labels = drawn(rng, SIZES[players], 5), rng.integers(0, 5, 5)
    weights = rng.normal(size=(5, players))

    @tf.function
    def loss_and_gradients(*encodings):
        with tf.GradientTape() as tape:
            tape.watch(encodings)
            _, shares = measure_shares(head, encodings, measure, target, labels)
            loss = tf.reduce_sum(weights * shares)
        sources = [*head.trainable_variables, *encodings]
        found = tape.gradient(loss, sources)
        return loss, [
            tf.zeros(v.shape, tf.float64) if g is None else g
            for g, v in zip(found, sources, strict=True)
        ]

    _, gradients = loss_and_gradients(*encodings)
    start = head.get_weights()
    for _ in range(2):
        direction = [rng.normal(size=g.shape) for g in gradients]
        of_head, of_encodings = direction[: len(start)], direction[len(start) :]
        ends = []
        for step in (1e-6, -1e-6):
            head.set_weights([v + step * d for v, d in zip(start, of_head, strict=True)])
            moved = zip(encodings, of_encodings, strict=True)
            ends.append(loss_and_gradients(*(e + step * d for e, d in moved))[0])
        head.set_weights(start)
        expected = sum((g.numpy() * d).sum() for g, d in zip(gradients, direction, strict=True))
        np.testing.assert_allclose((ends[0] - ends[1]) / 2e-6, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("fusion", HEADS)
@pytest.mark.parametrize("players", [2, 3])
def test_every_head_gives_in_one_run_what_it_gives_point_by_point(rng, fusion, players):
    """Encodings of any rank among them."""
    shapes = [(4,), (2, 3), (5,)][:players]
    head = HEADS[fusion](shapes, 4, hidden=6)
    encodings = [tf.constant(rng.normal(size=(6, *shape)), tf.float32) for shape in shapes]
    classes = head(encodings).numpy().argmax(1)

    def value(present):
        z = head([e if m in present else 0 * e for m, e in enumerate(encodings)])
        return np_score(z.numpy().astype("float64"), "probability", classes)

    expected = normalised([phi[:, None] for phi in by_orders(value, players)])
    _, shares = measure_shares(head, encodings, "shapley")
    np.testing.assert_allclose(shares, expected, atol=2e-5)

    alphas = [0.0] * players
    for t, w in zip(*gauss(), strict=True):
        points = [e * t.astype("float32") for e in encodings]
        with tf.GradientTape() as tape:
            tape.watch(points)
            chosen = tf.gather(tf.nn.softmax(head(points)), classes, axis=1, batch_dims=1)
            score = tf.math.log(chosen / (1 - chosen))
        found = zip(alphas, tape.gradient(score, points), encodings, strict=True)
        alphas = [alpha + w * (g * e).numpy().reshape(6, -1) for alpha, g, e in found]
    _, shares = measure_shares(head, encodings, "integrated")
    np.testing.assert_allclose(shares, normalised(alphas), atol=2e-5)


def shares_and_gradients(head, measure):
    def both(*encodings):
        with tf.GradientTape() as tape:
            logits, shares = measure_shares(head, encodings, measure)
            loss = tf.reduce_sum(shares[:, 0])
        return [logits, shares, *gradient(tape, loss, head)]

    return both


@pytest.mark.parametrize(("measure", "players"), [("integrated", 3), ("shapley", 6)])
def test_xla_computes_the_same(rng, measure, players):
    head = HEADS["gated"]([(n,) for n in SIZES[players]], 4, hidden=6)
    both = shares_and_gradients(head, measure)
    encodings = drawn(rng, SIZES[players], dtype="float32")
    compiled = tf.function(both, jit_compile=True)(*encodings)
    for found, expected in zip(compiled, both(*encodings), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize(
    ("fusion", "compile_it"), [*((name, False) for name in HEADS), ("gated", True)]
)
def test_an_empty_batch(fusion, compile_it):
    """In graphs for batches of any size, as those of `fit` are."""
    head = HEADS[fusion]([(4,), (6,)], 3)
    specs = [tf.TensorSpec([None, 4]), tf.TensorSpec([None, 6])]

    @functools.partial(tf.function, input_signature=specs, jit_compile=compile_it)
    def measured(*encodings):
        return [shares_and_gradients(head, measure)(*encodings) for measure in BEYOND]

    for logits, shares, *gradients in measured(tf.zeros([0, 4]), tf.zeros([0, 6])):
        assert logits.shape == (0, 3)
        assert shares.shape == (0, 2)
        assert all((g.numpy() == 0).all() for g in gradients)


@pytest.mark.parametrize("measure", BEYOND)
def test_replicas_measure_their_own_samples(rng, strategy, measure):
    """One of them has none."""
    with strategy.scope():
        head = HEADS["concat"]([(4,), (4,)], 3, hidden=5)
    sizes = [5, 0, 2, 3][: strategy.num_replicas_in_sync]
    parts = [rng.normal(size=(n, 4)).astype("float32") for n in sizes]

    def shares(x):
        return measure_shares(head, [x, tf.sin(3 * x)], measure)[1]

    found = on_replicas(strategy, shares, parts)
    np.testing.assert_allclose(np.concatenate(found), shares(np.concatenate(parts)), atol=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
def test_where_nothing_contributes_shares_are_equal(measure):
    head = dense_head(SIZES[3], 5, hidden=8, dtype="float32")
    encodings = [tf.zeros([4, n]) for n in SIZES[3]]
    _, shares, *gradients = shares_and_gradients(head, measure)(*encodings)
    np.testing.assert_allclose(shares, 1 / 3, rtol=1e-7)
    assert all((g.numpy() == 0).all() for g in gradients)


@pytest.mark.parametrize("measure", MEASURES)
def test_an_absent_modality_has_share_zero(rng, measure):
    head = dense_head(SIZES[3], 5, hidden=8)
    encodings = drawn(rng, SIZES[3])
    encodings[1] *= 0
    _, shares = measure_shares(head, encodings, measure)
    np.testing.assert_allclose(shares[:, 1], 0, atol=1e-14)
    np.testing.assert_allclose(tf.reduce_sum(shares, axis=1), 1, atol=1e-14)


@pytest.mark.parametrize("measure", BEYOND)
@pytest.mark.parametrize("scales", [(1e-39, 1e-39), (1e-20, 1.0), (1e20, 1e20), (1e-20, 1e20)])
def test_finite_at_the_edge_of_float32(rng, measure, scales):
    head = dense_head(SIZES[2], 5, dtype="float32")
    encodings = [
        tf.cast(s * e, tf.float32) for s, e in zip(scales, drawn(rng, SIZES[2]), strict=True)
    ]
    _, shares, *gradients = shares_and_gradients(head, measure)(*encodings)
    np.testing.assert_allclose(tf.reduce_sum(shares, axis=1), 1, atol=1e-6)
    assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("measure", BEYOND)
def test_shares_are_those_without_dropout_and_logits_those_with(rng, measure):
    """The head's dropout advances by one training call, as for `gradient`."""
    head = HEADS["concat"]([(4,), (6,)], 3, hidden=8, dropout=0.5)
    encodings = drawn(rng, SIZES[2], dtype="float32")
    start = head.get_weights()
    logits, _ = measure_shares(head, encodings, training=True)
    after = [v.numpy() for v in head.variables]
    head.set_weights(start)
    found, _ = measure_shares(head, encodings, measure, "label", np.zeros(7, int), training=True)
    np.testing.assert_array_equal(found, logits)
    for variable, expected in zip(head.variables, after, strict=True):
        np.testing.assert_array_equal(variable, expected)
    shares = [
        measure_shares(head, encodings, measure, "label", np.zeros(7, int), training)[1].numpy()
        for training in (False, True, True)
    ]
    np.testing.assert_array_equal(shares[1], shares[0])
    np.testing.assert_array_equal(shares[2], shares[0])


@pytest.mark.parametrize("measure", BEYOND)
def test_dimensions_may_be_unknown(rng, measure):
    """A head that averages over any number of steps, in a graph that does not know the number."""
    inputs = [keras.Input((None, 4)), keras.Input((6,))]
    x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling1D()(inputs[0]), inputs[1]])
    head = keras.Model(inputs, keras.layers.Dense(3)(x))
    encodings = [rng.normal(size=(5, 2, 4)), rng.normal(size=(5, 6))]
    encodings = [tf.constant(e, tf.float32) for e in encodings]
    specs = [tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, 6])]
    found = tf.function(lambda *e: measure_shares(head, e, measure)[1], specs)(*encodings)
    np.testing.assert_allclose(found, measure_shares(head, encodings, measure)[1], atol=1e-6)


@pytest.mark.parametrize(
    ("measure", "target", "players", "message"),
    [
        ("saliency", "logit", 2, "unknown measure 'saliency': choose one of"),
        ("shapley", "logit", 7, "7 modalities need 128 runs of the head"),
        ("integrated", "label", 2, "give labels"),
        ("shapley", "entropy", 2, "unknown attribution target 'entropy'"),
    ],
)
def test_what_cannot_be_measured_is_refused(measure, target, players, message):
    head = dense_head([2] * players, 3)
    with pytest.raises(ValueError, match=message):
        measure_shares(head, [tf.zeros([1, 2], tf.float64)] * players, measure, target)


@pytest.mark.parametrize("measure", ["integrated", "shapley"])
def test_training_balances_these_shares_on_replicas_too(measure, strategy, tmp_path):
    """Uneven batches; the choice is saved, and logged shares are the measure's."""
    options = {"amr_measure": measure, "amr_ratio": (1, 9), "hidden": 8}
    x, y = data(61)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(17)
    one = classifier(**options)
    history = one.fit(batches, epochs=2, verbose=0).history
    with strategy.scope():
        several = classifier(**options)
    found = several.fit(batches, epochs=2, verbose=0).history
    assert largest_difference(one, several) < 1e-5
    np.testing.assert_allclose(found["dominance_audio"], history["dominance_audio"], atol=2e-5)
    one.save(tmp_path / "model.keras")
    assert saving.load_model(tmp_path / "model.keras").amr_measure == measure
    encodings = one.encode({name: tf.constant(value) for name, value in x.items()})
    _, shares = amr_tf.measure_shares(one.head, encodings, measure)
    logged = one.evaluate(batches, verbose=0, return_dict=True)["dominance_audio"]
    np.testing.assert_allclose(logged, shares.numpy().mean(0)[0], rtol=1e-5)
