"""The multimodal classifier and its one train step: Attribution Regularization (AMR).

    features   x^m, made of raw tensors on the device               (modalities/)
    encodings  e^m = encoder_m(x^m)
    logits     z = head(e^1, ..., e^M)
    shares     a^m = |dg/de^m ⊙ e^m| / sum_j |dg/de^j ⊙ e^j|       (attribution.py)
    R          sum_m | mean(a^m) - r^m |                             (regularizer.py, eq. 1)

Per step, at one point and in one forward pass: the task optimizer gets d(task loss) for all
variables, the AMR optimizer gets d(weight R) only for the head's variables. What `compile` sets
is in _compiling.py; the weight that training finds itself, in _multipliers.py.
Source: Yerramilli et al., arXiv 2404.02359.
"""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from amr_tf import _checks, _compat, distribution
from amr_tf._compiling import Compiling
from amr_tf._context import Context, inputs_by_name
from amr_tf._exported import Exported, InputSpecs
from amr_tf._functions import StepFunctions
from amr_tf._guard import FiniteGuard
from amr_tf._metrics import StepMetrics
from amr_tf._presence import PRESENCE, kept
from amr_tf._scope import encoder_gradients
from amr_tf._tape import Tape, added, encode_in_use
from amr_tf.attribution import at_least_float32, attribute
from amr_tf.measures import measure_shares
from amr_tf.methods import Method, Naive
from amr_tf.methods.epochs import MethodEpochs
from amr_tf.modalities import FeaturesLayer
from amr_tf.saving import SavedModelParts
from amr_tf.tasks import Task, find_task


