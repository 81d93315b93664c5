"""UMT (Du et al. 2021): unimodal teachers keep the encoders from starving."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf.methods.base import ANY_TASK, TEACHERS, Context, Method
from amr_tf.methods.branches import modality_logits

UMT_TARGETS = ("encodings", "predictions")


@keras.saving.register_keras_serializable(package="amr_tf")
class UMT(Method):
    """Uni-modal teachers (arXiv 2106.11059, section 4).

    Teachers are unimodal models, trained to the end and frozen, in inference mode on the same
    augmented input. The loss is

        CE(z, y) + weight sum_m mean |e^m - teacher^m(x^m)|^2 / D_m            target `encodings`
        CE(z, y) + weight T^2 sum_m mean KL(s(t^m / T) || s(z^m / T))          target `predictions`

    means over the global batch, s the softmax, t^m the teacher's logits, z^m the modality's part
    of the fused logits: exact for the sum head and a linear head on the concatenation, for
    others by replacing the other encodings by their batch mean. The AMR paper words UMT as the
    latter. Samples that lack modality m don't enter its term.

    Example:
        >>> teachers = {"audio": audio_model, "video": video_model}
        >>> method = amr_tf.methods.UMT(teachers, weight=10.0)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        teachers: Mapping, modality -> trained `MultimodalClassifier` of that modality alone (or
            what `teacher` makes of it).
        weight: Number, the weight of the distillation; 50 as published for VGGSound. 0 is naive
            fusion.
        target: String, `encodings` or `predictions`.
        temperature: Number, T of the predictions.

    Raises:
        ValueError: A negative weight, a temperature that isn't positive, an unknown target.
    """

    help = "encoders stay near those of unimodal teachers (Du 2021)"
    same_encoders = True
    requires = (TEACHERS,)
    flags = MappingProxyType({"umt_target": "target"})
    min_modalities = 2
    tasks = ANY_TASK

    def __init__(
        self,
        teachers: Mapping[str, keras.Model] | None = None,
        weight: float = 50.0,
        target: str = "encodings",
        temperature: float = 1.0,
    ) -> None:
        if weight < 0:
            raise ValueError(f"weight is zero or positive, got {weight}")
        if temperature <= 0:
            raise ValueError(f"temperature is positive, got {temperature}")
        if target not in UMT_TARGETS:
            raise ValueError(f"unknown target {target!r}: choose one of {', '.join(UMT_TARGETS)}")
        self.teachers = {m: teacher(model) for m, model in (teachers or {}).items()}
        self.weight = weight
        self.target = target
        self.temperature = temperature

    def check_task(self, task: str) -> None:
        """Refuses to compare predictions that are no classes'.

        Raises:
            ValueError: The task has no classes, and predictions are to be compared.
        """
        super().check_task(task)
        if self.target == "predictions" and not Method.suits(task):
            raise ValueError(
                f"UMT(target='predictions') compares softmax predictions, and the task is {task}: "
                "take target=encodings"
            )

    def build(self, model: Any) -> None:
        """Gives the model the teachers, so that it is saved with them and trains on alone.

        Raises:
            ValueError: A teacher is missing, or it isn't of the student's sizes.
        """
        missing = [m for m in model.modalities if m not in self.teachers]
        if missing:
            raise ValueError(
                f"UMT needs a trained unimodal model for {', '.join(missing)}: "
                "UMT(teachers={'audio': model, ...}), or --teachers=audio=DIR,video=DIR"
            )
        inputs = getattr(model.head, "inputs", None) or []
        for m, e in zip(model.modalities, inputs, strict=True):
            encoding, logits = self.teachers[m].output_shape
            self._check_size(m, "encoding", encoding[1:], tuple(e.shape[1:]))
            self._check_size(m, "logits", logits[1:], tuple(model.head.output_shape[1:]))
        for m in model.modalities:
            setattr(model, f"{m}_teacher", self.teachers[m])

    def loss(self, context: Context) -> tf.Tensor:
        """Cross-entropy and the distance from the teachers."""
        wanted = [
            getattr(context.model, f"{m}_teacher")(context.inputs[m], training=False)
            for m in context.model.modalities
        ]
        if self.target == "encodings":
            pairs = zip(context.encodings, [e for e, _ in wanted], strict=True)
            distances = [_mean_square(e, tf.stop_gradient(t)) for e, t in pairs]
        else:
            pairs = zip(modality_logits(context), [z for _, z in wanted], strict=True)
            distances = [self._divergence(z, tf.stop_gradient(t)) for z, t in pairs]
        losses = [context.mean(context.present(m, d)) for m, d in enumerate(distances)]
        return super().loss(context) + self.weight * tf.add_n(losses)

    def _divergence(self, student: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        """T^2 KL(teacher || student) of each sample, `[B]` float32."""
        student = tf.nn.log_softmax(tf.cast(student, tf.float32) / self.temperature)
        wanted = tf.nn.log_softmax(tf.cast(wanted, tf.float32) / self.temperature)
        divergence = tf.reduce_sum(tf.exp(wanted) * (wanted - student), axis=-1)
        return self.temperature**2 * divergence

    def _check_size(self, modality: str, what: str, found: tuple, wanted: tuple) -> None:
        if tuple(found) != tuple(wanted):
            raise ValueError(
                f"the {modality} teacher's {what} {found} differ from the student's {wanted}: "
                "train it with the same encoder, width and classes"
            )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the teachers' weights are the model's."""
        return {
            "teachers": {
                m: keras.saving.serialize_keras_object(model) for m, model in self.teachers.items()
            },
            "weight": self.weight,
            "target": self.target,
            "temperature": self.temperature,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "UMT":
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


def _mean_square(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Mean over the features of the squared difference, `[B]` in float32 at least."""
    a, b = (tf.cast(x, tf.float32) if x.dtype.size < 4 else x for x in (a, b))
    return tf.reduce_mean(tf.square(a - b), axis=list(range(1, a.shape.rank)))
