"""LFM with the learned integration: held-out clips decide how much modalities should agree."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat, distribution
from amr_tf._functions import graph_of
from amr_tf._pass import by_sample
from amr_tf.methods.base import Context
from amr_tf.methods.held_out import HeldOutMethod
from amr_tf.methods.lfm import LEAST, MOST, integrated, loss_terms


@keras.saving.register_keras_serializable(package="amr_tf")
class LearnedLFM(HeldOutMethod):
    """Dynamically learning the modality gap (Yang et al., NeurIPS 2024), learned integration.

    The loss is that of `LFM`, L(theta; a) = (1 - a) CE + a JS. What a should be is the outer of two
    problems: a minimises V, the cross-entropy of held-out clips, at the weights to which a leads.
    After each epoch

        a <- clip(a - rate dV/da, 0.05, 0.95)
        dV/da = -eta sum_{k=0}^{K} <(I - eta H)^k dV/dtheta, d(JS - CE)/dtheta>

    with H the Hessian of L(theta; a), all at the model in use. The sum is a Neumann series for the
    inverse of H, as by the implicit function theorem (Lorraine et al. 2020, algorithms 2 and 3):
    what K + 1 steps of gradient descent with the rate eta would make of a. dV/da is the mean over
    pairs of a batch of training clips and one of held-out clips; epochs take such pairs in turn.

    The code differs: it moves a by the mean of one component of a product with the Hessian, which
    component depends on the order of the parameters; this is the gradient that the paper describes.
    Its rate for a, 1e-4, belongs to that number. The default here is for runs of hundreds of
    epochs: a is 0.84 after 21 epochs of the demo's clips, and about 0.3 with a rate of 5.

    Set `method.held_out` to a `HeldOut` before `fit`.

    Example:
        >>> method = amr_tf.methods.LearnedLFM()
        >>> method.held_out = amr_tf.methods.HeldOut(
        ...     train=lambda step: dataset.repeat(),
        ...     steps_per_epoch=3,
        ...     seen=dataset,
        ...     unseen=validation,
        ... )
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, epochs=2, verbose=0)
        >>> 0.05 <= float(model.agreement.numpy()) <= 0.95
        True

    Args:
        rate: Number, how far a goes along its gradient.
        inner_rate: Number, eta, the rate of the steps that are looked ahead.
        terms: Integer, K, the products with the Hessian; at 0 one step is looked ahead.
        batches: Integer, the pairs of batches after each epoch.
        start: Number, the first a, 0.95 as published.
        strength: Number between 0 and 1, a factor of a; 0 is naive fusion.

    Raises:
        ValueError: An option out of its range.
    """

    help = "LFM, with the weight of the agreement learnt on validation clips (Yang 2024)"
    finds = "learns how much modalities should agree"
    demo_options = "rate=5"
    min_modalities = 2

    def __init__(
        self,
        rate: float = 0.1,
        inner_rate: float = 0.1,
        terms: int = 3,
        batches: int = 4,
        start: float = MOST,
        strength: float = 1.0,
    ) -> None:
        if rate < 0 or inner_rate <= 0:
            raise ValueError(
                f"rate is zero or positive and inner_rate positive, got {rate} and {inner_rate}"
            )
        if terms < 0 or batches < 1:
            raise ValueError(
                f"terms is zero or positive and batches positive, got {terms} and {batches}"
            )
        if not LEAST <= start <= MOST:
            raise ValueError(f"start lies in [{LEAST}, {MOST}], got {start}")
        if not 0 <= strength <= 1:
            raise ValueError(f"strength lies in [0, 1], got {strength}")
        self.rate = rate
        self.inner_rate = inner_rate
        self.terms = terms
        self.batches = batches
        self.start = start
        self.strength = strength

    def build(self, model: Any) -> None:
        """Makes a, which is saved with the model."""
        model.agreement = _compat.state(model, "agreement")
        model.agreement.assign(self.start)

    def loss(self, context: Context) -> tf.Tensor:
        """The fused loss and the divergences of all pairs of modalities."""
        return integrated(*loss_terms(context), self._weight(context.model))

    def on_epoch_end(self, model: Any, epoch: int, logs: dict[str, float]) -> None:
        """Moves a; a gradient that is not finite leaves it where it is."""
        gradient = np.mean([float(g) for g in self._gradients(model, epoch)] or [0.0])
        if np.isfinite(gradient):
            moved = float(model.agreement.numpy()) - self.rate * gradient
            model.agreement.assign(np.clip(moved, LEAST, MOST))

    def _weight(self, model: Any) -> tf.Tensor:
        return self.strength * tf.convert_to_tensor(model.agreement)

    def _gradients(self, model: Any, epoch: int) -> list[tf.Tensor]:
        """dV/da by each of the epoch's pairs of batches."""
        strategy, clips = model.distribute_strategy, self.clips()
        pairs = tf.data.Dataset.zip((clips.seen, clips.unseen))
        count = max(int(pairs.cardinality()), 1)  # an unknown one is negative
        pairs = pairs.repeat().skip(epoch * self.batches % count).take(min(self.batches, count))
        if not hasattr(model, "_hypergradient"):  # one for all epochs: its graph is traced once

            def of_pair(pair: Any) -> tf.Tensor:
                found = strategy.run(self.hypergradient, args=(model, *pair))
                return strategy.experimental_local_results(found)[0]

            model._hypergradient = graph_of(of_pair, reduce_retracing=True)
        return [model._hypergradient(pair) for pair in by_sample(strategy, pairs)]

    def hypergradient(self, model: Any, seen: Any, unseen: Any) -> tf.Tensor:
        """dV/da of this replica's parts of two batches, a scalar that is the same on every replica.

        Args:
            model: The classifier.
            seen: Batch `(inputs, class ids [B])` of training clips.
            unseen: Batch of held-out clips.
        """
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            context = _in_use(model, unseen)
            held_out = context.mean(context.losses(context.logits))
        term = _of_all(variables, distribution.sum_gradients(tape.gradient(held_out, variables)))
        with tf.GradientTape(persistent=True) as outer:
            with tf.GradientTape(persistent=True) as inner:
                fused, between = loss_terms(_in_use(model, seen))
                loss = integrated(fused, between, self._weight(model))
                slope = tf.cast(between, fused.dtype) - fused
            gradients = _of_all(variables, inner.gradient(loss, variables))
        ahead = term
        for _ in range(self.terms):
            products = outer.gradient(gradients, variables, output_gradients=term)
            products = _of_all(variables, distribution.sum_gradients(products))
            term = [t - self.inner_rate * p for t, p in zip(term, products, strict=True)]
            ahead = [x + t for x, t in zip(ahead, term, strict=True)]
        slopes = distribution.sum_gradients(inner.gradient(slope, variables))
        slopes = _of_all(variables, slopes)
        products = [tf.reduce_sum(x * s) for x, s in zip(ahead, slopes, strict=True)]
        return -self.inner_rate * self.strength * tf.add_n(products)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "rate": self.rate,
            "inner_rate": self.inner_rate,
            "terms": self.terms,
            "batches": self.batches,
            "start": self.start,
            "strength": self.strength,
        }


def _in_use(model: Any, batch: Any) -> Context:
    """The context of a batch that the model in use has seen."""
    context = Context.of(model, batch, training=False)
    context.encodings = model.encode(context.inputs)
    context.logits = model.head(context.encodings, training=False)
    return context


def _of_all(variables: list, gradients: list) -> list[tf.Tensor]:
    """Zeros where a variable has no gradient."""
    pairs = zip(variables, gradients, strict=True)
    return [tf.zeros_like(v) if g is None else tf.convert_to_tensor(g) for v, g in pairs]
