"""The arguments that a classifier refuses, and its error messages."""

import inspect
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from amr_tf import _compat, heads
from amr_tf._multipliers import AUTO
from amr_tf.methods.base import Method
from amr_tf.modalities import FeaturesLayer
from amr_tf.tasks import Task

# What the regulariser trains.
SCOPES = ("head", "all", "weaker")
# Ratios that callbacks find, see `amr_tf.ratios`.
MOVING_RATIOS = {"auto": "EvidenceRatio", "worst_case": "WorstCaseRatio"}

# Arguments of `keras.Model.compile` that the train step does not use -> what to do instead.
_NOT_OBEYED = {
    "loss": "the method computes the loss. One of your own is an amr_tf.methods.Method with "
    "loss(context), given as MultimodalClassifier(encoders, head, method)",
    "loss_weights": "there is one task loss. amr_weight weighs the regulariser, class_weight and "
    "sample_weight of fit weigh samples",
    "pss_evaluation_shards": "parameter servers are not supported. Use MirroredStrategy or "
    "MultiWorkerMirroredStrategy",
}


def check_parts(encoders: Mapping[str, Any], head: keras.Model, method: Method) -> None:
    """Refuses parts that can't make a classifier.

    Raises:
        ValueError: No encoder, modalities that the method can't train with (or too few), a part
            without variables yet, or a head that mixes samples.
    """
    if not encoders:
        raise ValueError("a model needs at least one encoder: encoders={'audio': ...}")
    names = tuple(encoders)
    method.check_modalities(names)
    wanted = method.modalities(names)
    if wanted != names:
        raise ValueError(
            f"{type(method).__name__} trains only {', '.join(wanted)}: "
            f"give it no encoder of another modality (there are {', '.join(names)})"
        )
    for name, part in {**encoders, "head": head}.items():
        if isinstance(part, keras.Model) and not part.built:
            raise ValueError(
                f"the {name} model has no variables yet: make it a functional model, "
                "or call it once on a batch"
            )
    heads.check_head(head)


def check_features(features: Mapping[str, Any], encoders: Mapping[str, Any]) -> None:
    """Refuses features layers of modalities without an encoder, and other layers.

    Raises:
        ValueError: There is no such modality, or the layer is not a `FeaturesLayer`.
    """
    for name, layer in features.items():
        if name not in encoders:
            raise ValueError(f"features: there is no encoder of {name!r}: {', '.join(encoders)}")
        if not isinstance(layer, FeaturesLayer):
            raise ValueError(
                f"features: {name} is {type(layer).__name__}: give an amr_tf.modalities."
                "FeaturesLayer, or put other layers into the encoder"
            )


def check_compile(options: Mapping[str, Any]) -> None:
    """Refuses arguments of `keras.Model.compile` that would have no effect.

    Args:
        options: Mapping, those that the classifier leaves to Keras.

    Raises:
        ValueError: An argument that has no effect is given, or there is no such argument.
    """
    known = inspect.signature(keras.Model.compile).parameters
    for name, value in options.items():
        if name in _NOT_OBEYED and not value:
            continue
        if name in _NOT_OBEYED:
            raise ValueError(f"compile(..., {name}={value!r}) has no effect: {_NOT_OBEYED[name]}")
        if name not in known or known[name].kind is inspect.Parameter.VAR_KEYWORD:
            raise ValueError(
                f"compile has no argument {name!r}: see MultimodalClassifier.compile, and of "
                f"Keras {keras.__version__} run_eagerly and steps_per_execution"
            )


def check_amr_weight(weight: Any) -> None:
    """Refuses a value that is neither a weight nor "auto", a weight that training finds.

    Raises:
        ValueError: The weight is negative, not a number, or another word than "auto".
    """
    if weight == AUTO:
        return
    if not isinstance(weight, numbers.Real) or not float(weight) >= 0:
        raise ValueError(f"amr_weight is a number, zero or positive, or 'auto', got {weight!r}")


def check_amr_scope(scope: str, weight: float | str) -> None:
    """Refuses an unknown scope, and any scope where there is no regulariser.

    Raises:
        ValueError: It is unknown, or AMR is off and it would have no effect.
    """
    if scope not in SCOPES:
        raise ValueError(f"unknown amr_scope {scope!r}: choose one of {SCOPES}")
    if scope != SCOPES[0] and not weight:
        raise ValueError(f"amr_scope={scope!r} has no effect without AMR: amr_weight is 0")


def check_moving_ratio(ratio: str, weight: float | str) -> None:
    """Refuses an unknown name of a ratio that training finds, and any such name without AMR.

    Raises:
        ValueError: It is unknown, or AMR is off and it would have no effect.
    """
    if ratio not in MOVING_RATIOS:
        raise ValueError(f"unknown amr_ratio {ratio!r}: numbers, or one of {tuple(MOVING_RATIOS)}")
    if not weight:
        raise ValueError(f"amr_ratio={ratio!r} has no effect without AMR: amr_weight is 0")


def check_ratio_is_moved(model: Any, callbacks: Sequence[Any]) -> None:
    """Refuses to train towards a ratio that a callback has to find if there is no such callback.

    Raises:
        ValueError: The callback is missing; the message names it.
    """
    if model.moving_ratio is None:
        return
    if not any(getattr(callback, "kind", "") == model.amr_ratio for callback in callbacks):
        name = MOVING_RATIOS[model.amr_ratio]
        raise ValueError(
            f"amr_ratio={model.amr_ratio!r} is found on validation clips while training goes on: "
            f"give fit callbacks=[amr_tf.ratios.{name}(...)]"
        )


def check_class_weight(task: Task, weights: Any) -> None:
    """Refuses class weights where samples don't have one class each: Keras would accept them.

    Raises:
        ValueError: Class weights are given.
    """
    if weights is not None and not task.one_class:
        raise ValueError(
            f"class_weight weighs samples by their one class, and the task is {task.name}: give "
            "sample_weight"
        )


def check_metrics(given: Any, taken: Sequence[str]) -> list[keras.metrics.Metric]:
    """The user's own metrics, without the name `accuracy`, which the model has anyway.

    Args:
        given: Sequence of metrics, one of them, or None.
        taken: Strings, the names of the model's own metrics.

    Raises:
        ValueError: One of them is not a metric, or has the name of one of the model's.
    """
    given = [given] if isinstance(given, str | keras.metrics.Metric) else given or ()
    metrics = [metric for metric in given if metric not in ("accuracy", "acc")]
    for metric in metrics:
        if not isinstance(metric, keras.metrics.Metric):
            raise ValueError(
                "metrics are objects that compare class ids [B] with probabilities [B, C] (labels "
                "with predictions of another task), e.g. "
                f"keras.metrics.SparseTopKCategoricalAccuracy(5), got {metric!r}"
            )
        if metric.name in taken:
            raise ValueError(
                f"the model has a metric {metric.name!r} already: give yours another name="
            )
    return metrics


def check_parts_of_batch(parts: int, encoders: Mapping[str, Any]) -> None:
    """Refuses encoders that can't take a batch in several parts.

    Raises:
        ValueError: There is less than one part, or a layer's random draws can't be repeated.
    """
    if parts < 1:
        raise ValueError(f"accumulate is 1 or more, got {parts}")
    for name, encoder in encoders.items() if parts > 1 else ():
        for layer in _compat.unrepeatable_layers(encoder):
            raise ValueError(
                f"accumulate={parts} runs encoders twice, and {layer.name} of the {name} encoder "
                "draws anew each time: take amr_tf.layers.StatelessDropout"
            )
