"""The encoders that the regulariser trains beside the head: all, or the weaker ones."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from amr_tf import distribution
from amr_tf._context import Context
from amr_tf._tape import Tape


def encoder_gradients(
    model: Any,
    task_tape: Tape,
    encodings: Sequence[tf.Tensor],
    amr_tape: Tape,
    amr_loss: tf.Tensor,
    attributed: Context,
    mean_shares: tf.Tensor,
) -> dict[int, tf.Tensor]:
    """The gradient of the AMR loss in the encoders' variables.

    From the encodings that are attributed it goes back through what the method has done to them
    (masks of dropout); where the method lets no gradient through (DGL), past it: the task's way is
    cut there, and not the regulariser's. Encodings of the model in use are no part of the step:
    from them it goes on at the encoders' own, hence by the step's one backward pass.

    Args:
        model: The classifier; with the scope `head` there are no such gradients, with `weaker`
            modalities at or above their wanted share get zeros.
        task_tape: Tape which recorded encoders and method.
        encodings: Sequence of M tensors `[B, ...]`, as the encoders gave them.
        amr_tape: Tape which recorded the AMR loss.
        amr_loss: Scalar, this replica's part of the AMR loss.
        attributed: Context whose encodings, M tensors `[B, ...]`, the shares are of.
        mean_shares: Tensor `[M]`, the global batch's, which say which modality is weaker.

    Returns:
        Id of a variable -> its gradient, summed over the replicas.
    """
    if model.amr_scope == "head":
        return {}
    seen = attributed.encodings
    upstream = amr_tape.gradient(amr_loss, seen)
    given = [tf.zeros_like(s) if u is None else u for u, s in zip(upstream, seen, strict=True)]
    through = task_tape.gradient(list(seen), encodings, given)
    through = [g if t is None else t for t, g in zip(through, given, strict=True)]
    if model.amr_scope == "weaker":
        below = tf.cast(mean_shares < model.regularizer.wanted(mean_shares.dtype), tf.float32)
        through = [t * tf.cast(below[m], t.dtype) for m, t in enumerate(through)]
    variables = [v for encoder in model.encoders.values() for v in encoder.trainable_variables]
    found = distribution.sum_gradients(task_tape.gradient(list(encodings), variables, through))
    return {id(v): g for v, g in zip(variables, found, strict=True) if g is not None}
