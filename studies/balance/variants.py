"""Variants of attribution regularisation that only the study needs.

They use the product's own hooks: `EncodersToo` is a method, `PerSampleRegularizer` takes the place
of a compiled model's regulariser.
"""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import AttributionRegularizer, attribute, attribution_shares, distribution
from amr_tf.methods import Context, Naive
from amr_tf.methods.rates import encoder_of


@keras.saving.register_keras_serializable(package="study")
class EncodersToo(Naive):
    """Naive fusion whose encoders get the gradient of R as well: all-variables regularisation.

    The head gets R through the AMR optimizer as ever. The encoders get `scale * dR`, added to the
    task's gradient and applied by the task optimizer: for SGD of rate l and momentum m and AMR's
    rate a, `scale = a (1 - m) / l` makes the same step in the long run.

    Args:
        scale: Float, the factor of the encoders' gradient of weight x R; 0 is AMR of the head only.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def loss(self, context: Context) -> tf.Tensor:
        """Cross-entropy; R is noted for `gradients`."""
        model = context.model
        _, alphas = attribute(
            model.head, context.encodings, model.amr_target, context.labels, context.training
        )
        r, *_ = model.regularizer.replica_loss(attribution_shares(alphas), context.complete)
        context.extras["regularizer"] = model.amr_weight * r
        return super().loss(context)

    def gradients(
        self, context: Context, loss: tf.Tensor, tape: tf.GradientTape, variables: list
    ) -> list:
        """The task's gradients, the encoders' with those of R."""
        task = super().gradients(context, loss, tape, variables)
        of_r = tape.gradient(context.extras["regularizer"], variables)
        of_r = distribution.sum_gradients(of_r)
        modality = encoder_of(context.model, variables)
        return [
            g if m is None or r is None else g + self.scale * r
            for g, r, m in zip(task, of_r, modality, strict=True)
        ]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"scale": self.scale}


class PerSampleRegularizer(AttributionRegularizer):
    """`mean_i sum_m |a_i^m - r^m|`: every sample is to be balanced, not the batch's mean."""

    def replica_loss(
        self, shares: tf.Tensor, complete: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """This replica's part of the penalty, like that of the batch's mean.

        Args:
            shares: Tensor `[B, M]`.
            complete: Tensor `[B]`, whether a sample has all modalities.

        Returns:
            The penalty, the global mean shares `[M]` and the global count of complete samples.
        """
        _, mean_shares, count = super().replica_loss(shares, complete)
        distance = tf.abs(shares - tf.constant(self.ratio, shares.dtype))
        local = tf.reduce_sum(distance * tf.cast(complete, shares.dtype)[:, None])
        return local / tf.maximum(count, 1.0), mean_shares, count
