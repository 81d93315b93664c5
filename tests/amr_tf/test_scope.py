"""What the regulariser trains beside the head: gradients against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import saving
from amr_tf._multipliers import MOMENTUM, PENALTY
from tests.amr_tf.methods.steps import METHODS, walked
from tests.amr_tf.models import central_differences, classifier, data, largest_difference

RATE = 0.1


def penalty(model, x, y):
    """R of a batch."""
    encodings = model.encode({m: tf.constant(v) for m, v in x.items()}, training=True)
    _, shares = amr_tf.measure_shares(model.head, encodings, labels=tf.constant(y))
    return model.regularizer(shares)


def moved_by_amr(scope, method=None, dtype="float64", **options):
    """What one step moves each encoder variable by beyond what the task does, over -rate."""
    x, y = data(32, dtype=dtype)
    fresh = classifier(hidden=6, dtype="float64", amr_ratio=(1, 3))
    ends = []
    for amr_scope in ("head", scope):
        model = classifier(method, hidden=6, dtype=dtype, amr_scope=amr_scope, amr_ratio=(1, 3),
                           run_eagerly=True, optimizer=keras.optimizers.SGD(RATE),
                           **options)  # fmt: skip
        for part, other in zip((*model.encoders.values(), model.head),
                               (*fresh.encoders.values(), fresh.head), strict=True):  # fmt: skip
            part.set_weights(other.get_weights())
        model.fit(x, y, batch_size=32, verbose=0)
        ends.append({m: e.get_weights() for m, e in model.encoders.items()})
    moved = {m: [(a - b) / RATE for a, b in zip(ends[0][m], ends[1][m], strict=True)]
             for m in model.modalities}  # fmt: skip
    x = {m: v.astype("float64") for m, v in x.items()}
    return moved, fresh, x, y


def differences(model, modality, x, y):
    """The gradient of R in an encoder's variables by central differences."""
    variables = model.encoders[modality].trainable_variables
    return [central_differences(lambda: penalty(model, x, y), v) for v in variables]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_all_encoders_get_the_gradient_of_r(accumulate):
    moved, model, x, y = moved_by_amr("all", accumulate=accumulate)
    for m in model.modalities:
        for found, expected in zip(moved[m], differences(model, m, x, y), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-5)
        assert max(np.abs(g).max() for g in moved[m]) > 1e-3


def test_only_the_encoder_below_its_share_gets_it():
    moved, model, x, y = moved_by_amr("weaker")  # video is to have three quarters, and has less
    assert max(np.abs(g).max() for g in moved["audio"]) == 0
    for found, expected in zip(moved["video"], differences(model, "video", x, y), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_with_multipliers_it_is_the_gradient_of_what_they_pull_at():
    moved, model, x, y = moved_by_amr("all", amr_weight="auto")

    def means():
        encodings = model.encode({m: tf.constant(v) for m, v in x.items()})
        _, shares = amr_tf.measure_shares(model.head, encodings, labels=tf.constant(y))
        return tf.reduce_mean(shares, axis=0)

    pull = PENALTY * (1 - MOMENTUM) * (means().numpy() - [0.25, 0.75])
    for m in model.modalities:
        for found, v in zip(moved[m], model.encoders[m].trainable_variables, strict=True):
            expected = central_differences(lambda: tf.reduce_sum(pull * means()), v)
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_where_the_method_cuts_the_tasks_way_the_regularisers_stays():
    """DGL: what the head sees carries no gradient of the task to the encoders."""
    moved, model, x, y = moved_by_amr("all", amr_tf.methods.DGL(seed=1), "float32")
    for m in model.modalities:
        for found, expected in zip(moved[m], differences(model, m, x, y), strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-5)


def test_masks_of_dropout_are_on_the_way_back():
    """A dropped feature of an encoding carries no gradient: with all dropped there is none."""
    method = amr_tf.methods.ModalityDropout(rate=0.999, seed=0)
    moved, model, *_ = moved_by_amr("all", method)
    found = [max(np.abs(g).max() for g in moved[m]) for m in model.modalities]
    assert max(found) == 0  # no sample is complete: R has no gradient


@pytest.mark.parametrize("name", walked())
def test_every_method_composes_with_it(name):
    """The encoder of the modality below its share moves otherwise than with R for the head."""
    epochs = 2 if name == "reconboost" else 1  # in its first it trains the other one
    x, y = data(16)
    ends = {}
    for scope in ("head", "weaker"):
        model = classifier(METHODS[name](), amr_weight="auto", amr_scope=scope, amr_ratio=(1, 9),
                           run_eagerly=True)  # fmt: skip
        model.fit(x, y, batch_size=16, epochs=epochs, verbose=0)
        ends[scope] = np.concatenate([w.ravel() for w in model.encoders["video"].get_weights()])
    assert np.abs(ends["weaker"] - ends["head"]).max() > 1e-6


def test_replicas_are_one_device(strategy):
    x, y = data(61)
    x["presence"] = np.ones([61, 2], "float32")
    x["presence"][::3, 1] = 0
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(17)
    options = {"amr_weight": "auto", "amr_ratio": (1, 4), "amr_scope": "weaker"}
    one = classifier(**options)
    one.fit(dataset, epochs=2, verbose=0)
    with strategy.scope():
        several = classifier(**options)
    several.fit(dataset, epochs=2, verbose=0)
    assert largest_difference(one, several) < 1e-5


def test_it_is_saved(tmp_path):
    model = classifier(amr_scope="weaker")
    model.save(tmp_path / "model.keras")
    assert saving.load_model(tmp_path / "model.keras").amr_scope == "weaker"


def test_what_is_no_scope_is_refused():
    with pytest.raises(ValueError, match="unknown amr_scope 'encoders': choose one of"):
        classifier(amr_scope="encoders")
    with pytest.raises(ValueError, match="amr_scope='all' has no effect without AMR"):
        classifier(amr_scope="all", amr_weight=0)
