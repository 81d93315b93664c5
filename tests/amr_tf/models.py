"""Small models and independent NumPy mathematics for the tests."""

import keras
import numpy as np
import tensorflow as tf

import amr_tf


def dense_head(sizes, classes, hidden=0, seed=0, dtype="float64", activation="tanh"):
    """A head of dense layers on the concatenation; `hidden=0` is linear."""
    inputs = [keras.Input((size,), dtype=dtype) for size in sizes]
    x = keras.layers.Concatenate(dtype=dtype)(inputs)
    if hidden:
        x = _dense(hidden, seed, dtype, activation)(x)
    return keras.Model(inputs, _dense(classes, seed + 1, dtype, None)(x), name="head")


def _dense(units, seed, dtype, activation):
    normal = keras.initializers.RandomNormal(stddev=0.7, seed=seed)
    bias = keras.initializers.RandomNormal(stddev=0.3, seed=seed + 100)
    return keras.layers.Dense(
        units, activation, kernel_initializer=normal, bias_initializer=bias, dtype=dtype
    )


def encoder(features, units, seed=0, name="encoder", batch_norm=False, dtype="float32"):
    """One dense ReLU layer, batch normalisation optional."""
    inputs = keras.Input((features,), dtype=dtype)
    init = keras.initializers.GlorotUniform(seed=seed)
    x = keras.layers.Dense(units, kernel_initializer=init, dtype=dtype)(inputs)
    if batch_norm:
        x = amr_tf.normalization.SyncBatchNormalization()(x)
    return keras.Model(inputs, keras.layers.ReLU(dtype=dtype)(x), name=name)


def classifier(method=None, batch_norm=False, hidden=0, classes=3, dtype="float32", **compiled):
    """Two small encoders (5 -> 4 and 7 -> 6 features) and a head, compiled with SGD."""
    model = of_parts(
        {
            "audio": encoder(5, 4, 1, "audio_encoder", batch_norm, dtype),
            "video": encoder(7, 6, 2, "video_encoder", batch_norm, dtype),
        },
        dense_head([4, 6], classes, hidden, seed=3, dtype=dtype),
        method,
    )
    model.compile(compiled.pop("optimizer", None) or keras.optimizers.SGD(0.1), **compiled)
    return model


def of_parts(encoders, head, method=None):
    """A classifier of these parts, or of those that the method has in their place."""
    if method is not None:
        encoders, head = method.parts(tuple(encoders), lambda: (encoders, head))
    return amr_tf.MultimodalClassifier(encoders, head, method)


def data(n=64, classes=3, seed=0, dtype="float32"):
    """Inputs that carry the class, the audio more strongly."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    audio = rng.normal(size=(n, 5)) + 2.5 * np.eye(classes, 5)[y]
    video = rng.normal(size=(n, 7)) + 0.5 * np.eye(classes, 7)[y]
    return {"audio": audio.astype(dtype), "video": video.astype(dtype)}, y


def np_logits(weights, encodings):
    """Dense layers in NumPy: `[(W, b), ...]`, tanh between."""
    x = np.concatenate(encodings, axis=1)
    for i, (w, b) in enumerate(weights):
        x = x @ w + b
        if i + 1 < len(weights):
            x = np.tanh(x)
    return x


def np_score(z, target, labels=None):
    """g per sample, written from its definition."""
    k = z.argmax(1) if labels is None else labels
    rows = np.arange(len(z))
    if target == "logit":
        return z[rows, k]
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return np.log(p[rows, k] / (1 - p[rows, k]))


def np_shares(weights, encodings, target, labels=None, step=1e-6):
    """Shares by central differences of g in every feature of every encoding."""
    norms = []
    for m, e in enumerate(encodings):
        gradient = np.zeros_like(e)
        for d in range(e.shape[1]):
            moved = []
            for sign in (1, -1):
                shifted = [x.copy() for x in encodings]
                shifted[m][:, d] += sign * step
                moved.append(np_score(np_logits(weights, shifted), target, labels))
            gradient[:, d] = (moved[0] - moved[1]) / (2 * step)
        norms.append(np.linalg.norm(gradient * e, axis=1))
    norms = np.stack(norms, axis=1)
    return norms / norms.sum(1, keepdims=True)


def head_weights(head):
    """`[(W, b), ...]` of a dense head."""
    values = [w.numpy() for w in head.trainable_variables]
    return list(zip(values[::2], values[1::2], strict=True))


def gradient(tape, loss, model):
    """For all trainable variables; zero where there is no path (`unconnected_gradients="zero"`

    fails on Keras 3's variables).
    """
    variables = model.trainable_variables
    found = tape.gradient(loss, variables)
    return [
        tf.zeros(v.shape, v.dtype) if g is None else g
        for g, v in zip(found, variables, strict=True)
    ]


def central_differences(loss, variable, delta=1e-6):
    """The gradient of a loss, a function without arguments, in a variable, number by number."""
    value = variable.numpy()
    gradient = np.zeros_like(value)
    for index in np.ndindex(*value.shape):
        sides = []
        for sign in (1, -1):
            moved = value.copy()
            moved[index] += sign * delta
            variable.assign(moved)
            sides.append(float(loss()))
        gradient[index] = (sides[0] - sides[1]) / (2 * delta)
    variable.assign(value)
    return gradient


def largest_difference(a, b):
    """Between two models' trainable variables."""
    return max(
        np.abs(u.numpy() - v.numpy()).max()
        for u, v in zip(a.trainable_variables, b.trainable_variables, strict=True)
    )


def on_replicas(strategy, function, *parts):
    """Runs `function(*part)` in a graph on each replica; per result a tuple of the replicas'."""

    def distributed(each):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(each[context.replica_id_in_sync_group])
        )

    results = tf.function(lambda v: strategy.run(function, v))(tuple(map(distributed, parts)))
    return tf.nest.map_structure(strategy.experimental_local_results, results)
