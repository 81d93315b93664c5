"""What the regulariser trains beside the head: the encoders, all or the weaker ones."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from amr_tf import distribution
from amr_tf._tape import Tape


def encoder_gradients(
    model: Any,
    tape: Tape,
    encodings: Sequence[tf.Tensor],
    seen: Sequence[tf.Tensor],
    upstream: Sequence[tf.Tensor],
    mean_shares: tf.Tensor,
    variables: Sequence,
) -> list:
    """The gradient of the AMR loss in variables by way of the encoders.

    From the encodings that the head sees it goes back through what the method has done to them
    (masks of dropout); where the method lets no gradient through (DGL), past it: the task's way is
    cut there, and not the regulariser's.

    Args:
        model: The classifier; with the scope `weaker` modalities at or above their wanted share
            get zeros.
        tape: Tape of the task, which recorded encoders and method.
        encodings: Sequence of M tensors `[B, ...]`, as the encoders gave them.
        seen: Sequence of M tensors `[B, ...]`, as the head sees them.
        upstream: Sequence of M tensors `[B, ...]`, the AMR loss's gradient at `seen`, or None.
        mean_shares: Tensor `[M]`, the global batch's, which say which modality is weaker.
        variables: Sequence of variables.

    Returns:
        A gradient for each variable, summed over the replicas; None for those of no encoder.
    """
    below = tf.cast(mean_shares < model.regularizer.wanted(mean_shares.dtype), tf.float32)
    given = [tf.zeros_like(s) if u is None else u for u, s in zip(upstream, seen, strict=True)]
    through = tape.gradient(list(seen), encodings, given)
    through = [g if t is None else t for t, g in zip(through, given, strict=True)]
    if model.amr_scope == "weaker":
        through = [t * tf.cast(below[m], t.dtype) for m, t in enumerate(through)]
    return distribution.sum_gradients(tape.gradient(list(encodings), variables, through))
