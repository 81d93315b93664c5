"""MMPareto (Wei and Hu 2024): multimodal and unimodal gradients without conflict."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution
from amr_tf._tape import Tape
from amr_tf.methods.base import ANY_TASK, Context, Method
from amr_tf.methods.branches import add_unimodal_heads, unimodal_heads, unimodal_losses


@keras.saving.register_keras_serializable(package="amr_tf")
class MMPareto(Method):
    """Pareto integration of two gradients per encoder (ICML 2024, arXiv 2405.17730, section 3.3).

    Losses: L_mm of the fused logits and L_m of a linear head per encoder. For encoder m let
    g_mm, g_m be the gradients of L_mm and L_m over all its parameters, summed over the replicas:

        c = 1/2                                              if cos(g_mm, g_m) >= 0
        c = clip((g_m·g_m - g_mm·g_m) / |g_mm - g_m|^2, 0, 1)  else (the segment's min-norm point)
        h = 2 (c g_mm + (1 - c) g_m)
        h is stretched to the length of g_mm + g_m where shorter, then times gamma.

    Lengths are of the whole encoder, as in the paper (its code stretches tensor by tensor). The
    heads take their own loss's gradient. The code's fourth backward pass is the sum of two others
    and is not made here.

    Example:
        >>> method = amr_tf.methods.MMPareto(gamma=1.2)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        gamma: Number, the stretch of an encoder's gradient, 1.5 as published.
        unimodal_weight: Number, the factor of L_m, 1 as published; 0 with gamma 1 is naive fusion.
        seed: Integer, the seed of the unimodal heads' initial weights.

    Raises:
        ValueError: gamma is not positive, or a negative weight.
    """

    help = "unimodal and fused gradients without conflict (Wei 2024)"
    min_modalities = 2
    tasks = ANY_TASK

    def __init__(self, gamma: float = 1.5, unimodal_weight: float = 1.0, seed: int = 0) -> None:
        if gamma <= 0 or unimodal_weight < 0:
            raise ValueError(
                "gamma is positive and unimodal_weight is not negative, "
                f"got {gamma} and {unimodal_weight}"
            )
        self.gamma = gamma
        self.unimodal_weight = unimodal_weight
        self.seed = seed

    def build(self, model: Any) -> None:
        """Makes the unimodal heads."""
        add_unimodal_heads(model, self.seed)

    def loss(self, context: Context) -> tf.Tensor:
        """L_mm + sum_m L_m."""
        fused = super().loss(context)
        losses = unimodal_losses(context, context.encodings)
        context.extras["losses"] = (fused, [self.unimodal_weight * loss for loss in losses])
        return fused + tf.add_n(context.extras["losses"][1])

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """Encoders get h, heads the gradient of their own loss."""
        model = context.model
        fused_loss, unimodal_losses = context.extras["losses"]
        gradients = distribution.sum_gradients(tape.gradient(fused_loss, variables))
        found = dict(zip(map(id, variables), gradients, strict=True))
        parts = zip(model.encoders.values(), unimodal_heads(model), unimodal_losses, strict=True)
        for encoder, head, unimodal_loss in parts:
            own, of_head = encoder.trainable_variables, head.trainable_variables
            g = distribution.sum_gradients(tape.gradient(unimodal_loss, [*own, *of_head]))
            found.update(zip(map(id, of_head), g[len(own) :], strict=True))
            # a variable that either loss doesn't reach (g is None) has nothing to reconcile
            pairs = [(v, found[id(v)], u) for v, u in zip(own, g, strict=False) if u is not None]
            pairs = [pair for pair in pairs if pair[1] is not None]
            if pairs:
                kept, g_mm, g_m = zip(*pairs, strict=True)
                found.update(zip(map(id, kept), self.integrate(g_mm, g_m), strict=True))
        return [found[id(v)] for v in variables]

    def integrate(self, g_mm: tuple[tf.Tensor, ...], g_m: tuple[tf.Tensor, ...]) -> list[tf.Tensor]:
        """The gradient h of one encoder from its two gradients, tensor by tensor."""
        dot, fused, own = _dot(g_mm, g_m), _dot(g_mm, g_mm), _dot(g_m, g_m)
        between = tf.math.divide_no_nan(own - dot, fused + own - 2 * dot)
        c = tf.where(dot >= 0, 0.5, tf.clip_by_value(between, 0.0, 1.0))
        h = [2 * (c * a + (1 - c) * b) for a, b in zip(g_mm, g_m, strict=True)]
        length, wanted = tf.sqrt(_dot(h, h)), tf.sqrt(tf.maximum(fused + own + 2 * dot, 0.0))
        stretch = tf.where(length < wanted, tf.math.divide_no_nan(wanted, length), 1.0)
        # where the two lengths are one but for rounding, nothing is to be stretched
        stretch = tf.where(dot >= 0, 1.0, stretch)
        return [self.gamma * stretch * x for x in h]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "gamma": self.gamma,
            "unimodal_weight": self.unimodal_weight,
            "seed": self.seed,
        }


def _dot(a: Any, b: Any) -> tf.Tensor:
    return tf.add_n([tf.reduce_sum(x * y) for x, y in zip(a, b, strict=True)])
