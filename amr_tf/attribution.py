"""Encodings + head -> Grad⊙Input attributions -> pooled shares [B, M].

Source: Yerramilli et al., Attribution Regularization for Multimodal Paradigms, arXiv 2404.02359.
All functions are pure functions of tensors, differentiable, and usable in any training loop.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

TARGETS = ("probability", "logit", "label")


def target_score(
    logits: tf.Tensor, target: str = "probability", labels: tf.Tensor | None = None
) -> tf.Tensor:
    """The scalar g per sample whose gradient is attributed.

    * `probability`: the paper's maximum over the output probabilities, through the log-odds of
      the top class, `g = z_k - logsumexp_{c != k} z_c`. As `dp_k = p_k (1 - p_k) dg`, the factor
      common to all modalities cancels in the shares, and nothing vanishes when softmax saturates.
    * `logit`: `g = z_k`. Not invariant: adding one vector to every class's row of a linear head
      changes no prediction and changes these shares.
    * `label`: the log-odds of the true class.

    Args:
        logits: Tensor `[B, C]`, C >= 2.
        target: String, one of `TARGETS`.
        labels: Tensor `[B]`, the class ids; needed by `label`.

    Returns:
        Tensor `[B]`, float32, or float64 for float64 logits.

    Raises:
        ValueError: The target is unknown, labels are missing, or there are fewer than two classes.
    """
    return class_score(logits, attributed_classes(logits, target, labels), target)


def attributed_classes(
    logits: tf.Tensor, target: str = "probability", labels: tf.Tensor | None = None
) -> tf.Tensor:
    """The class k of each sample whose score is attributed: the top class, or the true one.

    Args:
        logits: Tensor `[B, C]`, C >= 2.
        target: String, one of `TARGETS`.
        labels: Tensor `[B]`, the class ids; needed by `label`.

    Returns:
        Tensor `[B]`, the class ids.

    Raises:
        ValueError: The target is unknown, labels are missing, or there are fewer than two classes.
    """
    check_target(target)
    if target == "label" and labels is None:
        raise ValueError("target='label' attributes the true class: give labels [B]")
    classes = logits.shape[-1]
    if classes is None or classes < 2:
        raise ValueError(f"attribution needs logits [B, C] of C >= 2 classes, got {logits.shape}")
    return labels if target == "label" else tf.argmax(logits, axis=-1)


def class_score(logits: tf.Tensor, classes: tf.Tensor, target: str = "probability") -> tf.Tensor:
    """The score g of given classes: `target_score` with k fixed, wherever the encodings move.

    Args:
        logits: Tensor `[..., B, C]`.
        classes: Tensor `[B]`, the class ids k.
        target: String, one of `TARGETS`: `logit` for z_k, the others for the log-odds of class k.

    Returns:
        Tensor `[..., B]`, float32, or float64 for float64 logits.
    """
    logits = at_least_float32(logits)
    chosen = tf.one_hot(classes, logits.shape[-1], dtype=logits.dtype)
    # a sum with one-hot, not a gather: the gradient of a batched gather fails on an empty replica
    score = tf.reduce_sum(logits * chosen, axis=-1)
    if target == "logit":
        return score
    others = tf.where(chosen > 0, logits.dtype.min, logits)
    return score - tf.reduce_logsumexp(others, axis=-1)


def attribute(
    head: Callable,
    encodings: Sequence[tf.Tensor],
    target: str = "probability",
    labels: tf.Tensor | None = None,
    training: bool = False,
    score: Callable = target_score,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs the head once and attributes its score: `alpha^m = dg/de^m ⊙ e^m`.

    Inside an outer `tf.GradientTape` the attributions are differentiable functions of the head's
    variables (and of whatever the encodings depend on).

    Example:
        >>> logits, attributions = amr_tf.attribute(head, encodings)
        >>> logits.shape
        TensorShape([12, 3])
        >>> [alpha.shape for alpha in attributions]  # those of the encodings
        [TensorShape([12, 4]), TensorShape([12, 4])]

    Args:
        head: Keras model or function, list of M encodings -> logits `[B, C]`. It must not mix
            samples: the gradient is taken of the sum of the scores.
        encodings: Sequence of M tensors `[B, ...]` of any rank.
        target: String, what is attributed; see `target_score`.
        labels: Tensor `[B]`, the class ids; needed by target `label`.
        training: Boolean, whether the head runs in training mode (its dropout applies).
        score: Function, (logits, target, labels) -> g `[B]`; of another task than one class a
            sample, the `target_score` of one of `amr_tf.tasks`.

    Returns:
        Logits `[B, C]`, and M attributions, each of its encoding's shape.
    """
    encodings = [tf.convert_to_tensor(e) for e in encodings]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(encodings)
        logits = head(encodings, training=training)
        attributed = score(logits, target, labels)
    gradients = tape.gradient(attributed, encodings, unconnected_gradients="zero")
    return logits, [g * e for g, e in zip(gradients, encodings, strict=True)]


