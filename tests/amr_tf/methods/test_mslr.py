"""MSLR: the rates against NumPy, what the accuracies are of, and what the rates do."""

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads
from amr_tf.methods import MSLR
from amr_tf.methods.held_out import Encoded, encoded, logits_alone
from tests.amr_tf.methods.steps import blending, classifier, data, dense, np_encodings, of, step
from tests.amr_tf.models import encoder, head_weights, np_logits

X, Y = data(24)


def dataset(n=32):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(16)


def told(method, series):
    """The rates after each epoch, with these accuracies `[T, M]` in the place of measured ones."""
    model = classifier(blending(method), run_eagerly=True)
    labels = np.zeros(100, int)
    found = []
    for accuracies in series:

        def logits(model, values, accuracies=accuracies):
            hits = [np.arange(100) < round(100 * a) for a in accuracies]
            return [np.stack([h, ~h], axis=1).astype(float) for h in hits]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("amr_tf.methods.mslr.logits_alone", logits)
            patch.setattr(
                "amr_tf.methods.mslr.encoded",
                lambda *_: Encoded(labels, {}),
            )
            model.method.on_epoch_end(model, 0, {})
        found.append(model.encoder_rates.numpy())
    return np.array(found)


def test_rates_follow_the_accuracies_of_the_epochs_before():
    series = np.array([[0.5, 0.2], [0.6, 0.3], [0.7, 0.4], [0.4, 0.6], [0.8, 0.6]])
    found = told(MSLR((0.9, 1.1), window=2), series)
    for t, row in enumerate(found):
        expected = np.array([0.9, 1.1])
        if t >= 2:
            expected = expected * series[t] / series[t - 2 : t].mean(axis=0)
        np.testing.assert_allclose(row, expected, rtol=1e-6)


def test_where_nothing_was_right_the_rate_is_the_initial_one():
    found = told(MSLR("0.5:2", window=1), np.array([[0.0, 0.5], [0.4, 0.0], [0.4, 0.2]]))
    np.testing.assert_allclose(found, [[0.5, 2], [0.5, 0], [0.5, 2]])


def test_encoder_gradients_are_scaled_and_the_heads_are_not():
    naive, model = classifier(), classifier(MSLR())
    model.encoder_rates.assign([0.25, 3.0])
    plain, changed = step(naive, X, Y), step(model, X, Y)
    for part, factor in (("audio_encoder", 0.25), ("video_encoder", 3.0), ("head", 1.0)):
        for a, b in zip(of(plain, part), of(changed, part), strict=True):
            np.testing.assert_allclose(b, factor * a, rtol=1e-4, atol=1e-6)


def test_new_rates_reach_a_compiled_step():
    """Traced once, a step takes what the epoch's end assigned: 0 stands still."""
    model = classifier(blending(MSLR(window=9)), amr_weight=0.0)
    model.fit(dataset(), verbose=0)
    model.encoder_rates.assign([0.0, 1.0])
    before = {m: e.get_weights() for m, e in model.encoders.items()}
    model.fit(dataset(), initial_epoch=1, epochs=2, verbose=0)
    for m, same in (("audio", True), ("video", False)):
        pairs = zip(before[m], model.encoders[m].get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs) is same


def test_a_modality_alone_is_its_part_of_a_sum_of_logits():
    model = classifier(MSLR())
    found = encoded(model, tf.data.Dataset.from_tensor_slices((X, Y)).batch(7))
    np.testing.assert_array_equal(found.labels, Y)
    w, b = dense(model.head)
    parts = zip(np_encodings(model, X), np.split(w, [4]), strict=True)
    for z, (e, kernel) in zip(logits_alone(model, found.values), parts, strict=True):
        np.testing.assert_allclose(z, e @ kernel + b / 2, rtol=1e-4, atol=1e-5)


def test_behind_another_head_the_others_are_at_their_mean():
    model = classifier(MSLR(), hidden=8)
    e, weights = np_encodings(model, X), head_weights(model.head)
    mean = [np.broadcast_to(a.mean(0), a.shape) for a in e]
    values = dict(zip(model.modalities, e, strict=True))
    found = logits_alone(model, values)
    for z, given in zip(found, ([e[0], mean[1]], [mean[0], e[1]]), strict=True):
        np.testing.assert_allclose(z, np_logits(weights, given), rtol=1e-4, atol=1e-5)


def test_an_epoch_measures_complete_clips_alone():
    method = blending(MSLR(window=1))
    model = classifier(method, run_eagerly=True)
    presence = np.ones((24, 2), "float32")
    presence[::3, 1] = 0
    clips = tf.data.Dataset.from_tensor_slices(({**X, "presence": presence}, Y)).batch(5)
    method.held_out = amr_tf.methods.HeldOut(lambda _: clips, 1, seen=clips, unseen=clips)
    model.fit(dataset(), verbose=0)
    e, (w, b) = np_encodings(model, X), dense(model.head)
    parts = zip(e, np.split(w, [4]), strict=True)
    kept = presence[:, 1] > 0
    right = [((a @ k + b / 2).argmax(1) == Y)[kept].mean() for a, k in parts]
    np.testing.assert_allclose(model.latest_accuracies.numpy(), [right], rtol=1e-6)
    absent = {**X, "presence": 0 * presence}
    nothing = tf.data.Dataset.from_tensor_slices((absent, Y)).batch(5)
    method.held_out = amr_tf.methods.HeldOut(lambda _: nothing, 1, seen=nothing, unseen=nothing)
    method.on_epoch_end(model, 1, {})  # without any, nothing changes
    np.testing.assert_allclose(model.latest_accuracies.numpy(), [right], rtol=1e-6)


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"MSLR measures .* set model\.method\.held_out = amr_tf"):
        classifier(MSLR()).fit(dataset(), verbose=0)
    with pytest.raises(ValueError, match="3 initial rates for the 2 modalities audio, video"):
        classifier(MSLR("1:1:2"))
    with pytest.raises(ValueError, match=r"initial rates are numbers, .* got 1:fast"):
        MSLR("1:fast")
    with pytest.raises(ValueError, match="initial rates are zero or positive"):
        MSLR((-1, 1))
    with pytest.raises(ValueError, match="window is positive, got 0"):
        MSLR(window=0)
    encoders = {"audio": encoder(5, 4, 1, "audio_encoder")}
    with pytest.raises(ValueError, match="it needs at least 2, there is audio"):
        amr_tf.MultimodalClassifier(encoders, heads.concat([(4,)], 3), MSLR())
