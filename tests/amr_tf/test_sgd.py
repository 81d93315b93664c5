import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import _compat, saving
from amr_tf._sgd import SGD
from tests.amr_tf.models import classifier, data, largest_difference

RATE = 0.1


def np_sgd(w, gradients, momentum, decay, nesterov=False):
    """The formula of Keras in float64."""
    m = np.zeros_like(w)
    for g in gradients:
        w = w - RATE * decay * w
        m = momentum * m - RATE * g
        w = w + (momentum * m - RATE * g if nesterov else m)
    return w


def variable(value):
    return keras.Variable(value) if _compat.KERAS_3 else tf.Variable(value, dtype=tf.float32)


def problem():
    rng = np.random.default_rng(0)
    return rng.normal(size=(4, 3)), rng.normal(size=(5, 4, 3))


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9, "decay": 0.0},
        {"momentum": 0.9, "decay": 0.01},
        {"momentum": 0.9, "decay": 0.01, "nesterov": True},
        {"momentum": 0.0, "decay": 0.01},
    ],
)
def test_it_is_the_formula_of_keras(options):
    w, gradients = problem()
    expected = np_sgd(w, gradients, **options)
    decay = options.pop("decay") or None
    for kind in (SGD, keras.optimizers.SGD):
        sgd = kind(RATE, weight_decay=decay, **options)
        found = variable(w)
        sgd.build([found])
        for g in gradients:
            _compat.apply_gradients(sgd, [tf.constant(g, tf.float32)], [found])
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_rows_of_an_embedding_are_a_gradient_with_zeros_elsewhere():
    w, _ = problem()
    rows, indices = np.ones((3, 3)), [2, 0, 2]
    dense = np.zeros_like(w)
    np.add.at(dense, indices, rows)
    sgd, found = SGD(RATE, momentum=0.9), variable(w)
    sgd.build([found])
    for _ in range(2):
        gradient = tf.IndexedSlices(tf.constant(rows, tf.float32), tf.constant(indices), w.shape)
        _compat.apply_gradients(sgd, [gradient], [found])
    np.testing.assert_allclose(found.numpy(), np_sgd(w, [dense] * 2, 0.9, 0.0), atol=1e-6)


def test_on_replicas_it_takes_the_summed_gradients(strategy):
    w, gradients = problem()
    with strategy.scope():
        found = variable(w)
        sgd = SGD(RATE, momentum=0.9, weight_decay=0.01)
        sgd.build([found])
    _compat.take_summed_gradients(sgd)
    step = tf.function(
        lambda g: strategy.run(lambda: _compat.apply_gradients(sgd, [g], [found]) or 0)
    )
    for g in gradients:
        step(tf.constant(g, tf.float32))
    np.testing.assert_allclose(found.numpy(), np_sgd(w, gradients, 0.9, 0.01), atol=1e-6)


def test_a_variable_takes_one_kernel_of_momentum():
    found = [variable(problem()[0]) for _ in range(3)]
    sgd = SGD(RATE, momentum=0.9)
    sgd.build(found)
    step = tf.function(lambda g: _compat.apply_gradients(sgd, [g] * 3, found) or 0)
    kernels = step.get_concrete_function(tf.zeros((4, 3))).graph.get_operations()
    kinds = [o.type for o in kernels]
    assert kinds.count("ResourceApplyKerasMomentum") == 3
    assert not {"Mul", "Sub", "Neg", "AssignSubVariableOp"} & set(kinds)


def test_saved_and_loaded_it_goes_on_bit_for_bit(tmp_path):
    x, y = data()
    model = classifier(optimizer=SGD(0.1, momentum=0.9, weight_decay=0.01))
    model.fit(x, y, batch_size=16, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, SGD)
    for m in (model, loaded):
        m.fit(x, y, batch_size=16, verbose=0, shuffle=False)
    assert largest_difference(model, loaded) == 0