def attribution_shares(attributions: Sequence[tf.Tensor]) -> tf.Tensor:
    """Pools attributions to shares: `a^m = |alpha^m| / sum_j |alpha^j|` in the L2 norm.

    Example:
        >>> audio, video = tf.constant([[3.0, 4.0]]), tf.constant([[0.0, 15.0]])
        >>> amr_tf.attribution_shares([audio, video]).numpy()  # lengths of 5 and 15
        array([[0.25, 0.75]], dtype=float32)

    Args:
        attributions: Sequence of M tensors `[B, ...]`.

    Returns:
        Tensor `[B, M]`, float32 (float64 for float64 input); rows sum to 1. A sample whose
        attributions are all zero gets 1/M each, with zero gradient. Finite for tiny and for huge
        attributions.
    """
    norms = tf.stack([_safe_norm(a) for a in attributions], axis=-1)
    largest = tf.stop_gradient(tf.reduce_max(norms, axis=-1, keepdims=True))
    # shares don't change with scale: dividing by a constant first keeps squares in range
    scaled = tf.where(largest > 0, norms / tf.where(largest > 0, largest, 1.0), 1.0)
    return scaled / tf.reduce_sum(scaled, axis=-1, keepdims=True)


def modality_attributions(
    head: Callable,
    encodings: Sequence[tf.Tensor],
    target: str = "probability",
    labels: tf.Tensor | None = None,
    training: bool = False,
    score: Callable = target_score,
) -> tf.Tensor:
    """Returns how much of each sample's decision comes from each modality (Grad⊙Input shares).

    Example:
        >>> shares = amr_tf.modality_attributions(head, encodings)
        >>> shares.shape  # samples, modalities
        TensorShape([12, 2])
        >>> dominance = tf.reduce_mean(shares, axis=0)  # the batch's: audio, video

    Args:
        head: Keras model or function, list of M encodings -> logits `[B, C]`.
        encodings: Sequence of M tensors `[B, ...]`.
        target: String, `probability`, `logit` or `label`; see `target_score`.
        labels: Tensor `[B]`, the class ids; needed by target `label`.
        training: Boolean, whether the head runs in training mode.
        score: Function, (logits, target, labels) -> g `[B]`; see `attribute`.

    Returns:
        Tensor `[B, M]`, the shares; rows sum to 1.
    """
    _, attributions = attribute(head, encodings, target, labels, training, score)
    return attribution_shares(attributions)


def check_target(target: str) -> None:
    """Refuses an unknown attribution target with a ValueError."""
    if target not in TARGETS:
        raise ValueError(f"unknown attribution target {target!r}: choose one of {TARGETS}")


def at_least_float32(x: tf.Tensor) -> tf.Tensor:
    """Converts half precision to float32, and leaves everything else as it is."""
    return tf.cast(x, tf.float32) if x.dtype in (tf.float16, tf.bfloat16) else x


def flattened(x: tf.Tensor) -> tf.Tensor:
    """`[B, ...]` of any rank, with any dimensions unknown, as `[B, D]`."""
    # D is stated rather than -1, which an empty batch leaves undefined
    static = x.shape[1:].num_elements()
    features = tf.reduce_prod(tf.shape(x)[1:]) if static is None else static
    return tf.reshape(x, [tf.shape(x)[0], features])


def _safe_norm(x: tf.Tensor) -> tf.Tensor:
    """L2 norm per sample, `[B, ...]` -> `[B]`; value and gradient are 0 at the zero vector.

    The largest magnitude is divided out first: squares of 1e20 or 1e-20 leave float32's range.
    """
    x = flattened(at_least_float32(x))
    largest = tf.stop_gradient(tf.reduce_max(tf.abs(x), axis=-1, keepdims=True))
    tiny = tf.experimental.numpy.finfo(x.dtype.as_numpy_dtype).tiny
    nonzero = largest > 0
    scale = tf.where(nonzero, tf.maximum(largest, tiny), 1.0)
    squares = tf.reduce_sum(tf.square(x / scale), axis=-1)
    nonzero = nonzero[:, 0]
    return tf.where(nonzero, scale[:, 0] * tf.sqrt(tf.where(nonzero, squares, 1.0)), 0.0)
