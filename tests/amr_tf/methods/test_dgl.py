"""DGL: each part learns from its own loss alone."""

import keras
import numpy as np
import pytest

import amr_tf
from amr_tf.methods import DGL
from tests.amr_tf.methods.steps import classifier, data, of, step

X, Y = data(24)


def test_encoders_learn_as_in_a_unimodal_model_times_alpha():
    model = classifier(DGL(alpha=4.0))
    alone = {}
    for m in model.modalities:
        parts = (
            keras.models.clone_model(model.encoders[m]),
            keras.models.clone_model(getattr(model, f"{m}_head")),
        )
        for part, original in zip(
            parts, (model.encoders[m], getattr(model, f"{m}_head")), strict=True
        ):
            part.set_weights(original.get_weights())
        unimodal = amr_tf.MultimodalClassifier({m: parts[0]}, parts[1])
        unimodal.compile(keras.optimizers.SGD(0.1))
        alone[m] = step(unimodal, {m: X[m]}, Y)
    together = step(model, X, Y)
    for m in model.modalities:
        pairs = zip(of(alone[m], f"{m}_encoder"), of(together, f"{m}_encoder"), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(b, 4 * a, rtol=1e-4, atol=1e-6)
        for a, b in zip(of(alone[m], "head"), of(together, f"{m}_head"), strict=True):
            np.testing.assert_allclose(b, 4 * a, rtol=1e-4, atol=1e-6)


def test_the_fused_head_learns_as_in_naive_fusion_with_amr():
    naive, model = (classifier(m) for m in (None, DGL()))
    for a, b in zip(of(step(naive, X, Y), "head"), of(step(model, X, Y), "head"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_without_unimodal_losses_the_encoders_stay():
    deltas = step(classifier(DGL(alpha=0.0)), X, Y)
    for part in ("audio_encoder", "video_encoder", "audio_head"):
        assert not any(d.any() for d in of(deltas, part))
    assert all(d.any() for d in of(deltas, "head"))


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="alpha is zero or positive, got -2"):
        DGL(-2)
