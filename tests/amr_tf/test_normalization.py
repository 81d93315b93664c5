import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf.normalization import SyncBatchNormalization
from tests.amr_tf.models import on_replicas

EPSILON = 1e-2
# float32 gradients are compared with those of float64
TOLERANCES = {"float64": 1e-7, "float32": 2e-5, "mixed_float16": 5e-3, "mixed_bfloat16": 4e-2}


def np_forward(x, gamma, beta):
    """Outputs by the definition, and the moments over all axes but the last."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    return (x - mean) / np.sqrt(variance + EPSILON) * gamma + beta, mean, variance


def np_gradients(function, arguments, step=1e-5):
    """Central differences of a scalar function in each of its arguments."""
    gradients = []
    for argument in arguments:
        gradient = np.zeros_like(argument)
        for index in np.ndindex(argument.shape):
            centre = argument[index]
            argument[index] = centre + step
            above = function(*arguments)
            argument[index] = centre - step
            gradient[index] = (above - function(*arguments)) / (2 * step)
            argument[index] = centre
        gradients.append(gradient)
    return gradients


def np_input_gradient(x, gamma, dy):
    """Of `sum(dy * outputs)`; Ioffe and Szegedy 2015, section 3."""
    axes = tuple(range(x.ndim - 1))
    normal, _, variance = np_forward(x, 1.0, 0.0)
    centred = dy - dy.mean(axes) - normal * (dy * normal).mean(axes)
    return gamma / np.sqrt(variance + EPSILON) * centred


def layer_on(strategy, shape, gamma, beta, **options):
    """A layer on all replicas with these weights, those that it has."""
    with strategy.scope():
        layer = SyncBatchNormalization(momentum=0.5, epsilon=EPSILON, **options)
        layer.build((None, *shape[1:]))
        if layer.scale:
            layer.gamma.assign(gamma)
        if layer.center:
            layer.beta.assign(beta)
    return layer


def split(strategy, first, *arrays):
    """Each replica's parts of the arrays: `first` samples, the rest, and nothing for others."""
    size = len(arrays[0])
    cuts = [first] + [size] * (strategy.num_replicas_in_sync - 2)
    return [np.split(a.astype(np.float32), cuts) for a in arrays]


def values_of(variables):
    return [getattr(v, "value", v) if not isinstance(v, tf.Variable) else v for v in variables]


CASES = [
    # shape, samples of the first replica (6: all others are empty), policy, options
    ((6, 2, 2, 3), 4, "float32", {}),
    ((6, 2, 2, 3), 6, "float32", {}),
    ((6, 3), 5, "float32", {"scale": False}),
    ((6, 2, 3), 6, "float32", {"center": False}),
    ((6, 2, 2, 1, 3), 2, "float32", {"scale": False, "center": False}),
    ((6, 2, 2, 3), 4, "float64", {}),
    ((6, 3), 6, "float64", {"scale": False}),
    ((6, 2, 2, 3), 4, "mixed_bfloat16", {}),
    ((6, 2, 2, 3), 6, "mixed_float16", {}),
    ((6, 3), 4, "mixed_float16", {}),
]


