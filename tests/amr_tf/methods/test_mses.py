"""MSES: the loss, who stops when against NumPy, and what stopping puts back."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import saving
from amr_tf.methods import MSES
from tests.amr_tf.methods.steps import (
    blending,
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    of,
    step,
)
from tests.amr_tf.models import largest_difference

X, Y = data(24)


def dataset(n=32):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(16)


def unimodal_losses(model, x, y):
    """Mean cross-entropy of each modality's own head."""
    heads = [dense(getattr(model, f"{m}_head")) for m in model.modalities]
    pairs = zip(np_encodings(model, x), heads, strict=True)
    return np.array([np_cross_entropy(e @ w + b, y).mean() for e, (w, b) in pairs])


def test_the_loss_is_the_fused_one_and_those_of_the_heads():
    model = classifier(MSES())
    w, b = dense(model.head)
    fused = np_cross_entropy(np.concatenate(np_encodings(model, X), 1) @ w + b, Y).mean()
    expected = fused + unimodal_losses(model, X, Y).sum()
    step(model, X, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)


def test_the_weight_is_of_the_encoders_gradients_alone():
    """Linear in the weight; the heads learn alike, whatever it is."""
    steps = [step(classifier(MSES(unimodal_weight=w)), X, Y) for w in (0, 1, 0.3)]
    for part in ("audio_encoder", "video_encoder"):
        for none, one, some in zip(*(of(s, part) for s in steps), strict=True):
            np.testing.assert_allclose(some, 0.7 * none + 0.3 * one, atol=2e-6)
            assert np.abs(one - none).max() > 1e-3
    for part in ("head", "audio_head", "video_head"):
        for none, one in zip(*(of(s, part) for s in steps[:2]), strict=True):
            np.testing.assert_allclose(none, one, atol=1e-6)


def test_held_out_losses_are_those_of_the_heads():
    model = classifier(blending(MSES(smoothing=0.5)), run_eagerly=True)
    model.fit(dataset(), verbose=0)
    x, y = data(32, seed=5)  # of `held_out`
    expected = unimodal_losses(model, x, y)
    np.testing.assert_allclose(model.smoothed_losses.numpy(), expected, rtol=1e-5)
    np.testing.assert_array_equal(model.least_losses.numpy(), model.smoothed_losses.numpy())


def ends(model, series, monkeypatch):
    """After each epoch's end with these losses `[T, M]`: the rates and the encoders' first numbers.

    In the epoch before each end all weights of encoder and head move to the epoch's number.
    """
    method = model.method
    found = []
    for t, losses in enumerate(series):
        for m in model.modalities:
            for part in (model.encoders[m], getattr(model, f"{m}_head")):
                part.set_weights([np.full_like(w, t) for w in part.get_weights()])
        monkeypatch.setattr("amr_tf.methods.mses._losses", lambda *_, x=losses: np.array(x))
        method.on_epoch_end(model, t, {})
        parts = [(model.encoders[m], getattr(model, f"{m}_head")) for m in model.modalities]
        numbers = [{w.flat[0] for p in pair for w in p.get_weights()} for pair in parts]
        assert all(len(one) == 1 for one in numbers)  # encoder and head are of one epoch
        found.append((model.encoder_rates.numpy().tolist(), [one.pop() for one in numbers]))
    return found


