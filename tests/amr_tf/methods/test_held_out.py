"""Methods that decide on held-out clips: on replicas they decide as on one device."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf import _compat
from amr_tf.methods import MSES, MSLR, Relearning
from amr_tf.methods.copies import Copy
from amr_tf.methods.held_out import encoded
from tests.amr_tf.methods.steps import blending, blending_data, classifier, data, np_encodings

MADE = {
    "mses": lambda: MSES(patience=1, smoothing=0.0),
    "mslr": lambda: MSLR(window=1),
    "relearning": lambda: Relearning(every=1, times=9),
}


def decided(name, epochs=4):
    """A model after the ends of some epochs, in which its weights move by the same numbers."""
    model = classifier(blending(MADE[name]()), batch_norm=True)
    rng = np.random.default_rng(2)
    method, steps = model.method, blending_data().steps_per_epoch
    for epoch in range(epochs):
        model.step.assign(steps * epoch)
        method.on_epoch_begin(model, epoch)
        for variable in model.trainable_variables:
            moved = variable.numpy() + rng.normal(0, 0.5, variable.shape)
            variable.assign(moved.astype("float32"))
        method.on_epoch_end(model, epoch, {})
    return model


@pytest.mark.parametrize("name", MADE)
def test_replicas_decide_as_one_device(name, strategy):
    single = decided(name)
    with strategy.scope():
        several = decided(name)
    if name == "relearning":
        assert max(several.method.diagnose(several)) > 0
    else:
        assert (several.encoder_rates.numpy() != 1).any()
    pairs = zip(_compat.all_variables(single), _compat.all_variables(several), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6, err_msg=a.name)
        for replica in strategy.experimental_local_results(_compat.values_of([b])[0]):
            np.testing.assert_array_equal(replica.numpy(), b.numpy(), err_msg=a.name)


def test_clips_count_that_have_all_modalities_and_finite_encodings():
    model = classifier()
    x, y = data(9)
    presence = np.ones((9, 2), "float32")
    presence[[1, 5], [0, 1]] = 0
    x["audio"][1] = np.nan  # absent, and not looked at
    x["video"][7, 2] = np.inf
    clips = tf.data.Dataset.from_tensor_slices(({**x, "presence": presence}, y)).batch(4)
    found = encoded(model, clips)
    kept = [0, 2, 3, 4, 6, 8]
    np.testing.assert_array_equal(found.labels, y[kept])
    expected = np_encodings(model, {m: v[kept] for m, v in x.items()})
    for value, e in zip(found.values.values(), expected, strict=True):
        np.testing.assert_allclose(value, e, rtol=1e-4, atol=1e-6)
    assert encoded(model, clips).labels.shape == (6,)  # by the same graph


def test_a_copy_keeps_what_it_took():
    model = classifier()
    variables = model.encoders["audio"].trainable_variables
    copy = Copy(variables, "copy")
    first = [v.numpy() for v in variables]
    copy.take()
    for v in variables:
        v.assign(3 * v.numpy() + 1)
    copy.put(0)
    for v, a in zip(variables, first, strict=True):
        np.testing.assert_array_equal(v.numpy(), 3 * a + 1)
    copy.put(0.25)
    for v, a in zip(variables, first, strict=True):
        np.testing.assert_allclose(v.numpy(), 0.25 * a + 0.75 * (3 * a + 1), rtol=1e-6)
    copy.put()
    for v, a in zip(variables, first, strict=True):
        np.testing.assert_array_equal(v.numpy(), a)
    assert not {id(v) for v in copy.weights} & {id(v) for v in variables}
