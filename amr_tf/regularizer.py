"""Attribution regularisation, eq. (1) of arXiv 2404.02359.

    R = sum_m | a^m / sum_j a^j  -  r^m / sum_j r^j |

with a^m the mean share of modality m over the global batch and r the wanted ratio.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from amr_tf import distribution
from amr_tf._moving_ratio import MovingRatio
from amr_tf._presence import kept


class AttributionRegularizer:
    """Eq. (1): the L1 distance of the batch's mean shares from a wanted ratio.

    R lies in `[0, 2 (1 - min r)]`, r normalised.

    Example:
        >>> shares = tf.constant([[0.9, 0.1], [0.7, 0.3]])  # [B, M]
        >>> penalty = amr_tf.AttributionRegularizer(ratio=(1, 1))(shares)
        >>> round(float(penalty), 4)  # |0.8 - 0.5| + |0.2 - 0.5|
        0.6

    Args:
        ratio: Sequence of M numbers, one per modality, not negative and not all zero; `(1, 1)`
            asks for balance. Or a `MovingRatio`, which training can move.

    Raises:
        ValueError: Fewer than two numbers, a negative or non-finite one, or all zero.
    """

    def __init__(self, ratio: Sequence[float] | MovingRatio = (1, 1)) -> None:
        self._moving = ratio if isinstance(ratio, MovingRatio) else None
        self._fixed = () if self._moving else self._normalised(ratio)

    @property
    def ratio(self) -> tuple[float, ...]:
        """The wanted shares as they are now, of sum 1."""
        return self._moving.numbers if self._moving else self._fixed

    def wanted(self, dtype: tf.DType = tf.float32) -> tf.Tensor:
        """The wanted shares `[M]`."""
        if self._moving:
            return tf.cast(self._moving.values, dtype)
        return tf.constant(self._fixed, dtype)

    def _normalised(self, ratio: Sequence[float]) -> tuple[float, ...]:
        values = np.asarray(ratio, np.float64)
        if values.ndim != 1 or len(values) < 2:
            raise ValueError(f"a ratio has one number per modality, two or more; got {ratio!r}")
        if not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"a ratio's numbers are finite and not negative; got {ratio!r}")
        if values.sum() <= 0:
            raise ValueError(f"a ratio has a positive sum; got {ratio!r}")
        return tuple((values / values.sum()).tolist())

    def __call__(self, shares: tf.Tensor) -> tf.Tensor:
        """R of the mean of `shares` `[B, M]`: a differentiable scalar.

        On several replicas use `replica_loss`: the mean over one replica's samples is another,
        wrong objective.
        """
        self._check(shares)
        return self.penalty(tf.reduce_mean(shares, axis=0))

    def penalty(self, mean_shares: tf.Tensor) -> tf.Tensor:
        """R of mean shares `[M]`."""
        return tf.reduce_sum(tf.abs(mean_shares - self.wanted(mean_shares.dtype)))

    def global_mean(self, shares: tf.Tensor, complete: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The mean shares `[M]` of the global batch's complete samples, and the number of those.

        Args:
            shares: Tensor `[B, M]`, those of this replica's samples; B may be 0.
            complete: Tensor `[B]`, 1 for samples that have all modalities, else 0: the share of an
                absent modality is 0 by construction and would bias the mean.

        Returns:
            Two constants for gradients. Without any complete sample the mean is 0.
        """
        self._check(shares)
        complete = tf.cast(complete, shares.dtype)
        # one packed tensor of M + 1 floats, hence one message
        local = tf.reduce_sum(kept(shares, complete), axis=0)
        packed = tf.concat([local, [tf.reduce_sum(complete)]], axis=0)
        (total,) = distribution.global_sum([tf.stop_gradient(packed)])
        count = total[-1]
        return total[:-1] / tf.maximum(count, 1.0), count

    def replica_loss(
        self,
        shares: tf.Tensor,
        complete: tf.Tensor,
        pull: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """This replica's part of R over the global batch, with R's exact gradient.

        With `c_m = sign(a^m - r^m)` held constant, `dR = sum_m c_m da^m`, and a^m is a sum over
        samples divided by their global count: each replica's loss is the part of that sum over
        its own samples. Nothing is reduced in the backward pass, and M + 1 floats in the forward.
        Any other function of the a^m has its gradient so, with its own c.

        Args:
            shares: Tensor `[B, M]`, those of this replica's samples; B may be 0.
            complete: Tensor `[B]`, 1 for samples that have all modalities, else 0.
            pull: Function, the global mean shares `[M]` and their count -> c `[M]`, the loss's
                derivative in them; that of R by default.

        Returns:
            The loss whose gradient, summed over replicas, is that of R (a scalar; its value is
            not R); the global mean shares `[M]`; the global number of complete samples. Without
            any complete sample the loss has a zero gradient and the mean shares are 0.
        """
        mean_shares, count = self.global_mean(shares, complete)
        c = tf.stop_gradient((pull or self._sign)(mean_shares, count))
        local = tf.reduce_sum(kept(shares, tf.cast(complete, shares.dtype)), axis=0)
        return tf.reduce_sum(c * local) / tf.maximum(count, 1.0), mean_shares, count

    def _sign(self, mean_shares: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        del count
        return tf.sign(mean_shares - self.wanted(mean_shares.dtype))

    def _check(self, shares: tf.Tensor) -> None:
        count = self._moving.count if self._moving else len(self._fixed)
        if shares.shape.rank != 2 or shares.shape[1] != count:
            raise ValueError(
                f"the ratio has {count} numbers, one per modality: "
                f"shares must be [B, {count}], got {shares.shape}"
            )
