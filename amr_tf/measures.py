"""The shares that the regulariser can balance: encodings + head -> `[B, M]`, by three measures.

* `gradient`: Grad⊙Input at the encodings, the paper's (attribution.py).
* `integrated`: Integrated Gradients from absent encodings, which are zero, to the encodings.
* `shapley`: exact Shapley values over all subsets of the encodings, the others absent.

Grad⊙Input looks at one point only. The other two look at what the head does without a modality;
both attribute the score of one class, which the full input chooses, all along. All are pure
functions of tensors, differentiable in the head's variables and in the encodings, without
communication between replicas.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from amr_tf import _shapley
from amr_tf.attribution import attribute, attribution_shares
from amr_tf.tasks import Task
from amr_tf.tasks.multiclass import MULTICLASS

MEASURES = ("gradient", "integrated", "shapley")
MOST_PLAYERS = 6

Scores = Callable[[list[tf.Tensor]], tf.Tensor]


def measure_shares(
    head: Callable,
    encodings: Sequence[tf.Tensor],
    measure: str = "gradient",
    target: str = "probability",
    labels: tf.Tensor | None = None,
    training: bool = False,
    task: Task = MULTICLASS,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Runs the head and measures how much of each sample's decision comes from each modality.

        gradient      alpha^m = e^m ⊙ dg/de^m (e)
        integrated    alpha^m = e^m ⊙ sum_k w_k dg/de^m (t_k e)
        shapley       phi^m = sum_{S without m} |S|! (M - |S| - 1)! / M! (g(S + m) - g(S))

    and shares `a^m = |alpha^m| / sum_j |alpha^j|` in the L2 norm, `|phi^m| / sum_j |phi^j|`. In
    the last two g is the score of one class: the one that the returned logits choose, or the true
    one for target `label`. t_k and w_k are the 4 points and weights of Gauss-Legendre quadrature on
    [0, 1], exact where g is a polynomial of degree 8 or less along the path; g(S) is the score with
    zeros for the encodings outside S. phi sums to `g(all) - g({})`, and so, where the quadrature is
    exact, does alpha of `integrated`.

    Sources: Yerramilli et al. 2024, arXiv 2404.02359; Sundararajan et al., Axiomatic Attribution
    for Deep Networks, ICML 2017, eq. 1; Shapley, A Value for n-Person Games, 1953.

    The logits are those of one run of the head, the same for every measure. `integrated` and
    `shapley` run it once more, without dropout, on 4 or 2^M points stacked into the batch: dropout
    would draw a mask for each, and their differences would be the masks'.

    Example:
        >>> logits, shares = amr_tf.measure_shares(head, encodings, "shapley")
        >>> shares.shape  # samples, modalities
        TensorShape([12, 2])
        >>> float(tf.reduce_max(tf.abs(tf.reduce_sum(shares, axis=1) - 1))) < 1e-6
        True

    Args:
        head: Keras model or function, list of M encodings -> logits `[B, C]`. It must not mix
            samples.
        encodings: Sequence of M tensors `[B, ...]` of any rank; B may be 0.
        measure: String, one of `MEASURES`.
        target: String, what is attributed; see `amr_tf.attribution.target_score`.
        labels: Tensor `[B]`, the class ids; needed by target `label`.
        training: Boolean, whether the head runs in training mode for the logits, and for
            `gradient`.
        task: Task, whose score is attributed; one class a sample by default.

    Returns:
        Logits `[B, C]`, and shares `[B, M]`, float32 (float64 for float64 input), which sum to 1.
        A sample of which no modality contributes gets 1/M each, with zero gradient. The derivative
        of |.| at a single contribution of 0 is taken as 0, one of its subgradients.

    Raises:
        ValueError: The measure or the target is unknown, labels are missing, there are fewer than
            two classes, or more than 6 modalities for Shapley values.
    """
    check_measure(measure, len(encodings))
    if measure == "gradient":
        logits, attributions = attribute(
            head, encodings, target, labels, training, task.target_score
        )
        return logits, attribution_shares(attributions)
    encodings = [tf.convert_to_tensor(e) for e in encodings]
    logits = head(encodings, training=training)
    chosen = task.chosen(logits, target, labels)

    def scores(points: list[tf.Tensor]) -> tf.Tensor:
        """The score at points `[P, B, ...]`, `[P, B]`, by one run of the head."""
        found = head([_folded(x) for x in points], training=False)
        found = tf.reshape(found, [points[0].shape[0], -1, found.shape[-1]])
        return task.score(found, chosen, target)

    parts = integrated_contributions if measure == "integrated" else shapley_contributions
    return logits, attribution_shares(parts(scores, encodings))


