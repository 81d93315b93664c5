"""Steps with NaN or infinity are counted on every stack and, on demand, leave no trace."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import _compat
from tests.amr_tf.methods.steps import METHODS
from tests.amr_tf.models import classifier, data, largest_difference

POISON = {"nan": np.nan, "infinity": np.inf}


def batches(bad, value=np.nan, n=48):
    """Three batches of 16; one sample of those in `bad` is poisoned, in the last replica's part."""
    x, y = data(n)
    for b in bad:
        x["video"][16 * b + 15, 2] = value
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(16)


def adam():
    return keras.optimizers.Adam(0.01)


@pytest.mark.parametrize("value", POISON.values(), ids=POISON)
def test_a_bad_step_is_skipped_and_counted(value):
    model = classifier(batch_norm=True, skip_nonfinite=True, optimizer=adam())
    history = model.fit(batches([1], value), verbose=0, epochs=2, shuffle=False).history
    assert int(model.nonfinite_steps) == 2
    assert int(model.first_nonfinite_step) == 2
    assert model.steps_done == 6
    assert np.isfinite(list(history.values())).all()
    for v in map(np.asarray, (w.numpy() for w in _compat.all_variables(model))):
        assert np.isfinite(v).all()


@pytest.mark.parametrize("name", ["naive", "agm", "ogm", "dgl", "pmr"])
def test_skipping_is_as_if_the_batch_had_not_been(name):
    make = METHODS.get(name, lambda: None)
    eager = {"run_eagerly": True}  # a graph's is the test above
    skipping = classifier(make(), True, skip_nonfinite=True, optimizer=adam(), **eager)
    skipping.fit(batches([1]), verbose=0)
    x, y = data(48)
    kept = np.r_[0:16, 32:48]
    without = classifier(make(), True, optimizer=adam(), **eager)
    dataset = tf.data.Dataset.from_tensor_slices(({k: v[kept] for k, v in x.items()}, y[kept]))
    without.fit(dataset.batch(16), verbose=0)
    assert largest_difference(skipping, without) == 0
    counted = {id(v) for m in (skipping, without) for v in m.steps_counted}
    pairs = zip(_compat.all_variables(skipping), _compat.all_variables(without), strict=True)
    for a, b in pairs:
        if id(a) not in counted:
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_on_replicas(strategy):
    """One replica's NaN is every replica's bad step."""
    single = classifier(batch_norm=True, skip_nonfinite=True, amr_ratio=(1, 9))
    single.fit(batches([1]), verbose=0)
    with strategy.scope():
        several = classifier(batch_norm=True, skip_nonfinite=True, amr_ratio=(1, 9))
        several.fit(batches([1]), verbose=0)
    assert int(several.nonfinite_steps.numpy()) == 1
    assert int(several.first_nonfinite_step.numpy()) == 2
    assert largest_difference(single, several) < 1e-5
    for v in several.non_trainable_variables:
        assert np.isfinite(v.numpy()).all()


def test_without_skipping_it_is_counted_alone():
    model = classifier()
    model.fit(batches([1]), verbose=0)
    # some processors' ReLU turns NaN into 0: whether the step after it counts, too, is theirs
    assert int(model.nonfinite_steps) in (1, 2)
    assert int(model.first_nonfinite_step) == 2
    assert not all(np.isfinite(v.numpy()).all() for v in model.trainable_variables)


def test_watching_changes_nothing():
    models = [classifier(skip_nonfinite=skip, batch_norm=True) for skip in (False, True)]
    for model in models:
        model.fit(batches([]), verbose=0)
        assert int(model.nonfinite_steps) == int(model.first_nonfinite_step) == 0
    assert largest_difference(*models) == 0
