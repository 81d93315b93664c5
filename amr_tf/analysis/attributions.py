"""Contributions at the encodings that add up: Integrated Gradients, DeepLIFT; rank correlation.

Both attribute `g(e) - g(e0)`, e0 the baseline, to the features of the encodings, and both are
complete: the contributions sum to that difference. Pool them with `attribution_shares`.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from amr_tf import attribution

# Layers without a nonlinearity in inference, and activations that act on each feature by itself.
_LINEAR = (
    *("InputLayer", "Flatten", "Reshape", "Concatenate", "Add", "Average", "Subtract"),
    *("Dropout", "StatelessDropout", "Identity", "Rescaling"),
)
_ELEMENTWISE = (
    *("linear", "relu", "relu6", "elu", "selu", "tanh", "sigmoid", "softplus", "softsign"),
    *("gelu", "silu", "swish", "exponential", "leaky_relu", "hard_sigmoid"),
)


def class_score(logits: tf.Tensor, classes: tf.Tensor, target: str = "probability") -> tf.Tensor:
    """The score g of given classes, which stay fixed along a path.

    Args:
        logits: Tensor `[B, C]`.
        classes: Tensor `[B]`, the class ids k.
        target: String, `probability` for the log-odds of class k, `logit` for z_k, `centred` for
            `z_k - mean_c z_c`.

    Returns:
        Tensor `[B]`.

    Raises:
        ValueError: The target is another.
    """
    if target not in ("probability", "logit", "centred"):
        raise ValueError(f"target is probability, logit or centred, not {target!r}")
    if target == "centred":
        return attribution.class_score(logits, classes, "logit") - tf.reduce_mean(logits, axis=-1)
    return attribution.class_score(logits, classes, target)


def integrated_gradients(
    head: Callable,
    encodings: Sequence[tf.Tensor],
    baselines: Sequence[tf.Tensor] | None = None,
    target: str = "probability",
    steps: int = 32,
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Integrated Gradients of the predicted class's score.

        IG_d = (e_d - e0_d) ∫_0^1 dg/de_d (e0 + t (e - e0)) dt

    Source: Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, eq. 1. The
    class is the prediction at e, all along the path; the integral is Gauss-Legendre quadrature,
    exact where g is smooth, with a small error for each kink of a ReLU that the path crosses.

    Args:
        head: Function, list of M encodings -> logits `[B, C]`; it must not mix samples.
        encodings: Sequence of M tensors `[B, ...]`.
        baselines: Sequence of M tensors that broadcast to them; zeros by default.
        target: String, see `class_score`.
        steps: Integer, the points of the quadrature.

    Returns:
        M contributions of the encodings' shapes, and what is missing for completeness,
        `g(e) - g(e0) - sum of all`, `[B]`.
    """
    encodings, baselines = _with_baselines(encodings, baselines)
    logits = head(encodings, training=False)
    classes = tf.argmax(logits, axis=-1)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    sums = [tf.zeros_like(e) for e in encodings]
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        points = [b + node * (e - b) for e, b in zip(encodings, baselines, strict=True)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            score = class_score(head(points, training=False), classes, target)
        gradients = tape.gradient(score, points, unconnected_gradients="zero")
        sums = [s + weight * g for s, g in zip(sums, gradients, strict=True)]
    found = [s * (e - b) for s, e, b in zip(sums, encodings, baselines, strict=True)]
    start = class_score(head(baselines, training=False), classes, target)
    return found, class_score(logits, classes, target) - start - _total(found)


class DeepLift:
    """DeepLIFT with the rescale rule, for heads of dense layers.

    A nonlinearity y = f(x) passes on the multiplier `(f(x) - f(x0)) / (x - x0)`, its slope
    between baseline and input (f' where they meet); linear layers pass on their weights.

    Source: Shrikumar et al., Learning Important Features Through Propagating Activation
    Differences, ICML 2017, section 3.5.1; softmax as in section 3.6: contributions to the logits,
    less their mean over the classes (target `centred`), which is the multipliers' answer to a
    shift common to all classes.

    Args:
        head: Model, functional, of dense layers, with activations that act on each feature by
            itself, and of concatenations, sums, dropout.

    Raises:
        ValueError: The head has another layer; the message names it.
    """

    def __init__(self, head: keras.Model) -> None:
        self._pairs = _clone(head)
        self._pairs.set_weights(head.get_weights())

    def __call__(
        self,
        encodings: Sequence[tf.Tensor],
        baselines: Sequence[tf.Tensor] | None = None,
        target: str = "centred",
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Contributions to the predicted class's score.

        Args:
            encodings: Sequence of M tensors `[B, ...]`.
            baselines: Sequence of M tensors that broadcast to them; zeros by default.
            target: String, `centred` or `logit`, see `class_score`.

        Returns:
            M contributions and what is missing for completeness, like `integrated_gradients`.

        Raises:
            ValueError: The target has no multipliers by the rescale rule.
        """
        if target == "probability":
            raise ValueError("the rescale rule is for scores linear in the logits: use 'centred'")
        encodings, baselines = _with_baselines(encodings, baselines)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(encodings)
            pairs = [tf.concat([e, b], 0) for e, b in zip(encodings, baselines, strict=True)]
            logits, start = tf.split(self._pairs(pairs, training=False), 2)
            classes = tf.argmax(logits, axis=-1)
            score = class_score(logits, classes, target)
        gradients = tape.gradient(score, encodings, unconnected_gradients="zero")
        found = [g * (e - b) for g, e, b in zip(gradients, encodings, baselines, strict=True)]
        return found, score - class_score(start, classes, target) - _total(found)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation over the first axis.

    Args:
        a: Array `[C, ...]`.
        b: Array `[C, ...]`.

    Returns:
        Array `[...]`; NaN where a side is constant, as with fewer than two rows, or has a NaN.
    """
    if len(a) < 2:
        return np.full(np.shape(a)[1:], np.nan)
    # spearmanr would correlate every column with every other one; this pairs them
    ranks = (stats.rankdata(x, axis=0, nan_policy="propagate") for x in (a, b))
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return np.asarray(stats.pearsonr(*ranks, axis=0).statistic)


def _with_baselines(encodings: Any, baselines: Any) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    encodings = [tf.convert_to_tensor(e) for e in encodings]
    if baselines is None:
        return encodings, [tf.zeros_like(e) for e in encodings]
    pairs = zip(encodings, baselines, strict=True)
    return encodings, [tf.zeros_like(e) + tf.cast(b, e.dtype) for e, b in pairs]


def _total(contributions: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([tf.reduce_sum(c, axis=list(range(1, c.shape.rank))) for c in contributions])


def _clone(head: keras.Model) -> keras.Model:
    """The head on a batch of inputs followed by their baselines, linear between each pair."""
    return keras.models.clone_model(head, clone_function=_between_pairs)


def _between_pairs(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, keras.Model):
        return _clone(layer)
    kind, config = type(layer).__name__, layer.get_config()
    activation: Any = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "linear")
    if kind in ("Dense", "Activation") and name in _ELEMENTWISE and name != "linear":
        return type(layer).from_config({**config, "activation": _rescaled(activation)})
    if kind == "ReLU":
        return keras.layers.Activation(_rescaled(layer.__call__), name=layer.name)
    if kind in (*_LINEAR, "Dense", "Activation") and name == "linear":
        return type(layer).from_config(config)
    raise ValueError(
        f"DeepLIFT's rescale rule is for heads of dense layers; this head has {kind} {layer.name!r}"
    )


def _rescaled(activation: Callable) -> Callable:
    """The activation, its gradient the slope between a pair's members."""

    def between(pair: tf.Tensor) -> tf.Tensor:
        x, start = tf.split(pair, 2)
        y, y_start = tf.split(activation(pair), 2)
        step = x - start
        # the quotient of tiny differences is noise: the gradient there
        close = tf.abs(step) <= 1e-6 * (1 + tf.abs(x))
        slope = (y - y_start) / tf.where(close, tf.ones_like(step), step)
        line = y_start + tf.stop_gradient(slope) * step
        return tf.concat([tf.where(close, y, line), y_start], 0)

    return between
