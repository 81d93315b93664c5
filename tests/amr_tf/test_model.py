"""The train step against an independent computation, and what Keras offers around it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import saving
from tests.amr_tf.models import (
    classifier,
    data,
    dense_head,
    encoder,
    head_weights,
    largest_difference,
    np_logits,
    np_shares,
)
from tests.amr_tf.test_regularizer import np_penalty


def relu_encodings(model, x):
    out = []
    for name in model.modalities:
        w, b = (v.numpy() for v in getattr(model, f"{name}_encoder").trainable_variables)
        out.append(np.maximum(x[name] @ w + b, 0))
    return out


def np_cross_entropy(z, y):
    log_p = z - z.max(1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean()


def test_one_step_is_the_algorithm():
    """Both updates from one point: head - lr dL - lr_amr d(weight R); encoders - lr dL alone."""
    x, y = data(16, dtype="float64")
    keras.backend.set_floatx("float64")
    try:
        model = classifier(
            dtype="float64",
            amr_weight=0.5,
            amr_ratio=(1, 3),
            amr_optimizer=keras.optimizers.SGD(0.2),
            hidden=4,
        )
        names = [v.name for v in model.trainable_variables]
        before = [v.numpy() for v in model.trainable_variables]
        encodings = relu_encodings(model, x)
        shares = np_shares(head_weights(model.head), encodings, "probability")
        loss = np_cross_entropy(np_logits(head_weights(model.head), encodings), y)
        in_head = [
            any(v is h for h in model.head.trainable_variables) for v in model.trainable_variables
        ]

        def task(values):
            return np_cross_entropy(forward(values, x)[1], y)

        def penalty(values):
            w = [values[i] for i in range(len(values)) if in_head[i]]
            pairs = list(zip(w[::2], w[1::2], strict=True))
            return 0.5 * np_penalty(np_shares(pairs, encodings, "probability", step=1e-5), (1, 3))

        logs = model.train_on_batch(x, y, return_dict=True)
        after = [v.numpy() for v in model.trainable_variables]
    finally:
        keras.backend.set_floatx("float32")
    amr_part = []
    for v, value in enumerate(before):
        expected = value - 0.1 * difference_quotient(task, before, v)
        if in_head[v]:
            amr_part.append(difference_quotient(penalty, before, v, 1e-4))
            expected -= 0.2 * amr_part[-1]
        np.testing.assert_allclose(after[v], expected, atol=2e-6, err_msg=names[v])
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(logs["dominance_audio"], shares[:, 0].mean(), rtol=1e-5)
    np.testing.assert_allclose(logs["regularizer"], np_penalty(shares, (1, 3)), rtol=1e-5)
    norm = np.sqrt(sum((g**2).sum() for g in amr_part))
    np.testing.assert_allclose(logs["amr_gradient_norm"], norm, rtol=1e-4)
    task_part = [difference_quotient(task, before, v) for v in range(len(before)) if in_head[v]]
    dot = sum((a * t).sum() for a, t in zip(amr_part, task_part, strict=True))
    task_norm = np.sqrt(sum((t**2).sum() for t in task_part))
    np.testing.assert_allclose(logs["amr_task_cosine"], dot / norm / task_norm, atol=1e-4)
    mean_norm = np.linalg.norm(encodings[1], axis=1).mean()
    np.testing.assert_allclose(logs["encoding_norm_video"], mean_norm, rtol=1e-5)


def forward(values, x):
    """The classifier of `classifier(hidden=4)` in NumPy, from its variables in order."""
    encodings = [
        np.maximum(x["audio"] @ values[0] + values[1], 0),
        np.maximum(x["video"] @ values[2] + values[3], 0),
    ]
    return encodings, np_logits([(values[4], values[5]), (values[6], values[7])], encodings)


def difference_quotient(function, values, v, step=1e-6):
    gradient = np.zeros_like(values[v])
    for index in np.ndindex(gradient.shape):
        ends = []
        for sign in (1, -1):
            shifted = [x.copy() for x in values]
            shifted[v][index] += sign * step
            ends.append(function(shifted))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def test_encoders_are_untouched_by_the_regularizer():
    """With a task rate of 0 the step is R's alone: the head moves, no encoder variable does."""
    model = classifier(optimizer=keras.optimizers.SGD(0.0), amr_ratio=(1, 9), batch_norm=False)
    before = [v.numpy() for v in model.trainable_variables]
    model.train_on_batch(*data())
    in_head = {id(v) for v in model.head.trainable_variables}
    moved = [
        np.abs(v.numpy() - b).max() for v, b in zip(model.trainable_variables, before, strict=True)
    ]
    for v, change in zip(model.trainable_variables, moved, strict=True):
        assert id(v) in in_head or change == 0
    assert max(moved) > 1e-4


