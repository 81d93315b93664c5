"""The ratio of shares as a constraint of training: an augmented Lagrangian's multipliers.

    dL/da^m = lambda_m + rho (ā^m - r^m)
    lambda_m <- lambda_m + eta (ā^m - r^m)              after each step

with a^m the mean share of the global batch, r^m the wanted one and ā^m the running mean of a^m
over the latest steps: a small batch's own mean is mostly noise.
Source: Hestenes 1969 and Powell 1969; for networks, Platt and Barr 1988.

The a^m and their gradients are those of the model in use: in inference mode, of the encodings that
the method has not changed. Dropout and batch normalisation make those of training others: behind a
dropout of 0.5 an encoding's norm, and with it its share, is larger in training; and modality
dropout leaves few samples that have all modalities.
"""

import keras
import tensorflow as tf

from amr_tf import _compat
from amr_tf.regularizer import AttributionRegularizer

AUTO = "auto"  # the `amr_weight` that stands for this
PENALTY = 50.0  # rho: at a deviation of 0.02 the force of a weight of 1
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

    def pull(self, mean_shares: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """dL/da `[M]`, at a step's shares.

        Args:
            mean_shares: Tensor `[M]`, the global batch's mean shares.
            count: Scalar, the number of complete samples.
        """
        deviation = self._deviation_with(mean_shares, count)
        return tf.cast(self.values + PENALTY * deviation, mean_shares.dtype)

    @property
    def numbers(self) -> tuple[float, ...]:
        """The multipliers as Python numbers."""
        return tuple(tf.convert_to_tensor(self.values).numpy().tolist())

    @property
    def distance(self) -> float:
        """The largest difference between the running means and the wanted shares."""
        return float(tf.reduce_max(tf.abs(tf.convert_to_tensor(self.deviation))))

    def update(self, mean_shares: tf.Tensor, count: tf.Tensor) -> None:
        """Takes a step's shares into account.

        Args:
            mean_shares: Tensor `[M]`, the global batch's mean shares.
            count: Scalar, the number of complete samples; if it is 0, nothing changes.
        """
        moved = self._deviation_with(mean_shares, count)
        known = tf.cast(count > 0, tf.float32)
        self.deviation.assign(moved)
        self.values.assign_add(known * STEP * (moved - tf.reduce_mean(moved)))

    def _deviation_with(self, mean_shares: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """ā - r with this step's shares in it."""
        found = tf.cast(mean_shares, tf.float32) - self.regularizer.wanted()
        before = tf.convert_to_tensor(self.deviation)
        return before + tf.cast(count > 0, tf.float32) * (1 - MOMENTUM) * (found - before)
