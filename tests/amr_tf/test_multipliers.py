"""The ratio as a constraint: reached exactly, the same on replicas, saved and resumed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import saving
from amr_tf._multipliers import MOMENTUM, PENALTY, STEP, Multipliers
from tests.amr_tf.models import (
    central_differences,
    classifier,
    data,
    dense_head,
    encoder,
    largest_difference,
)


def batches(n=64, size=16):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(size)


def values(model):
    return tf.convert_to_tensor(model.multipliers.values).numpy()


def test_a_convex_toy_ends_in_its_closed_form():
    """min (w - 0.9)^2 / 2 with shares (w, 1 - w) and the ratio 0.3 : 0.7.

    There w = 0.3, and (w - 0.9) + lambda_1 - lambda_2 = 0 with a sum of 0: lambda = +-0.3.
    """
    w = tf.Variable(0.9, dtype=tf.float64)
    regularizer = amr_tf.AttributionRegularizer((3, 7))
    multipliers = Multipliers(regularizer)
    step = tf.function(lambda: toy_step(w, regularizer, multipliers))
    for _ in range(3000):
        step()
    np.testing.assert_allclose(w.numpy(), 0.3, atol=1e-3)
    np.testing.assert_allclose(multipliers.values.numpy(), [0.3, -0.3], atol=2e-3)


def toy_step(w, regularizer, multipliers):
    with tf.GradientTape() as tape:
        shares = tf.stack([[w, 1 - w]])
        loss, mean, count = regularizer.replica_loss(shares, tf.ones(1), multipliers.pull)
        total = loss + (w - 0.9) ** 2 / 2
    w.assign_sub(0.02 * tape.gradient(total, w))
    multipliers.update(mean, count)


def test_against_numpy():
    """Three steps, one of them without a complete sample, of three modalities."""
    ratio = np.array([0.2, 0.3, 0.5])
    multipliers = Multipliers(amr_tf.AttributionRegularizer(ratio))
    expected, mean = np.zeros(3), np.zeros(3)
    steps = [([0.6, 0.3, 0.1], 4.0), ([0.0, 0.0, 0.0], 0.0), ([0.5, 0.2, 0.3], 2.0)]
    for shares, count in steps:
        shares = np.array(shares)
        if count:
            mean = MOMENTUM * mean + (1 - MOMENTUM) * (shares - ratio)
        pull = multipliers.pull(tf.constant(shares), tf.constant(count))
        np.testing.assert_allclose(pull, expected + PENALTY * mean, atol=1e-5)
        if count:
            expected = expected + STEP * mean
        multipliers.update(tf.constant(shares, tf.float32), tf.constant(count))
        np.testing.assert_allclose(multipliers.values.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(expected.sum(), 0, atol=1e-12)


def force(shares, ratio):
    """dL/da of a first step: the multipliers are 0, and the running mean has a tenth of it."""
    return PENALTY * (1 - MOMENTUM) * (shares - np.array(ratio) / sum(ratio))


@pytest.mark.parametrize("method", [amr_tf.methods.Dropout, amr_tf.methods.ModalityDropout])
def test_the_gradient_is_that_of_the_model_in_use(method):
    """By central differences: masks of the step have no part in it."""
    x, y = data(32, dtype="float64")
    options = {"hidden": 6, "dtype": "float64", "run_eagerly": True}
    plain = classifier(method(rate=0.9, seed=1), amr_weight=0, **options)
    model = classifier(method(rate=0.9, seed=1), amr_weight="auto", amr_ratio=(1, 3), **options)
    encodings = model.encode({m: tf.constant(v) for m, v in x.items()})

    def means():
        _, shares = amr_tf.measure_shares(model.head, encodings)
        return tf.reduce_mean(shares, axis=0)

    pull = force(means().numpy(), (1, 3))
    variables = model.head.trainable_variables
    expected = [central_differences(lambda: tf.reduce_sum(pull * means()), v) for v in variables]
    for each in (plain, model):
        each.fit(x, y, batch_size=32, verbose=0)
    moved = zip(plain.head.get_weights(), model.head.get_weights(), strict=True)
    for (a, b), gradient in zip(moved, expected, strict=True):
        np.testing.assert_allclose((a - b) / 0.1, gradient, atol=1e-4 * np.abs(gradient).max())
        assert np.abs(gradient).max() > 1e-3


def test_a_ratio_that_a_weight_does_not_reach_is_reached():
    """A weight of 0.1 pulls less than the task does, and settles where they are equal."""
    found = {}
    for weight in (0.1, "auto"):
        model = classifier(hidden=8, amr_weight=weight, amr_ratio=(1, 4))
        history = model.fit(batches(), epochs=160, verbose=0).history
        found[weight] = np.mean(history["dominance_audio"][-10:])
    assert found[0.1] > 0.5
    assert abs(found["auto"] - 0.2) < 0.02
    assert history["amr_multiplier_audio"][-1] > 0.1
    np.testing.assert_allclose(
        history["amr_multiplier_audio"], -np.array(history["amr_multiplier_video"]), atol=1e-6
    )


def test_six_modalities():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    x = {f"m{k}": (rng.normal(size=(60, 4)) + k * np.eye(3, 4)[labels]).astype("float32")
         for k in range(6)}  # fmt: skip
    encoders = {name: encoder(4, 3, k, f"{name}_encoder") for k, name in enumerate(x)}
    model = amr_tf.MultimodalClassifier(encoders, dense_head([3] * 6, 3, dtype="float32"))
    model.compile(keras.optimizers.SGD(0.05), amr_weight="auto")
    history = model.fit(x, labels, batch_size=20, epochs=60, verbose=0).history
    shares = [history[f"dominance_{name}"][-1] for name in x]
    np.testing.assert_allclose(shares, 1 / 6, atol=0.02)
    assert abs(values(model).sum()) < 1e-5


def test_replicas_have_one_devices_multipliers(strategy):
    """Of batches that do not divide, with samples that lack a modality."""
    x, y = data(61)
    x["presence"] = np.ones([61, 2], "float32")
    x["presence"][::3, 1] = 0
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(17)
    one = classifier(amr_weight="auto", amr_ratio=(1, 9))
    one.fit(dataset, epochs=2, verbose=0)
    with strategy.scope():
        several = classifier(amr_weight="auto", amr_ratio=(1, 9))
    several.fit(dataset, epochs=2, verbose=0)
    assert np.abs(values(one)).min() > 0.01
    np.testing.assert_allclose(values(several), values(one), atol=1e-6)
    assert largest_difference(one, several) < 1e-5


@pytest.mark.usefixtures("eagerly")
def test_saved_and_resumed_bit_for_bit(tmp_path):
    whole, interrupted = (classifier(amr_weight="auto", amr_ratio=(1, 9)) for _ in range(2))
    whole.fit(batches(), epochs=4, verbose=0)
    interrupted.fit(batches(), epochs=2, verbose=0)
    interrupted.save(tmp_path / "model.keras")
    resumed = saving.load_model(tmp_path / "model.keras")
    assert resumed.amr_weight == "auto"
    resumed.fit(batches(), initial_epoch=2, epochs=4, verbose=0)
    np.testing.assert_array_equal(values(resumed), values(whole))
    assert largest_difference(whole, resumed) == 0


@pytest.mark.usefixtures("eagerly")
def test_a_step_that_is_undone_leaves_the_multipliers_alone():
    x, y = data(16)
    x["audio"][3] = np.nan
    model = classifier(amr_weight="auto", amr_ratio=(1, 9), skip_nonfinite=True)
    model.fit(x, y, batch_size=16, verbose=0)
    np.testing.assert_array_equal(values(model), [0, 0])


@pytest.mark.usefixtures("eagerly")
def test_a_batch_without_a_complete_sample_moves_nothing_of_the_head_but_the_task():
    x, y = data(16)
    x["presence"] = np.tile([1.0, 0.0], (16, 1)).astype("float32")
    models = [classifier(amr_weight=weight, amr_ratio=(1, 9)) for weight in ("auto", 0.0)]
    for model in models:
        model.fit(x, y, batch_size=16, verbose=0)
    np.testing.assert_array_equal(values(models[0]), [0, 0])
    assert largest_difference(*models) == 0


@pytest.mark.parametrize("weight", ["much", -1, None, float("nan")])
def test_what_is_no_weight_is_refused(weight):
    with pytest.raises(ValueError, match="amr_weight is a number, zero or positive, or 'auto'"):
        classifier(amr_weight=weight)
