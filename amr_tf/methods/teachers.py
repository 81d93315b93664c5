"""Trained unimodal models, frozen, as part of the model that learns from them."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from amr_tf.methods.base import TEACHERS, Context, Method


class TaughtMethod(Method):
    """The base of methods whose encoders learn from those of unimodal teachers.

    Args:
        teachers: Mapping, modality -> trained `MultimodalClassifier` of that modality alone (or
            what `teacher` makes of it).
    """

    same_encoders = True
    requires = (TEACHERS,)
    min_modalities = 2

    def __init__(self, teachers: Mapping[str, keras.Model] | None = None) -> None:
        self.teachers = {m: teacher(model) for m, model in (teachers or {}).items()}

    def build(self, model: Any) -> None:
        """Gives the model the teachers, so that they are saved with it and needed only once.

        Raises:
            ValueError: A teacher is missing, or doesn't have the student's sizes.
        """
        missing = [m for m in model.modalities if m not in self.teachers]
        if missing:
            raise ValueError(
                f"{type(self).__name__} needs a trained unimodal model for {', '.join(missing)}: "
                f"{type(self).__name__}(teachers={{'audio': model, ...}}), "
                "or --teachers=audio=DIR,video=DIR"
            )
        inputs = getattr(model.head, "inputs", None) or []
        for m, e in zip(model.modalities, inputs, strict=True):
            encoding, logits = self.teachers[m].output_shape
            _check_size(m, "encoding", encoding[1:], tuple(e.shape[1:]))
            _check_size(m, "logits", logits[1:], tuple(model.head.output_shape[1:]))
        for m in model.modalities:
            setattr(model, f"{m}_teacher", self.teachers[m])

    def taught(self, context: Context) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """The teachers' encodings, M tensors `[B, ...]`, and logits, M tensors `[B, C]`."""
        found = [
            getattr(context.model, f"{m}_teacher")(context.inputs[m], training=False)
            for m in context.model.modalities
        ]
        encodings, logits = zip(*found, strict=True)
        return [tf.stop_gradient(e) for e in encodings], [tf.stop_gradient(z) for z in logits]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the teachers' weights are the model's."""
        return {
            "teachers": {
                m: keras.saving.serialize_keras_object(model) for m, model in self.teachers.items()
            }
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TaughtMethod":
        """The method that `get_config` described."""
        restore = keras.saving.deserialize_keras_object
        teachers = {
            m: restore(model) if isinstance(model, Mapping) else model
            for m, model in config["teachers"].items()
        }
        return cls(**{**config, "teachers": teachers})


def teacher(model: keras.Model) -> keras.Model:
    """A frozen functional model, input -> (encoding, logits), of a trained unimodal classifier.

    Raises:
        ValueError: The classifier has several modalities.
    """
    modalities = getattr(model, "modalities", None)
    if modalities is None:
        return model  # is one already
    if len(modalities) != 1:
        raise ValueError(f"a teacher has one modality, this model has {', '.join(modalities)}")
    # copies: freezing the teacher must not freeze the model that the caller goes on with
    encoder, head = _copy(model.encoders[modalities[0]]), _copy(model.head)
    inputs = keras.Input(tuple(encoder.input_shape[1:]), dtype=encoder.inputs[0].dtype)
    encoding = encoder(inputs)
    out = keras.Model(inputs, [encoding, head([encoding])], name=f"{modalities[0]}_teacher")
    out.trainable = False
    return out


def _copy(model: keras.Model) -> keras.Model:
    copied = type(model).from_config(model.get_config())
    copied.set_weights(model.get_weights())
    return copied


def mean_square(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Mean over the features of the squared difference, `[B]` in float32 at least."""
    a, b = (tf.cast(x, tf.float32) if x.dtype.size < 4 else x for x in (a, b))
    return tf.reduce_mean(tf.square(a - b), axis=list(range(1, a.shape.rank)))


def divergence(student: tf.Tensor, wanted: tf.Tensor, temperature: float) -> tf.Tensor:
    """T^2 KL(s(wanted / T) || s(student / T)) of each sample's logits, `[B]` float32."""
    student = tf.nn.log_softmax(tf.cast(student, tf.float32) / temperature)
    wanted = tf.nn.log_softmax(tf.cast(wanted, tf.float32) / temperature)
    return temperature**2 * tf.reduce_sum(tf.exp(wanted) * (wanted - student), axis=-1)


def _check_size(modality: str, what: str, found: tuple, wanted: tuple) -> None:
    if tuple(found) != tuple(wanted):
        raise ValueError(
            f"the {modality} teacher's {what} {found} differ from the student's {wanted}: "
            "train it with the same encoder, width and classes"
        )
