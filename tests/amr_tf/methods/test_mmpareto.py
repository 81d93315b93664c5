"""MMPareto's integration against a search for the min-norm point, its step against its parts."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.methods import DGL, MMPareto
from tests.amr_tf.methods.steps import classifier, data, of, step

X, Y = data(24)


def integrate(a, b, gamma):
    """h of two flat gradients, the min-norm point found by trying all of the segment."""
    c = 0.5
    if a @ b < 0:
        grid = np.linspace(0, 1, 200_001)
        norms = grid**2 * (a @ a) + (1 - grid) ** 2 * (b @ b) + 2 * grid * (1 - grid) * (a @ b)
        c = grid[norms.argmin()]
    h = 2 * (c * a + (1 - c) * b)
    length, wanted = np.linalg.norm(h), np.linalg.norm(a + b)
    return gamma * h * (wanted / length if length < wanted else 1)


CASES = {
    "agree": ([1.0, 2.0, 0.5], [2.0, 1.0, -0.5]),
    "orthogonal": ([1.0, 0.0, 0.0], [0.0, 3.0, 0.0]),
    "conflict": ([1.0, 2.0, 0.5], [-2.0, 0.2, 1.0]),
    "strong conflict, one end": ([1.0, 0.0, 0.1], [-9.0, 1.0, 0.0]),
    "one is zero": ([1.0, 2.0, 3.0], [0.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("case", CASES)
def test_integration_is_the_min_norm_point_stretched(case):
    a, b = map(np.array, CASES[case])
    # two tensors of an encoder: all is over both together
    split = [tf.constant(v) for v in (a[:2], a[2:])], [tf.constant(v) for v in (b[:2], b[2:])]
    h = np.concatenate(MMPareto(1.5).integrate(*map(tuple, split)))
    np.testing.assert_allclose(h, integrate(a, b, 1.5), rtol=1e-4, atol=2e-3)


def test_opposite_gradients_give_none():
    a = (tf.constant([1.0, -2.0]),)
    h = MMPareto().integrate(a, (-a[0],))
    np.testing.assert_allclose(h[0], [0, 0], atol=1e-6)


def test_step_integrates_the_two_gradients_of_each_encoder():
    """DGL gives an encoder g_m alone, naive fusion g_mm; both have MMPareto's initial weights."""
    fused = step(classifier(amr_weight=0), X, Y)
    own = step(classifier(DGL(alpha=1.0), amr_weight=0), X, Y)
    both = step(classifier(MMPareto(1.5), amr_weight=0), X, Y)
    for part in ("audio_encoder", "video_encoder"):
        a, b, h = (
            np.concatenate([g.ravel() for g in of(deltas, part)]) for deltas in (fused, own, both)
        )
        np.testing.assert_allclose(h, integrate(a, b, 1.5), atol=2e-4)
    for part, alone in (("head", fused), ("audio_head", own), ("video_head", own)):
        for x, y in zip(of(alone, part), of(both, part), strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


def test_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="gamma is positive"):
        MMPareto(gamma=0)
