"""Samples that lack a modality: the values in its place are replaced, never multiplied by 0.

Zero times NaN is NaN: one sample's filling could undo all weights.
"""

from typing import Any

import tensorflow as tf

PRESENCE = "presence"  # the input `[B, M]` that marks with 0 what a sample lacks


def kept(x: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
    """Keeps `x` where it counts; elsewhere gives zeros, without a gradient, whatever `x` holds.

    Args:
        x: Tensor `[B, ...]`.
        there: Tensor `[B]`, 0 where `x` does not count.
    """
    # chooses whole samples; `tf.where` would broadcast the condition to each number first, and
    # take six times as long
    return tf.compat.v1.where(tf.cast(there, tf.bool), x, tf.zeros_like(x))


def complete_samples(inputs: Any, labels: tf.Tensor) -> tf.Tensor:
    """Tells which samples of a batch have all of their modalities.

    Args:
        inputs: Structure of the model's inputs; a dictionary may hold `presence` `[B, M]`.
        labels: Tensor `[B]`, the class ids.

    Returns:
        Tensor `[B]`, 1.0 for a complete sample and 0.0 for another.
    """
    if isinstance(inputs, dict) and PRESENCE in inputs:
        return tf.reduce_min(tf.cast(inputs[PRESENCE], tf.float32), axis=-1)
    return tf.ones(tf.shape(labels)[:1])
