"""A plain Keras model is the same model: else its time would be no baseline."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads
from amr_tf.encoders import build_encoder
from benchmarks import baseline

SHAPES = {"audio": (20, 16, 1), "video": (2, 16, 16, 3)}
BATCH, CLASSES = 6, 4


def parts(encoded):
    encoders = dict.fromkeys(SHAPES)
    if not encoded:
        encoders = {m: build_encoder("small", m, shape, 4) for m, shape in SHAPES.items()}
    sizes = [(5,) if e is None else tuple(e.output_shape[1:]) for e in encoders.values()]
    return encoders, heads.concat(sizes, CLASSES)


@pytest.mark.parametrize("encoded", [False, True])
def test_a_step_is_that_of_the_same_model_without_amr(encoded):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    shapes = dict.fromkeys(SHAPES, (5,)) if encoded else SHAPES
    x = {m: tf.constant(rng.normal(size=(BATCH, *s)), tf.float32) for m, s in shapes.items()}
    y = tf.constant(rng.integers(0, CLASSES, BATCH))
    plain = baseline.plain_keras(*parts(encoded), keras.optimizers.SGD(0.1, momentum=0.9))
    ours = amr_tf.MultimodalClassifier(*parts(encoded))
    ours.compile(keras.optimizers.SGD(0.1, momentum=0.9), amr_weight=0)
    assert [v.shape for v in plain.trainable_variables] == [
        v.shape for v in ours.trainable_variables
    ]
    for ours_one, plain_one in zip(
        ours.trainable_variables, plain.trainable_variables, strict=True
    ):
        ours_one.assign(plain_one)
    for _ in range(3):
        logs = [tf.function(m.train_step)((x, y)) for m in (plain, ours)]
        for name in ("loss", "accuracy"):
            plain_one, ours_one = (float(found[name]) for found in logs)
            assert plain_one == pytest.approx(ours_one, rel=1e-5)
        for model in (plain, ours):
            model.reset_metrics()
    for ours_one, plain_one in zip(
        ours.trainable_variables, plain.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(ours_one.numpy(), plain_one.numpy(), rtol=1e-4, atol=1e-6)
