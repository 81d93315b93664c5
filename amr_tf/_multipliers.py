"""The ratio of shares as a constraint of training: an augmented Lagrangian's multipliers.

    L = sum_m lambda_m (a^m - r^m) + rho/2 sum_m (a^m - r^m)^2
    lambda_m <- lambda_m + eta (ā^m - r^m)              after each step

with a^m the mean share of the global batch, r^m the wanted one and ā^m the mean of a^m over the
latest steps. Source: Hestenes 1969 and Powell 1969; for networks, Platt and Barr 1988.

The a^m that the constraint is about are those of the model in use: in inference mode, of the
encodings that the method has not changed. Dropout and batch normalisation make those of training
others: behind a dropout of 0.5 an encoding's norm, and with it its share, is larger in training.
Which way a^m moves, its gradient, is taken where the step has it, in training mode.
"""

import keras
import tensorflow as tf

from amr_tf import _compat
from amr_tf.regularizer import AttributionRegularizer

AUTO = "auto"  # the `amr_weight` that stands for this
PENALTY = 20.0  # rho: at a deviation of 0.05 the force of a weight of 1
STEP = 0.1  # eta
MOMENTUM = 0.9  # of ā


class Multipliers(keras.layers.Layer):
    """One multiplier for each modality, and the running means of its share.

    A multiplier tells what its modality's share costs: in the optimum, d(task loss)/d(share) is
    -lambda_m, up to the quotient of the two optimizers' rates. It is positive where training would
    give the modality more than is wanted, and the multipliers' sum is 0. They depend on global
    means, hence are the same on every replica.

    Args:
        regularizer: AttributionRegularizer, whose ratio is wanted.
    """

    def __init__(self, regularizer: AttributionRegularizer) -> None:
        super().__init__(name="multipliers", dtype="float32")
        self.regularizer = regularizer
        count = len(regularizer.ratio)
        self.values = _compat.state(self, "values", (count,))
        # the running mean's distance from the ratio: both start at 0
        self.deviation = _compat.state(self, "deviation", (count,))
        self.built = True

    def pull(self, mean_shares: tf.Tensor) -> tf.Tensor:
        """dL/da `[M]`, at the batch's mean shares `[M]`."""
        values = tf.cast(self.values, mean_shares.dtype)
        return values + PENALTY * (mean_shares - self.regularizer.wanted(mean_shares.dtype))

    @property
    def distance(self) -> float:
        """How far the running means are from the wanted shares: the largest difference."""
        return float(tf.reduce_max(tf.abs(tf.convert_to_tensor(self.deviation))))

    def update(self, mean_shares: tf.Tensor, count: tf.Tensor) -> None:
        """Takes a step's shares into account.

        Args:
            mean_shares: Tensor `[M]`, the global batch's mean shares.
            count: Scalar, the complete samples they are of; without any, nothing changes.
        """
        found = tf.cast(mean_shares, tf.float32) - self.regularizer.wanted()
        known = tf.cast(count > 0, tf.float32)
        moved = tf.convert_to_tensor(self.deviation)
        moved += known * (1 - MOMENTUM) * (found - moved)
        self.deviation.assign(moved)
        self.values.assign_add(known * STEP * (moved - tf.reduce_mean(moved)))
