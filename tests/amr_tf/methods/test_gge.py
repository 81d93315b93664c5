"""GGE's weights and loss against NumPy."""

import numpy as np
import pytest

from amr_tf.methods import GGE
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    of,
    softmax,
    step,
    true_probability,
)

X, Y = data(24)
COUNTS = [7, 1, 2]


def ensemble(model):
    """Weights and logits of all learners, in turn."""
    e = np_encodings(model, X)
    branches = []
    for m, encoding in zip(model.modalities, e, strict=True):
        w, b = dense(getattr(model, f"{m}_head"))
        branches.append(encoding @ w + b)
    branches.sort(key=lambda z: np_cross_entropy(z, Y).sum())
    w, b = dense(model.head)
    learners = [*branches, np.concatenate(e, 1) @ w + b]
    total = np.log(np.array(COUNTS) / 10)[None]
    weights = []
    for z in learners:
        weights.append(1 - true_probability(np.broadcast_to(total, z.shape), Y))
        total = total + z
    return weights, learners


def test_loss_weighs_what_the_earlier_learners_leave():
    model = classifier(GGE(COUNTS), amr_weight=0)
    weights, learners = ensemble(model)
    expected = sum(
        (w * np_cross_entropy(z, Y)).mean() for w, z in zip(weights, learners, strict=True)
    )
    step(model, X, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-3)


def test_fused_gradient_is_weighted_and_biased_learners_leave_the_encoders_alone():
    model = classifier(GGE(COUNTS), amr_weight=0)
    weights, learners = ensemble(model)
    e = np.concatenate(np_encodings(model, X), 1)
    of_logits = weights[-1][:, None] * (softmax(learners[-1]) - np.eye(3)[Y]) / len(Y)
    w, _ = dense(model.head)
    of_encoding = of_logits @ w.T * (e > 0)
    deltas = step(model, X, Y)
    np.testing.assert_allclose(of(deltas, "head")[0], e.T @ of_logits, atol=2e-4)
    np.testing.assert_allclose(
        of(deltas, "audio_encoder")[0], X["audio"].T @ of_encoding[:, :4], atol=2e-4
    )


def test_the_first_biased_learner_is_weighted_by_the_prior():
    model = classifier(GGE(COUNTS), amr_weight=0)
    _, learners = ensemble(model)
    first = min(("audio", "video"), key=lambda m: np_cross_entropy(of_branch(model, m), Y).sum())
    e = dict(zip(model.modalities, np_encodings(model, X), strict=True))[first]
    left = 1 - np.array(COUNTS)[Y] / 10
    of_logits = left[:, None] * (softmax(learners[0]) - np.eye(3)[Y]) / len(Y)
    np.testing.assert_allclose(
        of(step(model, X, Y), f"{first}_head")[0], e.T @ of_logits, atol=2e-4
    )


def of_branch(model, m):
    e = dict(zip(model.modalities, np_encodings(model, X), strict=True))[m]
    w, b = dense(getattr(model, f"{m}_head"))
    return e @ w + b


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match=r"strength lies in \[0, 1\], got 2"):
        GGE(strength=2)
    with pytest.raises(ValueError, match="class_counts are not negative"):
        GGE([1, -1])
    with pytest.raises(ValueError, match="class_counts has 2 numbers for 3 classes"):
        classifier(GGE([1, 1]))


def test_a_class_that_never_occurs_stays_finite():
    model = classifier(GGE([5, 5, 0]))
    step(model, X, Y)
    assert np.isfinite(float(model.step_metrics.loss.result()))
