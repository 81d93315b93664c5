"""Stochastic gradient descent with momentum, three kernels a variable instead of eight or nine.

Keras writes its formula out in element-wise operations, each a kernel of its own: a third of the
kernels of a train step of two ResNet-18, whose variables are many and small.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="amr_tf")
class SGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD`, the same formula and the same state, by TensorFlow's own kernel.

    w <- w - learning_rate * weight_decay * w
    m <- momentum * m - learning_rate * gradient
    w <- w + m
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.jit_compile = False  # Keras 2 would compile each variable's update by itself

    def _apply_weight_decay(self, variables: list) -> None:
        """Does nothing: the update includes the decay."""

    def update_step(self, gradient: Any, variable: Any, *rate: Any) -> None:
        """Updates one variable and its momentum; Keras 3 hands the learning rate over."""
        now = tf.cast(self.learning_rate, variable.dtype)
        if self.weight_decay and self._use_weight_decay(variable):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=now, delta=self.weight_decay * variable
            )
        if not self.momentum:
            super().update_step(gradient, variable, *rate)
            return
        m = self.momentums[self._index(variable)]
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=(m.value if rate else m).handle,
            lr=now,
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )

    def _index(self, variable: Any) -> int:
        if hasattr(self, "_get_variable_index"):
            return self._get_variable_index(variable)
        return self._index_dict[self._var_key(variable)]
