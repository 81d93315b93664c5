"""Naive fusion: the loss of the fused logits and nothing else."""

import keras

from amr_tf.methods.base import ANY_TASK, Method


@keras.saving.register_keras_serializable(package="amr_tf")
class Naive(Method):
    """Joint training of encoders and head only on the loss of the fused logits.

    Example:
        >>> method = amr_tf.methods.Naive()
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)
    """

    help = "cross-entropy of the fused logits"
    tasks = ANY_TASK
