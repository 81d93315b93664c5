"""The updated weights are the same regardless of the number of devices."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import distribution
from tests.amr_tf.models import classifier, data, largest_difference

METHODS = {
    "naive": lambda: None,
    "dropout": lambda: amr_tf.methods.Dropout(0.5, seed=3),
    "modality_dropout": lambda: amr_tf.methods.ModalityDropout(0.5, seed=3),
    "moddrop_per_sample": lambda: amr_tf.methods.ModalityDropout(0.5, True, seed=3),
}
# 61 = 3 batches of 17 and one of 10: no batch divides by 4 and the last differs.
# 33 = 2 batches of 16 and one of a single sample: all replicas but one are empty.
SIZES = {"uneven": (61, 17), "empty_replica": (33, 16), "uneven_first": (13, 13)}


def train(method, size, batch_norm=False, **options):
    n, batch = SIZES[size]
    x, y = data(n)
    model = classifier(
        METHODS[method](),
        batch_norm,
        hidden=8,
        # away from the ratio: near the kink of |.| rounding may flip a sign
        amr_ratio=(1, 9),
        **options,
    )
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)
    history = model.fit(dataset, epochs=2, verbose=0).history
    return model, history


@pytest.mark.parametrize(
    ("method", "size"),
    [("naive", size) for size in SIZES]
    + [("moddrop_per_sample", "empty_replica")]
    + [
        pytest.param(name, "empty_replica", marks=pytest.mark.slow)
        for name in ("dropout", "modality_dropout")
    ],
)
def test_replicas_equal_a_single_device(strategy, method, size):
    assert_equal_to_a_single_device(strategy, method, size)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [4], indirect=True)
def test_four_replicas_of_which_three_are_empty(strategy):
    assert_equal_to_a_single_device(strategy, "moddrop_per_sample", "empty_replica")


def assert_equal_to_a_single_device(strategy, method, size):
    batch_norm = size == "uneven"
    single, expected = train(method, size, batch_norm)
    with strategy.scope():
        several, history = train(method, size, batch_norm)
    assert largest_difference(single, several) < 1e-5
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, atol=2e-5, err_msg=name)


def test_clipping_sees_the_summed_gradient(strategy):
    """Keras 3 would clip each replica's part before the sum."""

    def options():
        return {
            "optimizer": keras.optimizers.SGD(0.5, global_clipnorm=0.05),
            "amr_optimizer": keras.optimizers.SGD(0.5, clipnorm=0.01),
        }

    single, _ = train("naive", "uneven", **options())
    with strategy.scope():
        several, _ = train("naive", "uneven", **options())
    free, _ = train("naive", "uneven", optimizer=keras.optimizers.SGD(0.5))
    assert largest_difference(single, several) < 1e-5
    assert largest_difference(single, free) > 1e-2


def test_a_mean_per_replica_would_be_another_objective(strategy):
    """R of each replica's own mean, averaged, differs from R of the global mean."""
    x, _ = data(16)
    model = classifier()
    _, alphas = model.attribute(x)
    shares = amr_tf.attribution_shares(alphas).numpy()
    shares = shares[np.argsort(shares[:, 0])]  # replicas whose samples differ
    regularizer = amr_tf.AttributionRegularizer((1, 1))
    parts = np.split(shares, strategy.num_replicas_in_sync)
    of_means = np.mean([regularizer(tf.constant(p)) for p in parts])
    assert abs(of_means - regularizer(tf.constant(shares))) > 0.03

    def loss(part):
        with tf.GradientTape() as tape:
            tape.watch(part)
            value, mean, count = regularizer.replica_loss(part, tf.ones(tf.shape(part)[0]))
        return tape.gradient(value, part), mean, count

    per_replica = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )
    gradient, mean, count = strategy.run(tf.function(loss), (per_replica,))
    with tf.GradientTape() as tape:
        whole = tf.constant(shares)
        tape.watch(whole)
        expected = regularizer(whole)
    local = strategy.experimental_local_results
    np.testing.assert_allclose(
        np.concatenate(local(gradient)), tape.gradient(expected, whole), rtol=1e-5
    )
    np.testing.assert_allclose(local(mean)[0], shares.mean(0), rtol=1e-5)
    assert local(count)[-1] == 16


def test_communication_of_amr(strategy, monkeypatch):
    """AMR adds M + 1 floats and one gradient of the head's size; nothing else."""
    sent = {}
    for weight in (0.0, 1.0):
        reduced = []

        def record(tensors, reduced=reduced, original=distribution.global_sum):
            reduced.extend(int(np.prod(t.shape)) for t in tensors)
            return original(tensors)

        with strategy.scope():
            model = classifier(amr_weight=weight, hidden=8)
            monkeypatch.setattr(distribution, "global_sum", record)
            dataset = tf.data.Dataset.from_tensor_slices(data(16)).batch(16)
            model.fit(dataset, verbose=0)
            monkeypatch.undo()
        sent[weight] = sum(reduced) / strategy.num_replicas_in_sync
    head = sum(int(np.prod(v.shape)) for v in model.head.trainable_variables)
    everything = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    replicas = strategy.num_replicas_in_sync
    # the shares are logged without AMR too; positions are one integer per replica
    assert sent[0.0] == everything + 3 + replicas
    assert sent[1.0] == sent[0.0] + head


def test_positions_cover_the_global_batch(strategy):
    sizes = [3, 0, 2, 5][: strategy.num_replicas_in_sync]
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(sizes[context.replica_id_in_sync_group])
    )
    offset, total = strategy.run(tf.function(distribution.global_positions), (values,))
    local = strategy.experimental_local_results
    assert [int(o) for o in local(offset)] == list(np.cumsum([0, *sizes[:-1]]))
    assert {int(t) for t in local(total)} == {sum(sizes)}


def test_saved_from_replicas_loads_on_one_device(strategy, tmp_path):
    with strategy.scope():
        model, _ = train("dropout", "uneven", True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x, _ = data(8)
    np.testing.assert_allclose(model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-6)
    assert loaded.audio_encoder.layers[-2].synchronized
    with strategy.scope():
        again = keras.models.load_model(tmp_path / "model.keras")
    dataset = tf.data.Dataset.from_tensor_slices(data(33)).batch(16)
    for m in (model, again):
        m.fit(dataset, verbose=0)
    assert largest_difference(model, again) == 0