def test_weight_zero_equals_no_amr_bit_for_bit():
    """The same training by a plain Keras model of the same parts, and no AMR code at all."""
    x, y = data(48)
    model = classifier(amr_weight=0.0, amr_ratio=(1, 5))
    inputs = {m: keras.Input(x[m].shape[1:], name=m) for m in x}
    plain_parts = classifier()
    encodings = [getattr(plain_parts, f"{m}_encoder")(inputs[m]) for m in x]
    plain = keras.Model(inputs, plain_parts.head(encodings))
    assert largest_difference(model, plain_parts) == 0
    optimizer = keras.optimizers.SGD(0.1)
    variables = plain_parts.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, plain(x, training=True))
            loss = tf.reduce_sum(losses) / 16
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for start in range(0, 48, 16):
        batch = {m: v[start : start + 16] for m, v in x.items()}
        step({m: tf.constant(v) for m, v in batch.items()}, tf.constant(y[start : start + 16]))
        model.train_on_batch(batch, y[start : start + 16])
    assert largest_difference(model, plain_parts) == 0
    assert model.amr_optimizer is None


def test_training_reaches_the_ratio_and_keeps_the_accuracy():
    x, y = data(512)
    steps = tf.data.Dataset.from_tensor_slices((x, y)).batch(64).cache().repeat(50)
    results = {}
    for weight in (0.0, 3.0):
        rate = keras.optimizers.schedules.CosineDecay(0.1, 400)
        model = classifier(amr_weight=weight, optimizer=keras.optimizers.SGD(rate))
        model.fit(steps, verbose=0)
        results[weight] = model.evaluate(x, y, verbose=0, return_dict=True)
    assert results[0.0]["dominance_audio"] > 0.55
    assert abs(results[3.0]["dominance_audio"] - 0.5) < 0.03
    assert results[3.0]["accuracy"] > results[0.0]["accuracy"] - 0.03


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_saved_and_loaded_trains_on_bit_for_bit(tmp_path, momentum):
    """`.keras` keeps both optimizers, the step, the method and the stateless dropout's place."""
    x, y = data()
    rate = keras.optimizers.schedules.CosineDecay(0.1, 100)
    model = amr_tf.MultimodalClassifier(
        {"audio": encoder(5, 4, 1, batch_norm=True), "video": encoder(7, 6, 2)},
        amr_tf.heads.concat([(4,), (6,)], 3, hidden=8, dropout=0.3),
        amr_tf.methods.Dropout(0.2, seed=5),
    )
    model.compile(
        keras.optimizers.Adam(rate),
        amr_weight=0.7,
        amr_ratio=(1, 3),
        amr_optimizer=keras.optimizers.SGD(0.05, momentum=momentum) if momentum else None,
    )
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert (loaded.amr_weight, loaded.regularizer.ratio) == (0.7, (0.25, 0.75))
    assert int(loaded.step) == 8
    for m in (model, loaded):
        m.fit(x, y, batch_size=16, epochs=2, verbose=0, shuffle=False)
    assert largest_difference(model, loaded) == 0
    assert isinstance(loaded.method, amr_tf.methods.Dropout)


def test_evaluate_and_predict_agree_with_numpy():
    x, y = data(50)
    model = classifier()
    encodings = relu_encodings(model, x)
    z = np_logits(head_weights(model.head), encodings)
    logs = model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    np.testing.assert_allclose(model.predict(x, verbose=0), z, atol=1e-5)
    np.testing.assert_allclose(logs["loss"], np_cross_entropy(z, y), rtol=1e-5)
    np.testing.assert_allclose(logs["accuracy"], (z.argmax(1) == y).mean(), rtol=1e-6)
    encodings = [e.astype("float64") for e in encodings]
    shares = np_shares(head_weights(model.head), encodings, "probability")
    np.testing.assert_allclose(logs["dominance_video"], shares[:, 1].mean(), atol=1e-4)


def test_three_modalities_lists_and_precomputed_encodings(rng):
    """Inputs as a list; None passes an encoding of any rank through."""
    x = [rng.normal(size=(32, 4)), rng.normal(size=(32, 2, 3)), rng.normal(size=(32, 2))]
    x = [v.astype("float32") for v in x]
    y = rng.integers(0, 3, 32)
    head = amr_tf.heads.concat([(4,), (2, 3), (2,)], 3)
    model = amr_tf.MultimodalClassifier({"a": None, "b": None, "c": None}, head)
    model.compile(keras.optimizers.SGD(0.1), amr_ratio=(2, 1, 1))
    first = model.train_on_batch(dict(zip("abc", x, strict=True)), y, return_dict=True)
    assert abs(sum(first[f"dominance_{m}"] for m in "abc") - 1) < 1e-5
    assert model(x).shape == (32, 3)
    np.testing.assert_allclose(model(x), model(dict(zip("abc", x, strict=True))))


