"""What dropout and modality dropout draw."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.methods import Context
from tests.amr_tf.models import classifier, data, largest_difference


def context(batch=2000, step=0, training=True, modalities=2):
    return Context(
        model=None,
        inputs={},
        labels=None,
        training=training,
        step=tf.constant(step, tf.int64),
        epoch=tf.constant(0, tf.int64),
        offset=tf.constant(0),
        global_batch=tf.constant(batch),
        presence=tf.ones([batch, modalities]),
    )


def encodings(batch=2000, sizes=(3, 5)):
    return [tf.ones([batch, size]) for size in sizes]


def test_dropout_drops_features_and_scales_the_rest():
    dropped = amr_tf.methods.Dropout(0.25, seed=1).encodings(encodings(), context())
    for e in dropped:
        values = np.unique(e)
        np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-6)
        np.testing.assert_allclose((e.numpy() == 0).mean(), 0.25, atol=0.02)
    assert not np.array_equal(dropped[0], dropped[1][:, :3])


def test_modality_dropout_draws_the_conditioned_subsets():
    """Three modalities at rate p: subset S of dropped ones has p^|S| (1-p)^(3-|S|) / (1 - p^3)."""
    rate, n = 0.6, 20000
    method = amr_tf.methods.ModalityDropout(rate, per_sample=True, seed=1)
    c = context(n, modalities=3)
    dropped = method.encodings(encodings(n, (2, 3, 1)), c)
    keep = np.stack([e.numpy()[:, 0] for e in dropped], 1)
    assert set(np.unique(keep)) == {0, 1}
    for subset in np.ndindex(2, 2, 2):
        share = (keep == subset).all(1).mean()
        gone = 3 - sum(subset)
        expected = rate**gone * (1 - rate) ** (3 - gone) / (1 - rate**3) if sum(subset) else 0
        np.testing.assert_allclose(share, expected, atol=0.015)
    np.testing.assert_array_equal(c.presence, keep)
    np.testing.assert_array_equal(c.complete, keep.all(1))


def test_modality_dropout_per_step_drops_for_the_whole_batch():
    method = amr_tf.methods.ModalityDropout(0.5, seed=1)
    seen = set()
    for step in range(40):
        c = context(4, step)
        dropped = method.encodings(encodings(4), c)
        keep = tuple(float(e[0, 0]) for e in dropped)
        assert all((e.numpy() == k).all() for e, k in zip(dropped, keep, strict=True))
        seen.add(keep)
    assert seen == {(1, 1), (1, 0), (0, 1)}


@pytest.mark.parametrize("name", ["Dropout", "ModalityDropout"])
def test_draws_are_a_function_of_seed_and_step(name):
    def draw(seed, step):
        method = getattr(amr_tf.methods, name)(0.5, seed=seed)
        return np.concatenate(
            [
                np.ravel(e)
                for s in range(step, step + 8)
                for e in method.encodings(encodings(4), context(4, s))
            ]
        )

    np.testing.assert_array_equal(draw(1, 5), draw(1, 5))
    assert not np.array_equal(draw(1, 5), draw(2, 5))
    assert not np.array_equal(draw(1, 5), draw(1, 6))


@pytest.mark.parametrize("name", ["Dropout", "ModalityDropout"])
def test_rate_zero_is_naive_bit_for_bit_and_evaluation_drops_nothing(name):
    method = getattr(amr_tf.methods, name)
    models = [classifier(m) for m in (None, method(0.0), method(0.5))]
    x, y = data(64)
    for model in models[:2]:
        model.fit(x, y, verbose=0, shuffle=False, epochs=2)
    assert largest_difference(*models[:2]) == 0
    np.testing.assert_array_equal(
        models[2].predict(x, verbose=0), classifier().predict(x, verbose=0)
    )
    for bad in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"lies in \[0, 1\)"):
            method(bad)


def test_modality_dropout_balances_on_complete_samples():
    """Shares of samples that lost a modality are 0 and 1; with them a^m would lie."""
    x, y = data(512)
    model = classifier(
        amr_tf.methods.ModalityDropout(0.3, per_sample=True), optimizer=keras.optimizers.SGD(0.3)
    )
    model.fit(x, y, batch_size=64, epochs=30, verbose=0)
    assert abs(model.evaluate(x, y, verbose=0, return_dict=True)["dominance_audio"] - 0.5) < 0.05


def test_unknown_modality_is_refused():
    with pytest.raises(ValueError, match="no modality 'smell'"):
        amr_tf.methods.Unimodal("smell").modalities(("audio", "video"))
