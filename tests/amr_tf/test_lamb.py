"""LAMB is one algorithm on both stacks: You et al. 2020, arXiv 1904.00962, algorithm 2."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import _compat, saving
from tests.amr_tf.models import classifier, data, largest_difference
from trainers.running.assembly import optimizer

STEPS = 5
RATE = 0.05


def np_lamb(weights, gradients, decay, clip):
    """The weights after each step, in float64."""
    weights = [w.copy() for w in weights]
    m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
    after = []
    for t, step in enumerate(gradients, 1):
        norm = np.sqrt(sum((g**2).sum() for g in step))
        scale = min(1.0, clip / norm) if clip else 1.0
        for i, g in enumerate(step):
            m[i] = 0.9 * m[i] + 0.1 * scale * g
            v[i] = 0.999 * v[i] + 0.001 * (scale * g) ** 2
            r = m[i] / (1 - 0.9**t) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-6)
            r = r + decay * weights[i]
            norms = np.linalg.norm(weights[i]), np.linalg.norm(r)
            weights[i] = weights[i] - RATE * (norms[0] / norms[1] if all(norms) else 1.0) * r
        after.append([w.copy() for w in weights])
    return after


def variable(value):
    return keras.Variable(value) if _compat.KERAS_3 else tf.Variable(value, dtype=tf.float32)


def problem():
    """Weights and gradients: a matrix, a bias of zeros, and weights whose gradient is zero."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(4, 3)), np.zeros(3), rng.normal(size=5)]
    gradients = [[rng.normal(size=w.shape) for w in weights[:2]] for _ in range(STEPS)]
    return weights, [[*step, np.zeros(5)] for step in gradients]


@pytest.mark.parametrize("clip", [0.0, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.01, 1.0])
def test_it_is_the_algorithm_of_the_paper(decay, clip):
    weights, gradients = problem()
    variables = [variable(w) for w in weights]
    lamb = optimizer("lamb", RATE, weight_decay=decay, clip_norm=clip)
    lamb.build(variables)
    expected = np_lamb(weights, gradients, decay, clip)
    for step, wanted in zip(gradients, expected, strict=True):
        _compat.apply_gradients(lamb, [tf.constant(g, tf.float32) for g in step], variables)
        for found, w in zip(variables, wanted, strict=True):
            np.testing.assert_allclose(found.numpy(), w, atol=1e-6)


def test_on_replicas_it_takes_the_summed_gradients(strategy):
    weights, gradients = problem()
    with strategy.scope():
        variables = [variable(w) for w in weights]
        lamb = optimizer("lamb", RATE, weight_decay=0.01, clip_norm=0.5)
        lamb.build(variables)
    _compat.take_summed_gradients(lamb)
    step = tf.function(
        lambda g: strategy.run(lambda: _compat.apply_gradients(lamb, g, variables) or 0)
    )
    for each in gradients:
        step([tf.constant(g, tf.float32) for g in each])
    for found, w in zip(variables, np_lamb(weights, gradients, 0.01, 0.5)[-1], strict=True):
        np.testing.assert_allclose(found.numpy(), w, atol=1e-6)


def test_saved_and_loaded_it_goes_on_along_its_schedule(tmp_path):
    """`.keras` files leave the moments of Keras 2.15's older optimizers out."""
    x, y = data()
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
    model = classifier(optimizer=optimizer("lamb", schedule, weight_decay=0.01))
    assert isinstance(
        model.amr_optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule
    )
    model.fit(x, y, batch_size=16, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    for m in (model, loaded):
        m.fit(x, y, batch_size=16, verbose=0, shuffle=False)
    assert largest_difference(model, loaded) == 0