def stopping(series, smoothing, patience):
    """The same, written from the definition, one modality at a time."""
    columns = []
    for losses in np.array(series).T:
        smoothed, history, rates, weights = None, [], [], []
        for t, loss in enumerate(losses):
            smoothed = loss if smoothed is None else smoothing * smoothed + (1 - smoothing) * loss
            stopped = bool(rates) and rates[-1] == 0
            if not stopped:
                history.append(smoothed)
            best = int(np.argmin(history))
            waited = len(history) - 1 - best
            rates.append(float(not stopped and waited < patience))
            weights.append(t if rates[-1] else best)
        columns.append(list(zip(rates, weights, strict=True)))
    return [tuple(map(list, zip(*row, strict=True))) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize(("smoothing", "patience"), [(0.0, 1), (0.6, 2), (0.3, 3)])
def test_a_modality_stops_with_its_best_weights(smoothing, patience, monkeypatch):
    rng = np.random.default_rng(1)
    falling = np.linspace(2, 0.5, 9)
    rising = np.r_[2.0, 1.0, 0.8, np.linspace(1.2, 2.0, 6)]
    series = np.stack([rising, falling + 0.02 * rng.random(9)], axis=1)
    model = classifier(blending(MSES(patience, smoothing)), batch_norm=True)
    found = ends(model, series, monkeypatch)
    expected = stopping(series, smoothing, patience)
    assert [f[0] for f in found] == [e[0] for e in expected]
    assert [f[1] for f in found] == [e[1] for e in expected]
    assert found[-1][0] == [0, 1]
    assert not getattr(model, "stop_training", False)


def test_training_ends_when_all_have_stopped(monkeypatch):
    monkeypatch.setattr("amr_tf.methods.mses._losses", lambda *_: np.ones(2))
    model = classifier(blending(MSES(patience=2)), run_eagerly=True)
    history = model.fit(dataset(), epochs=9, verbose=0)
    assert len(history.epoch) == 3  # the first, and two that are no better
    np.testing.assert_array_equal(model.encoder_rates.numpy(), [0, 0])


def test_a_stopped_modality_is_left_alone_in_a_compiled_step(tmp_path):
    """Traced before it stopped; momentum and weight decay go on, and are undone at the end."""
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01)
    model = classifier(blending(MSES(patience=9)), batch_norm=True, optimizer=optimizer)
    model.fit(dataset(), epochs=2, verbose=0)
    best = [v.numpy() for v in model.audio_best.values]
    model.encoder_rates.assign([0.0, 1.0])
    video = model.encoders["video"].get_weights()
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    blending(loaded.method)
    for one in (model, loaded):
        one.fit(dataset(), initial_epoch=2, epochs=4, verbose=0)
    weights = [*model.encoders["audio"].get_weights(), *model.audio_head.get_weights()]
    for a, b in zip(best, weights, strict=True):
        np.testing.assert_array_equal(a, b)
    pairs = zip(video, model.encoders["video"].get_weights(), strict=True)
    assert any((a != b).any() for a, b in pairs)
    assert largest_difference(model, loaded) == 0


def test_gradients_of_a_stopped_modality_are_zero():
    going, stopped = classifier(MSES()), classifier(MSES())
    stopped.encoder_rates.assign([1.0, 0.0])
    a, b = step(going, X, Y), step(stopped, X, Y)
    for name, delta in b.items():
        if name.startswith("video"):
            assert not delta.any()
        else:
            np.testing.assert_array_equal(delta, a[name], err_msg=name)


def test_absent_clips_decide_nothing():
    method = blending(MSES())
    model = classifier(method)
    absent = {**X, "presence": np.zeros((24, 2), "float32")}
    nothing = tf.data.Dataset.from_tensor_slices((absent, Y)).batch(8)
    method.held_out = dataclasses.replace(method.held_out, unseen=nothing)
    method.on_epoch_end(model, 0, {})
    assert np.isinf(model.least_losses.numpy()).all()


def test_what_is_wrong_is_said():
    with pytest.raises(ValueError, match=r"MSES measures .* set model\.method\.held_out = amr_tf"):
        classifier(MSES()).fit(dataset(), verbose=0)
    with pytest.raises(ValueError, match="patience is positive, got 0"):
        MSES(patience=0)
    with pytest.raises(ValueError, match="smoothing lies in"):
        MSES(smoothing=1.0)
    with pytest.raises(ValueError, match="unimodal_weight is zero or positive"):
        MSES(unimodal_weight=-1)
