"""The settings that `compile` makes: both optimizers, and all of AMR."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from amr_tf import _checks, _compat, _schedules
from amr_tf._functions import wants_xla
from amr_tf._moving_ratio import MovingRatio
from amr_tf._multipliers import AUTO, Multipliers
from amr_tf.measures import check_measure
from amr_tf.regularizer import AttributionRegularizer


class Compiling:
    """The part of `MultimodalClassifier` that sets how it is trained."""

    def compile(
        self,
        optimizer: Any = "sgd",
        amr_weight: float | str = 1.0,
        amr_ratio: Sequence[float] | str | None = None,
        amr_optimizer: Any = None,
        amr_target: str | None = None,
        amr_measure: str = "gradient",
        amr_scope: str = "head",
        accumulate: int = 1,
        skip_nonfinite: bool = False,
        jit_compile: bool | str = "auto",
        metrics: Sequence[keras.metrics.Metric] | None = None,
        weighted_metrics: Sequence[keras.metrics.Metric] | None = None,
        **kwargs: Any,
    ) -> None:
        """Sets both optimizers and additional metrics. The method computes the loss.

        Under Keras' policy `mixed_float16` both scale their losses.

        Args:
            optimizer: Optimizer of the task, for all variables, or its name.
            amr_weight: Number, the weight of R; 0 trains without AMR, exactly as if there were
                none. "auto" makes the ratio a constraint, which training meets with a force that
                grows until it does, for a further pass of the encoders without gradients: see
                `amr_tf._multipliers`.
            amr_ratio: Sequence of M numbers, the wanted ratio of the shares; equal by default.
                "auto" or "worst_case" leave it to a callback, which moves it after each epoch:
                `amr_tf.ratios.EvidenceRatio` and `amr_tf.ratios.WorstCaseRatio`.
            amr_optimizer: Optimizer of R, for the head's variables; its learning rate is not
                changed. By default SGD without momentum, with a learning rate of 0.1 that follows
                the task's: its schedule's shape, or by the factors by which callbacks change it.
                The gradient of |.| doesn't shrink near the target, so the rate must.
            amr_target: String, what is attributed, one of the task's `targets`, by default the
                first: of classes `probability`, see `amr_tf.attribution.target_score`.
            amr_measure: String, the measure of the shares that R is computed from; see
                `amr_tf.measures.measure_shares`. Steps log the dominance by it, and `Evaluator` by
                Grad⊙Input.
            amr_scope: String, what R trains: "head"; "all", the encoders too, whose gradient of
                weight R joins the task's; or "weaker", the head and the encoders of modalities
                whose shares are below the ratio. Where a method keeps the task's gradient from the
                encoders (DGL), R's goes through all the same.
            accumulate: Integer, the parts in which encoders take a batch, to need less memory;
                every result stays the whole batch's. See `amr_tf._tape.Tape`.
            skip_nonfinite: Boolean, whether a step with a NaN or an infinity is undone, see
                `amr_tf._guard.FiniteGuard`; it is counted either way.
            jit_compile: Boolean, whether XLA compiles the steps, see `amr_tf._functions`; "auto"
                means on GPUs. A batch of another size is compiled anew, for seconds to minutes.
            metrics: Sequence of Keras metrics that compare class ids `[B]` with probabilities
                `[B, C]`.
            weighted_metrics: Sequence of such metrics, which sample weights count in, too.
            **kwargs: Options of `keras.Model.compile`: `run_eagerly`, `steps_per_execution`.

        Raises:
            ValueError: A negative weight, a ratio of the wrong length or sign, an unknown target,
                measure or scope, a scope without AMR, a frozen head with AMR, an encoder that
                can't run in parts, or an argument of `keras.Model.compile` that would have no
                effect, e.g. `loss`.
        """
        _checks.check_amr_weight(amr_weight)
        amr_target = amr_target or self.task.targets[0]
        self.task.check_target(amr_target)
        check_measure(amr_measure, len(self.modalities))
        _checks.check_amr_scope(amr_scope, amr_weight)
        _checks.check_compile(kwargs)
        self.step_metrics.take(metrics, weighted_metrics)
        _checks.check_parts_of_batch(accumulate, self.encoders)
        self.xla = wants_xla(jit_compile, self.distribute_strategy, kwargs.get("run_eagerly"))
        self.xla_wanted = jit_compile
        one_device = self.distribute_strategy.num_replicas_in_sync == 1
        super().compile(optimizer=optimizer, jit_compile=self.xla and one_device, **kwargs)
        self.amr_target = amr_target
        self.amr_measure = amr_measure
        self.accumulate = accumulate
        self.skip_nonfinite = skip_nonfinite
        weight = AUTO if amr_weight == AUTO else float(amr_weight)
        self.amr_weight = weight if len(self.modalities) > 1 else 0.0
        self.amr_scope = amr_scope if self.amr_weight else "head"
        self.regularizer = self._make_regularizer(amr_weight, amr_ratio)
        self.multipliers = None
        if self.regularizer is not None and self.amr_weight == AUTO:
            self.multipliers = Multipliers(self.regularizer)
        self.amr_optimizer = None
        self.optimizer.build(self.trainable_variables)
        self.optimizer_state = _compat.unsaved_optimizer_state(self.optimizer)
        _compat.take_summed_gradients(self.optimizer)
        if self.amr_weight:
            if not self.head.trainable_variables:
                raise ValueError("AMR trains the head, and the head has no trainable variables")
            self.amr_optimizer = _schedules.amr_optimizer(amr_optimizer, self.optimizer)
            self.amr_optimizer = _compat.scaled_like(self.amr_optimizer, self.optimizer)
            self.amr_optimizer.build(self.head.trainable_variables)
            self.amr_optimizer_state = _compat.unsaved_optimizer_state(self.amr_optimizer)
            _compat.take_summed_gradients(self.amr_optimizer)

    def _make_regularizer(
        self, weight: float | str, ratio: Sequence[float] | str | None
    ) -> AttributionRegularizer | None:
        self.moving_ratio = None
        if len(self.modalities) == 1:
            if weight and ratio is not None:
                warnings.warn("one modality has no dominance: training without AMR", stacklevel=3)
            return None
        ratio = (1,) * len(self.modalities) if ratio is None else ratio
        self.amr_ratio = ratio
        if isinstance(ratio, str):
            _checks.check_moving_ratio(ratio, weight)
            self.moving_ratio = MovingRatio(len(self.modalities))
            return AttributionRegularizer(self.moving_ratio)
        if len(ratio) != len(self.modalities):
            raise ValueError(
                f"amr_ratio {tuple(ratio)} has {len(ratio)} numbers for the "
                f"{len(self.modalities)} modalities {', '.join(self.modalities)}"
            )
        return AttributionRegularizer(ratio)
