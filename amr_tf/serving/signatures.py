"""The functions that a served classifier offers, made only of core TensorFlow operations.

    serving_default   for each modality its raw tensors -> probabilities [B, C], class_id [B],
                      label [B], shares [B, M]
    serving_media     for each modality its files' bytes, of any size -> the same, and error [B]
    explain           as serving_default -> the same, shares_logit [B, M], and for each modality
                      attribution_<modality> [B, D]: Grad⊙Input of its encoding's D features

Inputs are named after the modalities. What a client sends of a modality depends on its kind:

               serving_default, explain           serving_media
    audio      int16 [B, samples]                 string [B], WAV files
    video      uint8 [B, frames, size, size, 3]   string [B, T], JPEG files
    image      uint8 [B, size, size, 3]           string [B], JPEG files
    text       int32 [B, length]                  string [B], the texts
    features   float32 [B, ...]                   the same

Other tasks than one class a clip (`amr_tf.tasks`) have, instead of the class: with
`multilabel` predicted [B, C], booleans, and labels [B], their names separated by `|`; with
`regression` only values [B, K]. Those have the shares of the target that their task reports, and
no shares_logit.

They are the tensors that the model was trained on: `amr_tf.modalities` says how to cut them. A
model of one modality has no shares. Attributions stop at the encodings, where the shares are made,
which costs a pass through the head; back to the pixels would cost two more passes through the
encoders, and `amr_tf.analysis.explanation` does that.

A clip that cannot be answered (a broken file, another sample rate, nothing at all) spoils no other
of its batch: `error` says why, and is "" where all is well. Its probabilities and shares are 0, for
JSON has no NaN, its class_id is -1, its label "", and no label is predicted.
"""

import functools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from amr_tf import _compat
from amr_tf._functions import graph_of
from amr_tf._presence import kept
from amr_tf.attribution import attribute, attribution_shares, flattened
from amr_tf.modalities import Modality
from amr_tf.model import MultimodalClassifier
from amr_tf.serving.encoded_media import read_files

SIGNATURES = ("serving_default", "serving_media", "explain")


class ServedClassifier(tf.Module):
    """The classifier as functions of raw clips.

    Example:
        >>> modality = amr_tf.modalities.FeaturesConfig
        >>> kinds = {"audio": modality((5,)), "video": modality((7,))}
        >>> served = amr_tf.serving.ServedClassifier(model, ("a", "b", "c"), kinds)
        >>> served.signature("serving_default")(**inputs)["shares"].shape
        TensorShape([12, 2])

    Args:
        model: The classifier.
        classes: Strings, the class names by id.
        inputs: Mapping, modality -> its input, of those for which the model has no features layer.

    Raises:
        ValueError: The input of a modality is neither given nor the model's own, or there are
            more or fewer class names than the model has classes.
    """

    def __init__(
        self,
        model: MultimodalClassifier,
        classes: tuple[str, ...],
        inputs: Mapping[str, Modality] | None = None,
    ) -> None:
        super().__init__()
        there = getattr(model.head, "output_shape", (None, None))[-1]  # of a functional head
        if there not in (None, len(classes)):
            raise ValueError(f"{len(classes)} class names for the {there} classes of the model")
        # bound methods: a SavedModel would try to save a Keras model, its optimizers too
        self._encode, self._modalities = model.encode, model.modalities
        self._task = model.task
        self._attribute = functools.partial(attribute, model.head, score=self._task.target_score)
        # a tuple: tf.Module would wrap a dict, and lose its order when it is saved
        self._inputs = tuple(served_inputs(model, inputs).items())
        self.tables = [table for _, modality in self._inputs for table in modality.tables]
        self._classes = tf.constant(classes)
        # what predicts, and nothing that only training needs
        self.model_variables = _compat.tf_variables([*model.encoders.values(), model.head])

    def signature(self, name: str) -> Any:
        """A concrete function: keyword arguments -> named outputs.

        Args:
            name: String, one of `SIGNATURES`.
        """
        functions = {
            "serving_default": self._serve,
            "serving_media": self._serve_media,
            "explain": self._explain,
        }
        taken = {m: _input(m, modality, name == "serving_media") for m, modality in self._inputs}
        return graph_of(functions[name]).get_concrete_function(**taken)

    def _serve(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._answer(raw, 1)[0]

    def _serve_media(self, **files: tf.Tensor) -> dict[str, tf.Tensor]:
        raw, problems = read_files(files, dict(self._inputs))
        answer = self._answer(raw, 1)[0]
        return _unless(problems, answer) | {"error": problems}

    def _explain(self, **raw: tf.Tensor) -> dict[str, tf.Tensor]:
        out, attributions = self._answer(raw, len(self._task.reported))
        for name, alpha in zip(self._modalities, attributions, strict=True):
            out[f"attribution_{name}"] = tf.cast(flattened(alpha), tf.float32)
        return out

    def _features(self, raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {**raw, **{m: modality.features(raw[m]) for m, modality in self._inputs}}

    def _answer(
        self, inputs: dict[str, tf.Tensor], targets: int
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        """The outputs, with shares of the first targets, and the attributions of the first."""
        encodings = self._encode(self._features(inputs))
        chosen = self._task.reported[:targets]
        # the forward passes are one and the same: the graph keeps a single copy
        found = [self._attribute(encodings, target) for target in chosen]
        logits, attributions = found[0]
        out = self._task.answers(logits, self._classes)
        if len(encodings) > 1:
            pooled = [attribution_shares(alphas) for _, alphas in found]
            names = ["shares", *(f"shares_{target}" for target in chosen[1:])]
            out |= dict(zip(names, pooled, strict=True))
        return out, attributions


def served_inputs(
    model: MultimodalClassifier, inputs: Mapping[str, Modality] | None = None
) -> dict[str, Modality]:
    """Modality -> what a client sends of it, in the model's order.

    Args:
        model: The classifier, whose features layers know their inputs.
        inputs: Mapping, modality -> the input of those without a features layer.

    Raises:
        ValueError: An input is neither given nor the model's own, it is another than that, or there
            is no such modality.
    """
    strange = [name for name in inputs or {} if name not in model.modalities]
    if strange:
        raise ValueError(
            f"inputs: the model has no {', '.join(strange)}: it has {', '.join(model.modalities)}"
        )
    own = {name: layer.modality for name, layer in model.features_layers.items()}
    found = {**own, **(inputs or {})}
    missing = [name for name in model.modalities if name not in found]
    if missing:
        raise ValueError(
            f"what a client sends of {', '.join(missing)} is not known: give inputs="
            "{name: amr_tf.modalities.FeaturesConfig(shape), ...}, or the model features layers"
        )
    other = [name for name, modality in own.items() if found[name] != modality]
    if other:
        raise ValueError(f"the model has features layers of other inputs for {', '.join(other)}")
    return {name: found[name] for name in model.modalities}


def _unless(problems: tf.Tensor, answer: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The answers; those to clips with a problem become values that cannot be answers."""
    fine = problems == ""
    return {name: _where(fine, x) for name, x in answer.items()}


def _where(fine: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """`x` `[B, ...]` where it is fine, else 0, "", False, or -1 for a class id."""
    if x.dtype == tf.string or x.dtype.is_integer:
        return tf.where(fine, x, "" if x.dtype == tf.string else -1)
    return kept(x, fine)


def _input(name: str, modality: Modality, files: bool) -> tf.TensorSpec:
    spec = modality.file_input if files else modality.raw
    shape = spec.shape if files else [None, *spec.shape]
    return tf.TensorSpec(shape, spec.dtype, name)