def check_measure(measure: str, modalities: int = 2) -> None:
    """Refuses an unknown measure, or Shapley values of too many modalities, with a ValueError."""
    if measure not in MEASURES:
        raise ValueError(f"unknown measure {measure!r}: choose one of {MEASURES}")
    if measure == "shapley" and modalities > MOST_PLAYERS:
        raise ValueError(
            f"Shapley values of {modalities} modalities need {2**modalities} runs of the head a "
            f"step: at most {MOST_PLAYERS} modalities can have them. Take 'integrated'"
        )


def integrated_contributions(scores: Scores, encodings: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Integrated Gradients from zero encodings: `e^m ⊙ sum_k w_k dg/de^m (t_k e)`.

    Args:
        scores: Function, M tensors `[P, B, ...]`, which are P points for each sample -> g `[P, B]`.
        encodings: Sequence of M tensors `[B, ...]`.

    Returns:
        M tensors of the encodings' shapes.
    """
    nodes, weights = np.polynomial.legendre.leggauss(4)  # for [-1, 1]
    points = [_column((nodes + 1) / 2, e) * e for e in encodings]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(points)
        score = scores(points)
    gradients = tape.gradient(score, points, unconnected_gradients="zero")
    return [
        e * tf.reduce_sum(_column(weights / 2, e) * gradient, axis=0)
        for e, gradient in zip(encodings, gradients, strict=True)
    ]


def shapley_contributions(scores: Scores, encodings: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Exact Shapley values of present encodings, absent ones being zero.

    Args:
        scores: Function, M tensors `[P, B, ...]`, which are P points for each sample -> g `[P, B]`.
        encodings: Sequence of M tensors `[B, ...]`.

    Returns:
        M tensors `[B, 1]`.
    """
    players = len(encodings)
    present = np.array(list(itertools.product((0, 1), repeat=players)))  # [2^M, M]
    score = scores([_column(there, e) * e for there, e in zip(present.T, encodings, strict=True)])
    score = tf.reshape(score, [2] * players + [-1])  # one axis a modality: without it, with it
    # the weight of a subset of the others depends on its size: it is the same for every player
    sizes = np.indices((2,) * (players - 1)).sum(axis=0)
    weights = np.array([_shapley.weight(size, players) for size in range(players)])[sizes]
    weights = tf.constant(weights[..., None], score.dtype)
    values = []
    for m in range(players):
        without, together = tf.unstack(score, axis=m)
        added = weights * (together - without)
        values.append(tf.reduce_sum(added, axis=list(range(players - 1)))[:, None])
    return values


def _column(factors: np.ndarray, encoding: tf.Tensor) -> tf.Tensor:
    """P factors as `[P, 1, ...]`, one for each copy of an encoding `[B, ...]`."""
    return tf.constant(factors.reshape(-1, *[1] * encoding.shape.rank), encoding.dtype)


def _folded(x: tf.Tensor) -> tf.Tensor:
    """`[P, B, ...]`, with any dimensions unknown, as `[P * B, ...]`."""
    sizes = tf.shape(x)
    rest = [sizes[axis] if n is None else n for axis, n in enumerate(x.shape)][2:]
    return tf.reshape(x, [-1, *rest])
