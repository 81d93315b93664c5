"""Naive fusion: cross-entropy of the fused logits, nothing else."""

import keras

from amr_tf.methods.base import Method


@keras.saving.register_keras_serializable(package="amr_tf")
class Naive(Method):
    """Joint training of encoders and head on the fused cross-entropy alone."""

    help = "cross-entropy of the fused logits"
