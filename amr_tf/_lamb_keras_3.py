"""LAMB of Keras 3, its weight decay as published.

You et al. 2020, arXiv 1904.00962, algorithm 2, which tensorflow-addons has as it is:

    r = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon) + weight_decay * w
    w <- w - learning_rate * |w| / |r| * r          (a ratio of 1 where either norm is 0)
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="amr_tf")
class LAMB(keras.optimizers.Lamb):
    """LAMB with the weight decay within the ratio of norms.

    Keras' own decays outside of it, by `learning_rate * weight_decay * w`: another algorithm.
    """

    def _apply_weight_decay(self, variables: list) -> None:
        """Does nothing: the update includes the decay."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its moments."""
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        dtype = variable.dtype
        gradient, rate, step = (
            tf.cast(x, dtype) for x in (gradient, learning_rate, self.iterations + 1)
        )
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        self.assign(m, beta_1 * m + (1 - beta_1) * gradient)
        self.assign(v, beta_2 * v + (1 - beta_2) * gradient**2)
        deviation = tf.sqrt(v / (1 - beta_2**step))
        update = m / (1 - beta_1**step) / (deviation + self.epsilon)
        if self.weight_decay:
            update += self.weight_decay * variable
        weights_norm, update_norm = tf.norm(variable), tf.norm(update)
        both = (weights_norm > 0) & (update_norm > 0)
        ratio = tf.where(both, weights_norm / tf.where(both, update_norm, 1), 1)
        self.assign_sub(variable, rate * ratio * update)