def test_presence_zeroes_the_encoding_and_leaves_the_mean():
    """An absent modality has no influence, and its sample no part in a^m."""
    x, y = data(8)
    presence = np.ones((8, 2), "float32")
    presence[:4, 1] = 0
    model = classifier()
    changed = {**x, "video": np.where(presence[:, 1:] > 0, x["video"], 1e3).astype("float32")}
    np.testing.assert_array_equal(
        model({**x, "presence": presence}), model({**changed, "presence": presence})
    )
    logs = model.evaluate({**x, "presence": presence}, y, verbose=0, return_dict=True)
    complete = {m: v[4:] for m, v in x.items()}
    alone = model.evaluate(complete, y[4:], verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["dominance_audio"], alone["dominance_audio"], rtol=1e-6)
    np.testing.assert_allclose(logs["regularizer"], alone["regularizer"], rtol=1e-5)


def test_a_batch_without_complete_samples_is_no_amr_step():
    """Neither an update of the head by R nor a value of R."""
    x, y = data(8)
    model = classifier(optimizer=keras.optimizers.SGD(0.0), amr_ratio=(1, 9))
    before = [v.numpy() for v in model.head.trainable_variables]
    half = np.stack([np.ones(8), np.zeros(8)], axis=1).astype("float32")
    logs = model.train_on_batch({**x, "presence": half}, y, return_dict=True)
    assert logs["regularizer"] == 0
    for v, b in zip(model.head.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(v, b)
    alone = model.evaluate(x, y, verbose=0, return_dict=True)["regularizer"]
    both = {m: np.concatenate([v, v]) for m, v in x.items()}
    presence = np.concatenate([np.ones((8, 2), "float32"), half])
    both = model.evaluate(
        {**both, "presence": presence}, np.tile(y, 2), batch_size=8, verbose=0, return_dict=True
    )
    np.testing.assert_allclose(both["regularizer"], alone, rtol=1e-6)


def test_frozen_head_is_refused_with_amr():
    model = classifier()
    model.head.trainable = False
    with pytest.raises(ValueError, match="the head has no trainable variables"):
        model.compile(amr_weight=1.0)
    model.compile(amr_weight=0.0)


def test_one_modality_trains_without_amr():
    x, y = data()
    model = amr_tf.MultimodalClassifier(
        {"audio": encoder(5, 4)},
        dense_head([4], 3, dtype="float32"),
        amr_tf.methods.Unimodal("audio"),
    )
    with pytest.warns(UserWarning, match="one modality has no dominance"):
        model.compile(amr_weight=1.0, amr_ratio=(1, 1))
    logs = model.fit(x, y, verbose=0).history
    assert set(logs) == {"loss", "accuracy", "encoding_norm_audio"}


def test_own_learning_rate_follows_the_tasks_schedule():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.5, 0.05, 0.005])
    model = classifier(optimizer=keras.optimizers.SGD(schedule))
    follower = model.amr_optimizer._learning_rate
    rates = [float(follower(step)) for step in range(6)]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.1, 0.01, 0.01, 0.001], rtol=1e-5)
    assert classifier(
        optimizer=keras.optimizers.SGD(0.5)
    ).amr_optimizer.learning_rate == np.float32(0.1)


def amr_rates(model, x, y, callbacks, **options):
    """R's learning rate after each epoch."""
    rates = []
    rate = amr_tf._compat.learning_rate_of(model.amr_optimizer)
    now = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(float(rate(0) if callable(rate) else rate))
    )
    model.fit(x, y, verbose=0, shuffle=False, callbacks=[*callbacks, now], **options)
    return rates


def scheduler(factors, rate=0.5):
    return keras.callbacks.LearningRateScheduler(lambda epoch: rate * factors[epoch])


def test_own_learning_rate_follows_callbacks_of_the_tasks():
    """By the same factors, from the value that the task's had when the model was compiled."""
    x, y = data(16)
    factors = [1.0, 0.5, 0.0, 2.0]
    model = classifier(optimizer=keras.optimizers.SGD(0.5))
    rates = amr_rates(model, x, y, [scheduler(factors)], epochs=4)
    np.testing.assert_allclose(rates, 0.1 * np.array(factors), rtol=1e-6)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1, min_delta=1e9)
    model = classifier(optimizer=keras.optimizers.Adam(0.5))
    rates = amr_rates(model, x, y, [plateau], epochs=3)
    np.testing.assert_allclose(rates, [0.1, 0.01, 0.001], rtol=1e-5)


