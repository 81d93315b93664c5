"""PMR's prototypes, coefficients, loss and gradient against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.methods import PMR
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    np_cross_entropy,
    np_encodings,
    step,
    variables,
)
from tests.amr_tf.models import (
    central_differences,
    head_weights,
    largest_difference,
    np_logits,
)

X, Y = data(24, dtype="float64")
NAMES = ("audio", "video")


def class_means(model, x, y, classes=range(3)):
    return [np.stack([a[y == k].mean(0) for k in classes]) for a in np_encodings(model, x)]


def prototypes(model):
    return [getattr(model, f"{m}_prototypes").numpy() for m in NAMES]


def distances(e, c):
    return np.linalg.norm(e[:, None] - c[None], axis=2)


def probabilities(e, c):
    """Softmax over the classes of minus the distances."""
    p = np.exp(-distances(e, c))
    return p / p.sum(1, keepdims=True)


def scored(model, x, y, c):
    """s^m."""
    rows = np.arange(len(y))
    found = zip(np_encodings(model, x), c, strict=True)
    return np.array([probabilities(e, own)[rows, y].sum() for e, own in found])


def np_loss(model, x, y, c, beta, gamma, alpha, mu):
    """Equations 10 and 13, the coefficients and prototypes given."""
    e = np_encodings(model, x)
    total = np_cross_entropy(np_logits(head_weights(model.head), e), y).mean()
    for m in range(2):
        p = probabilities(e[m], c[m])
        total -= alpha * beta[m] * np.log(p[np.arange(len(y)), y]).mean()
        total -= mu * gamma[m] * -(p * np.log(p)).sum(1).mean()
    return total


def paper(s):
    """beta and gamma of the two modalities, as in equation 11."""
    rho = s[0] / s[1]
    if rho < 1:
        behind = np.clip(1 / rho - 1, 0, 1)
        return np.array([behind, 0]), np.array([0, behind])
    behind = np.clip(rho - 1, 0, 1)
    return np.array([0, behind]), np.array([behind, 0])


@pytest.mark.parametrize("s", [[3.0, 2.0], [2.0, 3.0], [1.0, 5.0], [4.0, 4.0]])
def test_coefficients_of_two_are_the_papers(s):
    for found, expected in zip(PMR().coefficients(tf.constant(s)), paper(s), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_coefficients_of_three_and_of_none():
    beta, gamma = PMR().coefficients(tf.constant([4.0, 5.0, 2.0]))
    np.testing.assert_allclose(beta, [0.25, 0, 1], rtol=1e-5)
    np.testing.assert_allclose(gamma, [1, 1, 0], rtol=1e-5)
    for found in PMR().coefficients(tf.zeros(3)):
        np.testing.assert_array_equal(found, [0, 0, 0])


def test_prototypes_are_class_means_and_move_with_momentum():
    at_once, slow = (classifier(PMR(momentum=m)) for m in (0.0, 0.75))
    first = class_means(slow, X, Y)
    step(slow, X, Y)
    step(at_once, X, Y)
    for found, expected in zip(prototypes(slow), first, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    for model, momentum in ((at_once, 0.0), (slow, 0.75)):
        second = class_means(model, X, Y)
        step(model, X, Y)
        for found, old, new in zip(prototypes(model), first, second, strict=True):
            expected = momentum * old + (1 - momentum) * new
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_only_samples_with_the_modality_make_its_prototypes():
    model = classifier(PMR())
    presence = np.ones((24, 2), "float32")
    presence[Y == 0, 0] = 0  # no sample of class 0 has sound
    presence[1::2, 1] = 0
    audio, video = np_encodings(model, X)
    step(model, {**X, "presence": presence}, Y)
    found = prototypes(model)
    np.testing.assert_array_equal(model.prototypes_seen.numpy(), [[0, 1, 1], [1, 1, 1]])
    np.testing.assert_array_equal(found[0][0], 0)
    for k in (1, 2):
        np.testing.assert_allclose(found[0][k], audio[k == Y].mean(0), rtol=1e-4, atol=1e-6)
        there = video[(k == Y) & (presence[:, 1] > 0)]
        np.testing.assert_allclose(found[1][k], there.mean(0), rtol=1e-4, atol=1e-6)
    step(model, {**X, "presence": presence}, Y)
    assert all(np.isfinite(v.numpy()).all() for v in model.variables)


def test_a_class_without_a_prototype_takes_no_part():
    """The first step knows classes 0 and 1; of the second, samples of class 2 add nothing."""
    few = Y < 2
    model = classifier(PMR(alpha=2.0, mu=0.5), dtype="float64", amr_weight=0)
    step(model, {k: v[few] for k, v in X.items()}, Y[few])
    c = [own[:2] for own in prototypes(model)]
    known = {k: v[few] for k, v in X.items()}
    beta, gamma = paper(scored(model, known, Y[few], c))
    share = few.mean()  # terms are means over all 24, here taken of those that have a part
    of_known = np_loss(model, known, Y[few], c, beta, gamma, 2.0, 0.5)
    of_known -= np_loss(model, known, Y[few], c, 0 * beta, gamma, 0, 0)
    plain = np_loss(model, X, Y, prototypes(model), beta, gamma, 0, 0)
    model.step_metrics.loss.reset_state()
    step(model, X, Y)
    found = float(model.step_metrics.loss.result())
    np.testing.assert_allclose(found, plain + share * of_known, rtol=1e-5)


def test_gradient_is_that_of_the_papers_loss():
    """Central differences; prototypes and coefficients are constants."""
    model = classifier(PMR(alpha=2.0, mu=0.3), hidden=4, dtype="float64", amr_weight=0)
    step(model, X, Y)
    c = prototypes(model)
    beta, gamma = paper(scored(model, X, Y, c))
    assert beta.max() > 0.01
    named = variables(model)

    def loss():
        return np_loss(model, X, Y, c, beta, gamma, 2.0, 0.3)

    names = ("audio_encoder/0", "video_encoder/0", "video_encoder/1", "head/3")
    numeric = {name: central_differences(loss, named[name]) for name in names}
    deltas = step(model, X, Y)
    for name, expected in numeric.items():
        np.testing.assert_allclose(deltas[name], expected, atol=1e-5, err_msg=name)


def test_the_entropy_counts_in_the_first_epochs_alone():
    models = [classifier(PMR(alpha=1.0, mu=mu, entropy_epochs=2)) for mu in (0.0, 0.5)]
    for model in models:
        step(model, X, Y)
    for epoch, same in ((1, False), (2, True)):
        models[1].set_weights(models[0].get_weights())
        for model in models:
            model.epoch.assign(epoch)
            step(model, X, Y)
        assert bool(largest_difference(*models) == 0) is same


def test_balanced_scores_leave_cross_entropy_alone():
    """Two encoders that give the same: neither is ahead."""
    x = {"audio": X["audio"], "video": np.pad(X["audio"], ((0, 0), (0, 2)))}
    model = classifier(PMR(alpha=3.0, mu=1.0), dtype="float64", amr_weight=0)

    def make_alike():
        w, b = model.audio_encoder.get_weights()
        model.video_encoder.set_weights([np.pad(w, ((0, 2), (0, 2))), np.pad(b, (0, 2))])

    make_alike()
    step(model, x, Y)  # makes the prototypes; the head tells the two apart in it
    make_alike()
    model.step_metrics.loss.reset_state()
    zero = np.zeros(2)
    expected = np_loss(model, x, Y, prototypes(model), zero, zero, 0, 0)
    step(model, x, Y)
    np.testing.assert_allclose(float(model.step_metrics.loss.result()), expected, rtol=1e-5)


def test_encodings_on_their_prototypes_have_a_gradient():
    """All zero: distances of 0, of which the root has none."""
    model = classifier(PMR(mu=1.0))
    for part in model.encoders.values():
        part.set_weights([0 * v for v in part.get_weights()])
    for _ in range(2):
        step(model, X, Y)
    assert all(np.isfinite(v.numpy()).all() for v in model.variables)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match=r"are zero or positive, got -1, 0\.01 and 5"):
        PMR(-1)
    with pytest.raises(ValueError, match="alpha, mu and entropy_epochs are zero or positive"):
        PMR(mu=-0.1)
    with pytest.raises(ValueError, match=r"momentum lies in \[0, 1\), got 1"):
        PMR(momentum=1)