@pytest.mark.parametrize(("shape", "first", "policy", "options"), CASES)
def test_on_replicas_it_is_that_of_the_global_batch(strategy, shape, first, policy, options):
    """Outputs, moving averages and all gradients, those by finite differences in float64."""
    rng = np.random.default_rng(0)
    x, dy = rng.normal(2.0, 3.0, shape), rng.normal(size=shape)
    x, dy = (a.astype(np.float16).astype(np.float64) for a in (x, dy))
    gamma, beta = rng.uniform(0.5, 2, 3), rng.normal(size=3)
    layer = layer_on(strategy, shape, gamma, beta, dtype=policy, **options)
    gamma, beta = gamma if layer.scale else np.ones(3), beta if layer.center else np.zeros(3)
    expected, mean, variance = np_forward(x, gamma, beta)
    of_x, of_gamma, of_beta = np_gradients(
        lambda *arguments: (np_forward(*arguments)[0] * dy).sum(), [x, gamma, beta]
    )

    def step(x, dy):
        x, dy = (tf.cast(a, layer.compute_dtype) for a in (x, dy))
        weights = values_of(layer.trainable_variables)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
        gradients = tape.gradient(outputs, [x, *weights], output_gradients=dy)
        doubled = tape.gradient(outputs, x, output_gradients=2 * dy)
        return [tf.cast(t, tf.float64) for t in (outputs, doubled, *gradients)]

    parts = split(strategy, first, x, dy)
    outputs, doubled, dx, *dw = on_replicas(strategy, step, *parts)
    atol = TOLERANCES[policy]
    np.testing.assert_allclose(np.concatenate(outputs), expected, atol=atol)
    np.testing.assert_allclose(np.concatenate(dx), of_x, atol=atol)
    np.testing.assert_allclose(np.concatenate(doubled), 2 * of_x, atol=2 * atol)
    wanted = [of_gamma] * layer.scale + [of_beta] * layer.center
    for found, whole in zip(dw, wanted, strict=True):  # the train step sums the replicas' parts
        np.testing.assert_allclose(np.sum(found, axis=0), whole, atol=6 * atol)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean / 2, atol=atol)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.5 + variance / 2, atol=6 * atol)


def test_a_large_mean_cancels_nothing(strategy):
    """A mean of 10,000 and a variance of 1: the square of the mean has all of float32's digits."""
    rng = np.random.default_rng(0)
    x = rng.normal(1e4, 1.0, (64, 2, 2, 3)).astype(np.float32).astype(np.float64)
    layer = layer_on(strategy, x.shape, np.ones(3), np.zeros(3))
    expected, _, variance = np_forward(x, 1.0, 0.0)
    got = on_replicas(strategy, lambda v: layer(v, training=True), *split(strategy, 40, x))
    np.testing.assert_allclose(np.concatenate(got), expected, atol=3e-3)
    # the parts' means are float32 numbers, a thousandth apart at 10,000
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.5 + variance / 2, rtol=3e-4)


@pytest.mark.parametrize(("shape", "first"), [((5, 3), 3), ((4, 2, 1, 3), 4)])
def test_a_gradient_of_its_gradient(strategy, shape, first):
    """A tape in a tape: derivatives of `sum(c * dx)` in x, dy and gamma."""
    rng = np.random.default_rng(2)
    x, dy, c = (rng.normal(size=shape) for _ in range(3))
    gamma = rng.uniform(0.5, 2, 3)
    layer = layer_on(strategy, shape, gamma, np.zeros(3))
    expected = np_gradients(
        lambda x, dy, gamma: (c * np_input_gradient(x, gamma, dy)).sum(), [x, dy, gamma]
    )

    def step(x, dy, c):
        (gamma,) = values_of([layer.gamma])
        with tf.GradientTape() as outer:
            outer.watch((x, dy))
            with tf.GradientTape() as inner:
                inner.watch(x)
                outputs = layer(x, training=True)
            dx = inner.gradient(outputs, x, output_gradients=dy)
            # a replica's part: the derivative that follows is of the sum over the replicas
            loss = tf.reduce_sum(c * dx)
        return outer.gradient(loss, (x, dy, gamma))

    parts = split(strategy, first, x, dy, c)
    of_x, of_dy, of_gamma = on_replicas(strategy, step, *parts)
    np.testing.assert_allclose(np.concatenate(of_x), expected[0], atol=2e-4)
    np.testing.assert_allclose(np.concatenate(of_dy), expected[1], atol=2e-4)
    np.testing.assert_allclose(np.sum(of_gamma, axis=0), expected[2], atol=2e-4)


