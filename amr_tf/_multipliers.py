"""The ratio of shares as a constraint of training: an augmented Lagrangian's multipliers.

    L = sum_m lambda_m (a^m - r^m) + rho/2 sum_m (a^m - r^m)^2
    lambda_m <- lambda_m + eta (ā^m - r^m)              after each step

with a^m the mean share of the global batch, r^m the wanted one and ā^m the mean of a^m over the
latest steps. Source: Hestenes 1969 and Powell 1969; for networks, Platt and Barr 1988.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat

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
        ratio: Sequence of M numbers, the wanted shares, of sum 1.
    """

    def __init__(self, ratio: Sequence[float]) -> None:
        super().__init__(name="multipliers", dtype="float32")
        self.ratio = np.asarray(ratio, np.float32)
        self.values = _compat.state(self, "values", (len(ratio),))
        # the running mean's distance from the ratio: both start at 0
        self.deviation = _compat.state(self, "deviation", (len(ratio),))
        self.built = True

    def pull(self, mean_shares: tf.Tensor) -> tf.Tensor:
        """dL/da `[M]`, at the batch's mean shares `[M]`."""
        values = tf.cast(self.values, mean_shares.dtype)
        return values + PENALTY * (mean_shares - tf.cast(self.ratio, mean_shares.dtype))

    def update(self, mean_shares: tf.Tensor, count: tf.Tensor) -> None:
        """Takes a step's shares into account.

        Args:
            mean_shares: Tensor `[M]`, the global batch's mean shares.
            count: Scalar, the complete samples they are of; without any, nothing changes.
        """
        found = tf.cast(mean_shares, tf.float32) - self.ratio
        known = tf.cast(count > 0, tf.float32)
        moved = tf.convert_to_tensor(self.deviation)
        moved += known * (1 - MOMENTUM) * (found - moved)
        self.deviation.assign(moved)
        self.values.assign_add(known * STEP * (moved - tf.reduce_mean(moved)))
