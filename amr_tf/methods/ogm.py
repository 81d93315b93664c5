"""OGM and OGM-GE (Peng et al. 2022): slow the encoder of the modality that is ahead."""

from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _draws, distribution
from amr_tf._presence import kept
from amr_tf._tape import Tape
from amr_tf.attribution import attribute, attribution_shares
from amr_tf.methods.base import Context, Method
from amr_tf.methods.branches import ablation_logits, linear_logits, true_probability
from amr_tf.methods.rates import encoder_of, scaled

SCORES = ("linear", "ablation", "attribution")


@keras.saving.register_keras_serializable(package="amr_tf")
class OGM(Method):
    """On-the-fly gradient modulation (arXiv 2203.15332, section 3.3, eqs. 8 to 10).

    With a score S^m of each modality over the global batch:

        rho^m = S^m / mean_{j != m} S^j
        k^m   = 1 - tanh(alpha rho^m)  if rho^m > 1, else 1

    and the gradients of encoder m, all its parameters as in the paper, are multiplied by k^m (the
    published code scales convolution kernels only). The head's gradients stay as they are.

    Scores:

    * `linear`, the paper's: `S^m = sum_i softmax(z_i^m)[y_i]`, z^m the modality's part of the
      logits; for a linear head on the concatenation, and the sum head.
    * `ablation`: the same with z^m = the head with the other encodings at their batch mean.
    * `attribution`: `S^m = sum_i a_i^m`, the Grad⊙Input shares of the model's AMR target.

    The last two are for any head. Samples that lack a modality don't enter a score.

    Example:
        >>> method = amr_tf.methods.OGM(alpha=0.8, score="attribution")
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        alpha: Number, the strength; 0.1 for VGGSound and 0.8 for CREMA-D as published. 0 is naive
            fusion.
        score: String, one of `linear`, `ablation`, `attribution`.
        start: Integer, the first epoch that is modulated.
        end: Integer, the last epoch that is modulated.

    Raises:
        ValueError: A negative alpha or an unknown score.
    """

    help = "slows the encoder that is ahead (Peng 2022)"
    flags = MappingProxyType({"ogm_score": "score"})
    recipe_options = MappingProxyType(
        {"ogm_cremad": {"alpha": 0.8}, "ogm_vggsound": {"alpha": 0.1}}
    )
    min_modalities = 2

    def __init__(
        self, alpha: float = 0.1, score: str = "linear", start: int = 0, end: int = 50
    ) -> None:
        if alpha < 0:
            raise ValueError(f"alpha is zero or positive, got {alpha}")
        if score not in SCORES:
            raise ValueError(f"unknown score {score!r}: choose one of {', '.join(SCORES)}")
        self.alpha = alpha
        self.score = score
        self.start = start
        self.end = end

    def build(self, model: Any) -> None:
        """Checks that the head has the score.

        Raises:
            ValueError: The score is `linear` and the head's logits are not a sum over modalities.
        """
        if self.score != "linear":
            return
        inputs = getattr(model.head, "inputs", None) or []
        # two of what is unknown: a head that averages over it is not taken for one that does not
        zeros = [tf.zeros([n or 2 for n in e.shape], e.dtype) for e in inputs]
        if not zeros or linear_logits(model.head, zeros) is None:
            raise ValueError(
                f"{type(self).__name__} with score='linear' needs a head whose logits are a sum "
                "over modalities: concat without a hidden layer, or sum. "
                "For another head choose score='ablation' or score='attribution'"
            )

    def coefficients(self, context: Context) -> tf.Tensor:
        """k^m of this step, `[M]` float32, the same on all replicas."""
        (scores,) = distribution.global_sum([tf.stop_gradient(self._scores(context))])
        others = (tf.reduce_sum(scores) - scores) / (len(context.encodings) - 1)
        rho = tf.math.divide_no_nan(scores, others)
        k = tf.where(rho > 1, 1 - tf.tanh(self.alpha * rho), 1.0)
        return tf.where(self._active(context), k, 1.0)

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """The task's gradients, each encoder's times its k^m."""
        gradients = super().gradients(context, loss, tape, variables)
        owners = encoder_of(context.model, variables)
        return scaled(gradients, owners, self.coefficients(context))

    def _scores(self, context: Context) -> tf.Tensor:
        """This replica's part of the scores, `[M]`."""
        if self.score == "attribution":
            _, alphas = attribute(
                context.model.head, context.encodings, context.model.amr_target, context.labels
            )
            per_sample = tf.cast(attribution_shares(alphas), tf.float32)
        else:
            logits: Any
            if self.score == "linear":
                logits = linear_logits(context.model.head, context.encodings)
            else:
                logits = ablation_logits(context)
            chosen = [true_probability(context.labels, z) for z in logits]
            per_sample = tf.stack(chosen, axis=-1)
        return tf.reduce_sum(kept(per_sample, context.complete), axis=0)

    def _active(self, context: Context) -> tf.Tensor:
        return (context.epoch >= self.start) & (context.epoch <= self.end)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha, "score": self.score, "start": self.start, "end": self.end}


@keras.saving.register_keras_serializable(package="amr_tf")
class OGMGE(OGM):
    """OGM with generalisation enhancement (section 3.4, eq. 13).

    To each encoder gradient tensor g, after k^m g, Gaussian noise is added, of mean 0 and of the
    standard deviation of g's elements (g summed over the replicas), also where k^m is 1: the
    noise that a slowed encoder lost, and more. The draw is a function of (seed, step, tensor).

    Example:
        >>> method = amr_tf.methods.OGMGE(alpha=0.8, noise=0.5)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        alpha: Number, the strength, as for OGM.
        score: String, as for OGM.
        start: Integer, the first epoch that is modulated.
        end: Integer, the last epoch that is modulated.
        noise: Number, the factor of the noise; 1 as published, 0 is OGM.
        seed: Integer, the seed of the noise.

    Raises:
        ValueError: What OGM refuses, or a negative noise.
    """

    help = "OGM with generalisation enhancement by noise (Peng 2022)"

    def __init__(
        self,
        alpha: float = 0.1,
        score: str = "linear",
        start: int = 0,
        end: int = 50,
        noise: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha, score, start, end)
        if noise < 0:
            raise ValueError(f"noise is zero or positive, got {noise}")
        self.noise = noise
        self.seed = seed

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """OGM's gradients and the noise."""
        plain = Method.gradients(self, context, loss, tape, variables)
        modality = encoder_of(context.model, variables)
        k = self.coefficients(context)
        scale = tf.where(self._active(context), self.noise, 0.0)
        out = []
        for index, (g, m) in enumerate(zip(plain, modality, strict=True)):
            if g is not None and m is not None:
                key = tf.stack([self.seed * 100_003 + index, context.step])
                drawn = _draws.normal(key, tf.shape(g), g.dtype)
                deviation = tf.cast(scale, g.dtype) * tf.math.reduce_std(g)
                g = g * tf.cast(k[m], g.dtype) + deviation * drawn
            out.append(g)
        return out

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "noise": self.noise, "seed": self.seed}
