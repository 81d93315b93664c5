"""Encoders in half precision; shares, regulariser and updates as in float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import _compat, heads, saving
from tests.amr_tf.methods.steps import METHODS, walked
from tests.amr_tf.models import data, largest_difference, of_parts

SIZES = {"audio": 4, "video": 6}  # those of the methods' teachers
POLICIES = ("mixed_bfloat16", "mixed_float16")


@pytest.fixture
def policy(request):
    """Sets Keras' global policy, and puts it back."""
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy("float32")


def model(method=None, weights=None, **compiled):
    """Two encoders of the global policy, of two layers each, and a float32 head."""
    encoders = {}
    for i, (name, features) in enumerate({"audio": 5, "video": 7}.items()):
        inputs = keras.Input((features,), dtype="float32")
        init = keras.initializers.GlorotUniform(seed=i)
        x = keras.layers.Dense(16, "relu", kernel_initializer=init)(inputs)
        x = amr_tf.normalization.SyncBatchNormalization()(x)
        x = amr_tf.layers.StatelessDropout(0.1, seed=i)(x)
        x = keras.layers.Dense(SIZES[name], "relu", kernel_initializer=init)(x)
        encoders[name] = keras.Model(inputs, x, name=f"{name}_e")
    head = heads.concat([(4,), (6,)], 3, hidden=6, seed=1)
    made = of_parts(encoders, head, method and method())
    if weights:
        made.set_weights(weights)
    made.compile(compiled.pop("optimizer", None) or keras.optimizers.SGD(0.05), **compiled)
    return made


def dataset(n=64, scale=1.0):
    x, y = data(n)
    return tf.data.Dataset.from_tensor_slices(({k: v * scale for k, v in x.items()}, y)).batch(16)


def set_scale(optimizer, value):
    keras_3 = _compat.KERAS_3
    scale = optimizer.dynamic_scale if keras_3 else optimizer._loss_scale.current_loss_scale
    scale.assign(value)


def in_float32(method=None, **compiled):
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    made = model(method, **compiled)
    keras.mixed_precision.set_global_policy(before)
    return made


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_shares_of_the_same_weights(policy):
    full = in_float32()
    full.fit(dataset(), epochs=3, verbose=0)
    half = model(weights=full.get_weights())
    assert half.audio_encoder.layers[1].compute_dtype == policy.removeprefix("mixed_")
    assert {layer.compute_dtype for layer in half.head.layers} == {"float32"}
    x, _ = data(64, seed=3)
    for target in ("probability", "logit"):
        shares = []
        for m in (full, half):
            logits, alphas = m.attribute(x, target)
            assert logits.dtype == tf.float32
            assert {a.dtype for a in alphas} == {tf.float32}
            shares.append(amr_tf.attribution_shares(alphas).numpy())
        np.testing.assert_allclose(*(s.mean(0) for s in shares), atol=0.01)
        # but for the few clips whose top class is another
        assert np.quantile(np.abs(shares[0] - shares[1]), 0.9) < 0.02


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_training_goes_as_in_float32(policy):
    results = []
    for made in (in_float32(amr_ratio=(1, 9)), model(amr_ratio=(1, 9))):
        results.append(made.fit(dataset(), epochs=4, verbose=0).history)
        assert {v.dtype for v in made.trainable_variables} <= {tf.float32, "float32"}
    for name in ("loss", "dominance_audio"):
        full, half = (r[name][-1] for r in results)
        assert abs(full - half) < 0.05 * max(1, abs(full)), name
    assert results[1]["regularizer"][-1] < 0.9 * results[1]["regularizer"][0]


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_both_optimizers_scale_their_losses(policy):
    made = model()
    for optimizer in (made.optimizer, made.amr_optimizer):
        assert float(_compat.loss_scale(optimizer)) == 2**15
    # one that overflows float16: the step is left out, and the scale is halved
    set_scale(made.optimizer, 2.0**40)
    before = [v.numpy() for v in made.audio_encoder.trainable_variables]
    made.fit(dataset(16), verbose=0)
    assert float(_compat.loss_scale(made.optimizer)) == 2.0**39
    for v, b in zip(made.audio_encoder.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), b)
    assert int(made.nonfinite_steps) == 0  # a matter of course, no accident


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_an_overflow_on_one_of_several_replicas_is_one_of_the_step(policy, strategy):
    """A sample of the last replica overflows: all leave the step out, and halve the scale."""
    x, y = data(16)
    x["audio"][13] = 1e30

    def trained():
        made = model(amr_ratio=(1, 9))
        made.fit(x, y, batch_size=16, verbose=0)
        return made

    one = trained()
    with strategy.scope():
        several = trained()
    assert largest_difference(one, several) == 0
    for made in (one, several):
        assert float(_compat.loss_scale(made.optimizer)) == 2**14


@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_small_gradients_survive(policy):
    """A loss so small that its gradients vanish in float16 unless they are scaled."""

    class Faint(amr_tf.methods.Method):
        def loss(self, context):
            return 1e-8 * super().loss(context)

    def kernel_change(made):
        made.method = Faint()
        kernel = made.audio_encoder.trainable_variables[0]
        before = kernel.numpy()
        made.fit(dataset(16), verbose=0)
        return kernel.numpy() - before

    options = {"amr_weight": 0.0}
    expected = kernel_change(in_float32(optimizer=keras.optimizers.SGD(1e6), **options))
    found = kernel_change(model(optimizer=keras.optimizers.SGD(1e6), **options))
    assert np.abs(expected).max() > 1e-5
    np.testing.assert_allclose(found, expected, atol=0.1 * np.abs(expected).max())


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_saved_and_loaded_it_trains_on_bit_for_bit(policy, tmp_path):
    made = model()
    made.fit(dataset(), epochs=2, verbose=0)
    if policy == "mixed_float16":
        set_scale(made.optimizer, 64.0)
    made.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    if policy == "mixed_float16":
        assert float(_compat.loss_scale(loaded.optimizer)) == 64
    for m in (made, loaded):
        m.fit(dataset(), initial_epoch=2, epochs=3, verbose=0)
    assert largest_difference(made, loaded) == 0


@pytest.mark.parametrize("name", walked())
@pytest.mark.parametrize("policy", ["mixed_float16"], indirect=True)
def test_every_method_steps_in_float16(policy, name):
    """As in float32, but for rounding: also where a method takes gradients of several losses."""
    x, y = data(16)
    batch = {k: tf.constant(v) for k, v in x.items()}, tf.constant(y)
    full, half = in_float32(METHODS[name]), model(METHODS[name])
    set_scale(half.optimizer, 64.0)
    before = [v.numpy() for v in full.trainable_variables]
    changes = []
    for made in (full, half):
        made.train_step(batch)
        after = [v.numpy() for v in made.trainable_variables]
        changes.append(
            np.concatenate([(a - b).ravel() for a, b in zip(after, before, strict=True)])
        )
    assert np.linalg.norm(changes[0]) > 1e-3
    assert np.linalg.norm(changes[0] - changes[1]) < 0.05 * np.linalg.norm(changes[0])


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16"], indirect=True)
def test_replicas_and_parts_in_bfloat16(policy, strategy):
    single = model(amr_ratio=(1, 9))
    single.fit(dataset(), verbose=0)
    with strategy.scope():
        several = model(amr_ratio=(1, 9), accumulate=2)
    several.fit(dataset(), verbose=0)
    # batch normalisation sees parts, and bfloat16 has three digits
    assert largest_difference(single, several) < 0.1