@pytest.mark.parametrize("policy", ["float32", "float64", "mixed_bfloat16"])
def test_one_message_goes_forward_and_one_backward(strategy, policy):
    layer = layer_on(strategy, (None, 2, 2, 3), np.ones(3), np.zeros(3), dtype=policy)

    def messages(backward):
        def step(x):
            x = tf.cast(x, layer.compute_dtype)
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = layer(x, training=True)
            return tape.gradient(outputs, x, output_gradients=x) if backward else outputs

        values = strategy.experimental_distribute_values_from_function(
            lambda _: tf.zeros((4, 2, 2, 3))
        )
        graph = tf.function(lambda v: strategy.run(step, (v,))).get_concrete_function(values).graph
        # where a sum over replicas has inputs of several devices
        sums = [o for o in graph.get_operations() if o.type == "AddN"]
        return len([o for o in sums if len({i.op.device for i in o.inputs}) > 1])

    assert (messages(backward=False), messages(backward=True)) == (1, 2)


def test_on_replicas_a_frozen_layer_infers_and_its_averages_stay(strategy):
    x = np.random.default_rng(0).normal(2.0, 3.0, (6, 2, 2, 3))
    layer = layer_on(strategy, x.shape, np.ones(3), np.zeros(3))
    layer.trainable = False
    got = on_replicas(strategy, lambda v: layer(v, training=True), *split(strategy, 4, x))
    np.testing.assert_allclose(np.concatenate(got), x / np.sqrt(1 + EPSILON), atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), 0)


def test_batch_normalisation_stays_synchronised_when_saved(tmp_path):
    inputs = keras.Input([4])
    outputs = SyncBatchNormalization(momentum=0.8, epsilon=1e-5, name="norm")(inputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    layer = keras.saving.load_model(tmp_path / "model.keras").get_layer("norm")
    assert isinstance(layer, SyncBatchNormalization)
    assert layer.synchronized
    assert (layer.momentum, layer.epsilon) == (0.8, 1e-5)


@pytest.mark.parametrize("shape", [(4, 5, 3, 6), (3, 2, 4, 5, 6), (50, 6)])
def test_batch_normalisation_is_the_formula(shape):
    """In NumPy and float64: outputs, moving averages, inference, and the gradient in training."""
    rng = np.random.default_rng(1)
    x = rng.normal(200.0, 3.0, shape)  # where E[x^2] - E[x]^2 would be 1 % off
    upstream = rng.normal(size=shape)
    axes = tuple(range(len(shape) - 1))
    mean, variance = x.mean(axes), x.var(axes)
    normal = (x - mean) / np.sqrt(variance + 1e-3)
    layer = SyncBatchNormalization(momentum=0.9, epsilon=1e-3)
    layer.build(shape)
    layer.gamma.assign(gamma := rng.uniform(0.5, 2, 6))
    layer.beta.assign(beta := rng.normal(size=6))
    given = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs = layer(given, training=True)
        loss = tf.reduce_sum(outputs * upstream.astype(np.float32))
    np.testing.assert_allclose(outputs, gamma * normal + beta, atol=1e-4)
    moving_mean, moving_variance = 0.1 * mean, 0.9 + 0.1 * variance
    np.testing.assert_allclose(tf.convert_to_tensor(layer.moving_mean), moving_mean, rtol=1e-5)
    np.testing.assert_allclose(
        tf.convert_to_tensor(layer.moving_variance), moving_variance, rtol=1e-5
    )
    # Ioffe and Szegedy 2015, section 3: of the batch's moments, too
    centred = upstream - upstream.mean(axes) - normal * (upstream * normal).mean(axes)
    wanted = gamma / np.sqrt(variance + 1e-3) * centred
    np.testing.assert_allclose(tape.gradient(loss, given), wanted, atol=1e-4)
    inferred = (x - moving_mean) / np.sqrt(moving_variance + 1e-3) * gamma + beta
    np.testing.assert_allclose(layer(given, training=False), inferred, rtol=1e-4, atol=1e-3)
    layer.trainable = False  # Keras: a frozen layer infers, and its averages stay
    np.testing.assert_allclose(layer(given, training=True), inferred, rtol=1e-4, atol=1e-3)


def test_batch_normalisation_wants_channels_last():
    with pytest.raises(ValueError, match="channels must be the last axis, not axis 1"):
        SyncBatchNormalization(axis=1).build((None, 3, 4, 4))
