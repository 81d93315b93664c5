"""PMR (Fan et al. 2023): the encoder that is behind is drawn to the prototypes of its classes."""

import math
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _compat, distribution
from amr_tf._presence import kept
from amr_tf.methods.base import Context, Method, cross_entropy
from amr_tf.methods.branches import encoding_shapes, flat_encodings, true_probability


@keras.saving.register_keras_serializable(package="amr_tf")
class PMR(Method):
    """Prototypical modal rebalance (CVPR 2023, arXiv 2211.07089, eqs. 6 to 13).

    Each modality has a prototype c_k^m of each class in the space of its encodings, and thereby a
    classifier without parameters. Over the global batch,

        p^m     = softmax_k(-|e^m - c_k^m|),    s^m = sum_i p_i^m[y_i]
        beta^m  = clip(max_j s^j / s^m - 1, 0, 1)
        gamma^m = clip(s^m / min_j s^j - 1, 0, 1)
        loss    = CE(z, y) + alpha sum_m beta^m mean CE(p^m, y) - mu sum_m gamma^m mean H(p^m)

    so those behind learn to stand near their prototypes (prototypical cross-entropy), and the
    entropy H of those ahead, in the first epochs only, keeps them from settling too soon
    (prototypical entropy regularisation). For two modalities these are the paper's coefficients.
    It works with any head.

    *Prototypes.* The paper makes them anew in each epoch, of a tenth of the training clips. Here
    they are running means of the training batches, weights of the model: of class k's mean
    encoding in a step, `c_k <- momentum c_k + (1 - momentum) mean`, used from the next step on,
    with no pass over the data of their own. A class that was never seen has none, and takes no
    part in the softmax; a sample of such a class, or without modality m, no part in m's terms.
    Scores are of samples that have all modalities. Encodings are flattened, and averaged over
    dimensions of unknown size.

    The published code has no entropy term, and its beta is 0 or 1. The paper takes alpha 1 or 2, mu
    0.01 or 0.001, and "the first training few epochs", without a number.

    Example:
        >>> method = amr_tf.methods.PMR(alpha=2.0)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)
        >>> model.audio_prototypes.shape == (3, 4)  # classes, features
        True

    Args:
        alpha: Number, the weight of the prototypical cross-entropy; 0 with mu 0 is naive fusion.
        mu: Number, the weight of the entropy.
        entropy_epochs: Integer, the epochs from the first on that have the entropy term.
        momentum: Number, how much of a prototype stays in a step, in [0, 1). At 0.9 it is made of
            about ten batches.

    Raises:
        ValueError: A negative weight, a negative number of epochs, or a momentum outside of [0, 1).
    """

    help = "draws the encoder that is behind to prototypes of its classes (Fan 2023)"
    recipe_options = MappingProxyType({"ogm_cremad": {"alpha": 2.0}})
    min_modalities = 2

    def __init__(
        self,
        alpha: float = 1.0,
        mu: float = 0.01,
        entropy_epochs: int = 5,
        momentum: float = 0.9,
    ) -> None:
        if alpha < 0 or mu < 0 or entropy_epochs < 0:
            raise ValueError(
                "alpha, mu and entropy_epochs are zero or positive, "
                f"got {alpha}, {mu} and {entropy_epochs}"
            )
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum lies in [0, 1), got {momentum}")
        self.alpha = alpha
        self.mu = mu
        self.entropy_epochs = entropy_epochs
        self.momentum = momentum

    def build(self, model: Any) -> None:
        """Makes the prototypes, and which of them there are."""
        classes = model.head.output_shape[-1]
        shapes = encoding_shapes(model.head, type(self).__name__)
        for name, shape in zip(model.modalities, shapes, strict=True):
            size = (classes, math.prod(n or 1 for n in shape))
            setattr(model, f"{name}_prototypes", _compat.state(model, f"{name}_prototypes", size))
        seen = (len(model.modalities), classes)
        model.prototypes_seen = _compat.state(model, "prototypes_seen", seen)

    def loss(self, context: Context) -> tf.Tensor:
        """Cross-entropy, with the terms of the prototypes as they were before this step."""
        labels, encodings = context.labels, flat_encodings(context)
        seen = tf.convert_to_tensor(context.model.prototypes_seen)
        known = tf.gather(seen, labels, axis=1)  # [M, B]
        logits = [
            _similarity(e, c, seen[m])
            for m, (e, c) in enumerate(zip(encodings, self.prototypes(context.model), strict=True))
        ]
        chosen = tf.stack([true_probability(labels, z) for z in logits], axis=-1)
        scored = kept(chosen, context.complete * tf.reduce_min(known, axis=0))
        scores = self._learn(context, encodings, tf.reduce_sum(scored, axis=0))
        beta, gamma = self.coefficients(scores)
        mu = tf.where(context.epoch < self.entropy_epochs, self.mu, 0.0)
        total = super().loss(context)
        for m, z in enumerate(logits):
            pull = tf.cast(self.alpha * beta[m], z.dtype) * cross_entropy(labels, z)
            spread = tf.cast(mu * gamma[m], z.dtype) * _entropy(z)
            total += context.mean(kept(context.present(m, pull - spread), known[m]))
        return total

    def coefficients(self, scores: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The beta and gamma of each modality, `[M]` each, from the scores `[M]`."""
        positive = tf.maximum(scores, 1e-12)  # where nothing was scored, both are 0
        beta = tf.reduce_max(scores) / positive - 1
        gamma = scores / tf.reduce_min(positive) - 1
        return tf.clip_by_value(beta, 0.0, 1.0), tf.clip_by_value(gamma, 0.0, 1.0)

    def prototypes(self, model: Any) -> list[tf.Tensor]:
        """The prototypes of each modality, M tensors `[C, D_m]` float32."""
        return [tf.convert_to_tensor(getattr(model, f"{m}_prototypes")) for m in model.modalities]

    def _learn(self, context: Context, encodings: list, scores: tf.Tensor) -> tf.Tensor:
        """Moves the prototypes; sums the scores over the replicas in the same message."""
        model = context.model
        true = tf.one_hot(context.labels, model.head.output_shape[-1])
        of_class = [true * context.presence[:, m, tf.newaxis] for m in range(len(encodings))]
        sums = [
            tf.matmul(mine, tf.cast(tf.stop_gradient(e), tf.float32), transpose_a=True)
            for mine, e in zip(of_class, encodings, strict=True)
        ]
        counts = [tf.reduce_sum(mine, axis=0, keepdims=True) for mine in of_class]
        (scores, *found) = distribution.global_sum([tf.stop_gradient(scores), *counts, *sums])
        counts, sums = found[: len(counts)], found[len(counts) :]
        seen = tf.convert_to_tensor(model.prototypes_seen)
        for m, (name, old) in enumerate(zip(model.modalities, self.prototypes(model), strict=True)):
            count = tf.transpose(counts[m])  # [C, 1]
            mean = tf.math.divide_no_nan(sums[m], count)
            moved = self.momentum * old + (1 - self.momentum) * mean
            new = tf.where(tf.expand_dims(seen[m], 1) > 0, moved, mean)
            getattr(model, f"{name}_prototypes").assign(tf.where(count > 0, new, old))
        counted = tf.cast(tf.concat(counts, axis=0) > 0, seen.dtype)
        model.prototypes_seen.assign(tf.maximum(seen, counted))
        return scores

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "alpha": self.alpha,
            "mu": self.mu,
            "entropy_epochs": self.entropy_epochs,
            "momentum": self.momentum,
        }


def _similarity(encodings: tf.Tensor, prototypes: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """Minus the distance from each prototype, `[B, C]`; of classes without one, next to -inf."""
    between = encodings[:, tf.newaxis] - tf.cast(prototypes, encodings.dtype)
    squares = tf.reduce_sum(tf.square(between), axis=-1)
    # on a prototype the root has no gradient: 0 is taken
    away = squares > 0
    distance = tf.where(away, tf.sqrt(tf.where(away, squares, 1.0)), 0.0)
    return tf.where(seen > 0, -distance, distance.dtype.min)


def _entropy(logits: tf.Tensor) -> tf.Tensor:
    """The entropy of each sample's softmax, `[B]`."""
    log = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(tf.exp(log) * log, axis=-1)