@keras.saving.register_keras_serializable(package="amr_tf")
class MultimodalClassifier(Compiling, SavedModelParts, Exported, StepFunctions, keras.Model):
    """Encoders feed a fusion head; training can hold the modalities' attributions at a ratio.

    Example:
        >>> model = amr_tf.MultimodalClassifier(encoders, head)
        >>> model.compile(keras.optimizers.SGD(0.01), amr_weight=1.0, amr_ratio=(1, 1))
        >>> history = model.fit(dataset, verbose=0)  # ({"audio": x, "video": v}, class ids [B])
        >>> model.predict(inputs, verbose=0).shape  # logits
        (12, 3)

    Inputs are a dict by modality, or a list in the encoders' order: raw tensors where `features`
    has a layer for the modality, and else what its encoder takes. An input `presence` `[B, M]`
    marks with 0 what a sample lacks: whatever stands there, the encoder sees zeros, the encoding
    is zero, and the sample does not count in a^m. `model(inputs)` and `predict` give logits
    `[B, C]`.

    Args:
        encoders: Mapping, modality -> Keras model or layer, input -> encoding `[B, ...]`; None
            passes a precomputed encoding through. Their order is the modalities' order.
        head: Keras model, list of M encodings -> logits `[B, C]`. No batch normalisation.
        method: Method, what to train with; naive fusion by default.
        features: Mapping, modality -> `amr_tf.modalities.FeaturesLayer`, which makes the encoder's
            input of raw tensors; may be empty.
        task: Task, or its name, which says what labels are; see `amr_tf.tasks`. With `regression`
            the model gives numbers in the labels' unit.
        **kwargs: Options of `keras.Model`, e.g. `name`.

    Raises:
        ValueError: There is no encoder, a part is not built, the head has batch normalisation, or
            the method can't train with the modalities or the task.
    """

    def __init__(
        self,
        encoders: Mapping[str, keras.layers.Layer | None],
        head: keras.Model,
        method: Method | None = None,
        features: Mapping[str, FeaturesLayer] | None = None,
        task: str | Task = "multiclass",
        **kwargs: Any,
    ) -> None:
        # the parts cast for themselves: raw numbers are not to be rounded on their way in
        super().__init__(**{"autocast": False, **kwargs})
        self.modalities = tuple(encoders)
        self.method = method or Naive()
        self.task = find_task(task)
        self.method.check_task(self.task.name)
        _checks.check_parts(encoders, head, self.method)
        _checks.check_features(features or {}, encoders)
        for name, encoder in encoders.items():
            # an attribute each: tf.train.Checkpoint on Keras 3 overlooks models kept in a dict
            setattr(self, f"{name}_encoder", encoder or keras.layers.Identity())
        for name, layer in (features or {}).items():
            setattr(self, f"{name}_features", layer)
        self.head = head
        self.step = _compat.state(self, "step", dtype="int64")
        self.epoch = _compat.state(self, "epoch", dtype="int64")
        self.nonfinite_steps = _compat.state(self, "nonfinite_steps", dtype="int64")
        self.first_nonfinite_step = _compat.state(self, "first_nonfinite_step", dtype="int64")
        self.step_metrics = StepMetrics(self.modalities, self.task)
        self.regularizer = None
        self.amr_weight: float | str = 0.0
        self.multipliers = None
        self.moving_ratio = None
        self.xla = False
        self._evaluating = False
        self.method.build(self)
        self.input_specs = InputSpecs(self)
        self.built = True  # all parts are: variables exist before the first batch

    def features(
        self, inputs: Mapping[str, tf.Tensor], context: Context | None = None
    ) -> dict[str, tf.Tensor]:
        """The encoders' inputs, made of raw tensors; zero where a sample lacks the modality.

        Args:
            inputs: Mapping, modality -> raw tensor `[B, ...]`; further keys stay.
            context: Context of a training step, which gives the draws of random changes.

        Returns:
            Modality -> features `[B, ...]`, and the further keys.
        """
        made, layers = dict(inputs), self.features_layers
        for name in (m for m in self.modalities if m in inputs):
            if (layer := layers.get(name)) is not None:
                draws = None
                if context is not None and layer.draws:
                    draws = context.uniform(layer.draw_seed, (layer.draws,))
                made[name] = layer(inputs[name], draws=draws)
            made[name] = self.where_present(name, made[name], inputs)
        return made

    def where_present(
        self, modality: str, x: tf.Tensor, inputs: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Zeros what belongs to samples that lack a modality.

        Args:
            modality: String, the modality.
            x: Tensor `[B, ...]`.
            inputs: Mapping, with `presence` `[B, M]` where samples may lack modalities.
        """
        presence = inputs.get(PRESENCE)
        if presence is None:
            return x
        return kept(x, presence[:, self.modalities.index(modality)])

    def encode(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> list[tf.Tensor]:
        """Encodings of each modality; zero where `inputs["presence"]` `[B, M]`, if given, is 0.

        Args:
            inputs: Mapping, modality -> features, as `features` makes them.
            training: Boolean, whether the encoders run in training mode.

        Returns:
            M tensors `[B, ...]`.
        """
        return [self.encoding(name, inputs, training) for name in self.modalities]

    def encoding(
        self, modality: str, inputs: Mapping[str, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """One modality's encoding `[B, ...]`, in float32 at least: shares are taken of it."""
        encoding = at_least_float32(self.encoders[modality](inputs[modality], training=training))
        return self.where_present(modality, encoding, inputs)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Logits `[B, C]`, or what else the task makes of the head's outputs."""
        inputs = inputs_by_name(inputs, self.modalities)
        self.input_specs.note(inputs)
        inputs = self.features(inputs)
        return self.task.called(self.head(self.encode(inputs, training), training=training))

    def attribute(
        self, inputs: Any, target: str | None = None, labels: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Logits and Grad⊙Input attributions at the encodings, in inference mode.

        Args:
            inputs: Structure of tensors, as for a call.
            target: String, what is attributed, one of the task's `targets`; the first by default.
            labels: Tensor `[B]`, the class ids; needed by target `label`.

        Returns:
            The head's outputs (logits) `[B, C]` and M attributions of the encodings' shapes.
        """
        inputs = self.features(inputs_by_name(inputs, self.modalities))
        target = target or self.task.targets[0]
        score = self.task.target_score
        return attribute(self.head, self.encode(inputs), target, labels, score=score)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Makes one step of AMR; see the top of this file."""
        context = Context.of(self, data, training=True)
        guard = FiniteGuard(self, self.skip_nonfinite)
        # whose shares R is about: the step's, or with multipliers those of the model in use
        attributed = context if self.multipliers is None else self._in_use(context)
        with Tape(_compat.loss_scale(self.optimizer)) as task_tape:
            encodings = task_tape.encode(self, context.inputs, self.accumulate)
            context.encodings = self.method.encodings(encodings, context)
            # begins behind the encoders: R knows only the head's variables
            with Tape(_compat.loss_scale(self.amr_optimizer)) as amr_tape:
                if self.amr_scope != "head":
                    amr_tape.watch(attributed.encodings)
                attributed.logits, shares = self._shares(attributed)
                amr_loss, *global_shares = self._amr_loss(shares, attributed.complete)
            if attributed is not context:
                context.logits = self.head(context.encodings, training=True)
            task_loss = self.method.loss(context)

        variables, head_variables = self.trainable_variables, self.head.trainable_variables
        if self.amr_weight:
            amr_gradients = amr_tape.gradient(amr_loss, head_variables)
            amr_gradients = distribution.sum_gradients(amr_gradients)
        of_encoders = encoder_gradients(
            self, task_tape, encodings, amr_tape, amr_loss, attributed, global_shares[0]
        )
        task_gradients: dict[int, tf.Tensor] = {}
        for gradients, trained in self.method.updates(context, task_loss, task_tape, variables):
            gradients = added(gradients, [of_encoders.pop(id(v), None) for v in trained])
            guard.check(task_loss, gradients)
            again = bool(task_gradients)
            _compat.apply_gradients(self.optimizer, gradients, trained, again)
            task_gradients |= zip(map(id, trained), gradients, strict=True)
        if self.amr_weight:
            _compat.apply_gradients(self.amr_optimizer, amr_gradients, head_variables)

        self.step_metrics.update_task(context, task_loss, shares, attributed.complete)
        self.step_metrics.update_regularizer(self.regularizer, *global_shares)
        if self.multipliers is not None:
            self.multipliers.update(*global_shares)
            self.step_metrics.update_multipliers(self.multipliers)
        if self.amr_weight:
            of_head = [task_gradients.get(id(v)) for v in head_variables]
            self.step_metrics.update_gradients(amr_gradients, of_head)
        guard.conclude()
        self.step.assign_add(1)
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """The loss of the fused logits, the task's metric, shares and R, in inference mode."""
        context = Context.of(self, data, training=False)
        context.encodings = self.encode(context.inputs)
        context.logits, shares = self._shares(context)
        loss = context.mean(context.losses(context.logits))
        self.step_metrics.update_task(context, loss, shares, context.complete)
        if self.regularizer is not None:
            global_shares = self.regularizer.global_mean(shares, context.complete)
            self.step_metrics.update_regularizer(self.regularizer, *global_shares)
        return self.get_metrics_result()

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.fit`, which also tells the method of each epoch's begin and end.

        `class_weight` and `sample_weight` (or batches `(inputs, class ids, weights)`) multiply the
        method's loss of each sample. R is not a loss of samples but one of the batch: all complete
        samples count in it alike.
        """
        given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
        given["callbacks"] = [MethodEpochs(), *(given.get("callbacks") or [])]
        _checks.check_ratio_is_moved(self, given["callbacks"])
        _checks.check_class_weight(self.task, given.get("class_weight"))
        with self.logging_steps_for(given["callbacks"], given.get("verbose", "auto")):
            return super().fit(**given)

    @property
    def encoders(self) -> dict[str, keras.layers.Layer]:
        """Modality name -> encoder."""
        return {name: getattr(self, f"{name}_encoder") for name in self.modalities}

    @property
    def steps_counted(self) -> list:
        """The weights that count steps and epochs, which go on whatever becomes of a step."""
        return [self.step, self.epoch, self.nonfinite_steps, self.first_nonfinite_step]

    @property
    def steps_done(self) -> int:
        """The number of train steps so far."""
        return int(self.step.numpy())

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """`keras.Model.evaluate`, without the metrics of gradients, which only training has."""
        given = inspect.signature(super().evaluate).bind(*args, **kwargs).arguments
        self._evaluating = True
        try:
            with self.logging_steps_for(given.get("callbacks"), given.get("verbose", "auto")):
                return super().evaluate(*args, **kwargs)
        finally:
            self._evaluating = False

    @property
    def metrics(self) -> list:
        """The metrics of a step; see `amr_tf._metrics`."""
        weight = 0.0 if self._evaluating else self.amr_weight
        return self.step_metrics.active(self.regularizer is not None, weight)

    def get_metrics_result(self) -> dict[str, tf.Tensor]:
        """Metric name -> mean since the epoch's begin."""
        return {metric.name: metric.result() for metric in self.metrics}

    @property
    def features_layers(self) -> dict[str, FeaturesLayer]:
        """Modality name -> the layer that makes its features, of those that have one."""
        found = {name: getattr(self, f"{name}_features", None) for name in self.modalities}
        return {name: layer for name, layer in found.items() if layer is not None}

    # -- parts of a step ---------------------------------------------------------------------

    def _shares(self, context: Context) -> tuple[tf.Tensor, tf.Tensor]:
        return measure_shares(
            self.head,
            context.encodings,
            self.amr_measure,
            self.amr_target,
            context.labels,
            context.training,
            self.task,
        )

    def _in_use(self, context: Context) -> Context:
        """The step as the model in use sees it: in inference mode, whatever the method changes."""
        in_use = dataclasses.replace(context, training=False)
        in_use.encodings = encode_in_use(self, context.inputs, self.accumulate)
        return in_use

    def _amr_loss(self, shares: tf.Tensor, complete: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """This replica's part of the AMR loss, the global mean shares `[M]` and their count."""
        if self.regularizer is None:
            return tf.constant(0.0), tf.constant([1.0]), tf.constant(0.0)
        if self.multipliers is not None:
            return self.regularizer.replica_loss(shares, complete, self.multipliers.pull)
        loss, mean_shares, count = self.regularizer.replica_loss(shares, complete)
        return self.amr_weight * loss, mean_shares, count

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Keras 3 would trace a step here, which fails on several replicas when the first batch
        is uneven; nothing is left to build.
        """  # noqa: D205
