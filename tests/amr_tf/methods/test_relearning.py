"""Relearning: purity and the way back against NumPy, and when it is due."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import _compat, saving
from amr_tf.methods import Relearning
from amr_tf.methods.relearning import cluster_purity, purity
from tests.amr_tf.methods.steps import blending, blending_data, classifier, data
from tests.amr_tf.models import largest_difference


def dataset(n=64):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(16)


def test_purity_counts_the_most_frequent_class_of_each_cluster():
    clusters = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    labels = np.array([4, 4, 0, 0, 2, 2, 0, 2])
    assert purity(clusters, labels) == (2 + 2 + 1) / 8
    assert purity(labels, labels) == 1
    assert purity(np.zeros(8, int), labels) == 3 / 8


def test_clusters_are_of_features_of_one_scale(rng):
    """A feature of a much larger scale that knows nothing does not hide those that do."""
    labels = np.repeat([0, 1, 2], 40)
    known = np.eye(3)[labels] * 0.01 + 1e-4 * rng.normal(size=(120, 3))
    unknown = np.r_[[1000.0, -1000.0], np.zeros(118)]
    assert cluster_purity(np.c_[known, unknown], labels, 3) == pytest.approx(1, abs=0.02)
    noise = rng.normal(size=(120, 2, 2))  # encodings may have more than one dimension
    assert cluster_purity(noise, labels, 3) < 0.6


def test_fewer_clips_than_classes():
    assert cluster_purity(np.array([[0.0], [1.0]]), np.array([1, 1]), 5) == 1
    assert cluster_purity(np.zeros((0, 4)), np.zeros(0, int), 5) == 1


def test_the_weight_is_of_the_gap(monkeypatch):
    found = {"audio": [0.9, 0.6], "video": [0.4, 0.5]}
    sizes = {4: "audio", 6: "video"}

    def told(encodings, labels, classes):
        assert classes == 3
        return found[sizes[encodings.shape[1]]][0 if len(labels) == 64 else 1]

    monkeypatch.setattr("amr_tf.methods.relearning.cluster_purity", told)
    model = classifier(blending(Relearning(strength=2.0)))
    weights = model.method.diagnose(model)  # 64 clips are seen, 32 are not
    np.testing.assert_allclose(weights, [np.tanh(2 * 0.3), np.tanh(2 * 0.1)], rtol=1e-6)


def test_encoders_go_part_of_the_way_back_and_nothing_else_does(monkeypatch):
    method = blending(Relearning(every=2, times=1))
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model = classifier(method, batch_norm=True, optimizer=optimizer, run_eagerly=True)
    start = [e.get_weights() for e in model.encoders.values()]
    model.fit(dataset(), epochs=2, verbose=0)
    now = [e.get_weights() for e in model.encoders.values()]
    before = _compat.snapshot(model)
    monkeypatch.setattr(method, "diagnose", lambda model: [0.25, 0.75])
    method.on_epoch_begin(model, 2)
    moved = set()
    for m, encoder in enumerate(model.encoders.values()):
        share = (0.25, 0.75)[m]
        for variable, a, b in zip(encoder.weights, start[m], now[m], strict=True):
            moving = "moving" in variable.name
            expected = b if moving else share * a + (1 - share) * b
            np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6)
            if not moving:
                moved.add(id(variable))
        assert np.abs(start[m][0] - now[m][0]).max() > 1e-3
    assert len(moved) == 8
    for variable, value in zip(_compat.all_variables(model), before, strict=True):
        if id(variable) not in moved:
            np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.name)


@pytest.mark.parametrize(
    ("epochs", "expected"), [(2, []), (3, [2]), (7, [2, 4, 6]), (12, [2, 4, 6])]
)
def test_when_it_is_due(epochs, expected, monkeypatch):
    """Not after the last epoch, and not too often."""
    model = classifier(blending(Relearning(every=2, times=3)))
    due = []

    def diagnose(model):
        due.append(int(model.epoch.numpy()))
        return [0.0, 0.0]

    monkeypatch.setattr(model.method, "diagnose", diagnose)
    for epoch in range(epochs):
        model.epoch.assign(epoch)
        model.step.assign(4 * epoch)  # of `blending_data`
        model.method.on_epoch_begin(model, epoch)
    assert due == expected
    model.step.assign(4 * 2 + 1)
    model.method.on_epoch_begin(model, 2)  # within the epoch
    assert due == expected


def test_diagnosing_repeats_and_changes_nothing():
    model = classifier(blending(Relearning()), batch_norm=True, run_eagerly=True)
    model.fit(blending_data().seen, epochs=1, verbose=0)
    before = _compat.snapshot(model)
    found = [model.method.diagnose(model) for _ in range(2)]
    assert found[0] == found[1]
    assert all(0 <= w < 1 for w in found[0])
    assert max(found[0]) > 0
    for a, b in zip(before, _compat.snapshot(model), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("eagerly")
def test_a_run_cut_at_any_epoch_is_the_whole_run(tmp_path):
    """The first weights are those of the first step, also after two resumes."""
    whole = classifier(blending(Relearning(every=1, times=2)))
    whole.fit(dataset(), epochs=3, verbose=0)
    model = classifier(blending(Relearning(every=1, times=2)))
    for epoch in range(3):
        model.fit(dataset(), initial_epoch=epoch, epochs=epoch + 1, verbose=0)
        model.save(tmp_path / "model.keras")
        model = saving.load_model(tmp_path / "model.keras")
        blending(model.method)
    assert largest_difference(whole, model) == 0
    plain = classifier()
    plain.fit(dataset(), epochs=3, verbose=0)
    assert largest_difference(whole, plain) > 1e-2


def test_what_is_wrong_is_said():
    message = r"Relearning measures .* set model\.method\.held_out = amr_tf"
    with pytest.raises(ValueError, match=message):
        classifier(Relearning()).fit(dataset(), verbose=0)
    with pytest.raises(ValueError, match="strength is zero or positive"):
        Relearning(strength=-1)
    with pytest.raises(ValueError, match="every and times are positive, got 0 and 3"):
        Relearning(every=0)