def test_a_given_optimizers_rate_is_left_alone():
    model = classifier(amr_optimizer=keras.optimizers.SGD(0.3))
    rates = amr_rates(model, *data(16), [scheduler([1, 0.5])], epochs=2)
    np.testing.assert_allclose(rates, [0.3, 0.3], rtol=1e-6)
    assert amr_rates(classifier(optimizer=keras.optimizers.SGD(0.0)), *data(16), []) == [
        pytest.approx(0.1)
    ]


def test_the_followed_rate_is_the_updates(strategy, tmp_path):
    """The updates are those of SGD at these rates; on replicas and after a reload the same."""
    x, y = data(41)
    fit = {"batch_size": 16, "verbose": 0, "shuffle": False}
    model = classifier(optimizer=keras.optimizers.SGD(0.5), amr_ratio=(1, 9))
    model.fit(x, y, epochs=3, callbacks=[scheduler([1, 0.5, 0.1])], **fit)
    by_hand = classifier(
        optimizer=keras.optimizers.SGD(0.5),
        amr_ratio=(1, 9),
        amr_optimizer=keras.optimizers.SGD(0.1),
    )
    for factor in (1, 0.5, 0.1):
        by_hand.optimizer.learning_rate = 0.5 * factor
        by_hand.amr_optimizer.learning_rate = 0.1 * factor
        by_hand.fit(x, y, **fit)
    assert largest_difference(model, by_hand) < 1e-6
    part = classifier(optimizer=keras.optimizers.SGD(0.5), amr_ratio=(1, 9))
    part.fit(x, y, epochs=2, callbacks=[scheduler([1, 0.5])], **fit)
    part.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    loaded.fit(x, y, initial_epoch=2, epochs=3, callbacks=[scheduler([1, 0.5, 0.1])], **fit)
    assert largest_difference(model, loaded) == 0
    with strategy.scope():
        several = classifier(optimizer=keras.optimizers.SGD(0.5), amr_ratio=(1, 9))
    several.fit(x, y, epochs=3, callbacks=[scheduler([1, 0.5, 0.1])], **fit)
    assert largest_difference(model, several) < 1e-5


def test_schedule_without_a_stated_peak_is_refused():
    class Strange(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1

        def get_config(self):
            return {}

    with pytest.raises(ValueError, match="doesn't state its highest learning rate"):
        classifier(optimizer=keras.optimizers.SGD(Strange()))


def test_adam_for_amr_is_warned_of():
    with pytest.warns(UserWarning, match="amr_weight has no effect"):
        classifier(amr_optimizer="adam")


def test_batch_norm_in_a_head_is_refused():
    inputs = [keras.Input((4,)), keras.Input((6,))]
    inner = keras.Sequential([keras.Input((10,)), keras.layers.BatchNormalization()])
    x = inner(keras.layers.Concatenate()(inputs))
    head = keras.Model(inputs, keras.layers.Dense(3)(x))
    with pytest.raises(ValueError, match="mixes samples"):
        amr_tf.MultimodalClassifier({"audio": encoder(5, 4), "video": encoder(7, 6)}, head)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amr_weight": -1}, "zero or positive"),
        ({"amr_weight": "mse"}, "amr_weight is a number"),
        ({"amr_weight": float("nan")}, "zero or positive"),
        ({"amr_ratio": (1, 1, 1)}, "3 numbers for the 2 modalities"),
        ({"amr_ratio": (-1, 1)}, "not negative"),
        ({"amr_ratio": (0, 0)}, "positive sum"),
        ({"amr_target": "entropy"}, "unknown attribution target"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        classifier(**options)


def test_bad_parts_are_refused():
    head = dense_head([4, 6], 3, dtype="float32")
    with pytest.raises(ValueError, match="at least one encoder"):
        amr_tf.MultimodalClassifier({}, head)
    with pytest.raises(ValueError, match="trains only audio"):
        amr_tf.MultimodalClassifier(
            {"audio": None, "video": None}, head, amr_tf.methods.Unimodal("audio")
        )
    with pytest.raises(ValueError, match="no variables yet"):
        amr_tf.MultimodalClassifier({"audio": keras.Sequential([keras.layers.Dense(4)])}, head)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: ({"audio": x["audio"]}, y), "the input lacks video"),
        (lambda x, y: ([x["audio"]], y), "1 inputs for the 2 modalities"),
        (lambda x, y: (x, np.eye(3, dtype="float32")[y]), "integer class ids"),
        (lambda x, y: (x, y, np.ones((len(y), 3))), "sample weights are one number a sample"),
        (lambda x, y: (x,), "there are no labels"),
    ],
)
def test_bad_batches_are_refused(change, message):
    model = classifier(run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        model.train_step(change(*data(8)))
