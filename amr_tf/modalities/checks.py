"""Checks in a graph: what depends on data cannot be had before a condition holds."""

import contextlib

import tensorflow as tf


def after(condition: tf.Tensor, message: str) -> contextlib.AbstractContextManager:
    """Makes what follows wait for a check.

    The bare operation: `tf.debugging`'s branch around it costs more than decoding a small frame.
    """
    check = tf.raw_ops.Assert(condition=condition, data=[message])
    return tf.control_dependencies([] if check is None else [check])


def checked(x: tf.Tensor, condition: tf.Tensor, message: tf.Tensor | str) -> tf.Tensor:
    """`x`, which cannot be had before the condition holds."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(x)
