"""UMT (Du et al. 2021): unimodal teachers keep the encoders from starving."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf.methods.base import ANY_TASK, Context, Method
from amr_tf.methods.branches import modality_logits
from amr_tf.methods.teachers import TaughtMethod, divergence, mean_square

UMT_TARGETS = ("encodings", "predictions")


@keras.saving.register_keras_serializable(package="amr_tf")
class UMT(TaughtMethod):
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
    flags = MappingProxyType({"umt_target": "target"})
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
        super().__init__(teachers)
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

    def loss(self, context: Context) -> tf.Tensor:
        """Cross-entropy and the distance from the teachers."""
        encodings, logits = self.taught(context)
        if self.target == "encodings":
            pairs = zip(context.encodings, encodings, strict=True)
            distances = [mean_square(e, t) for e, t in pairs]
        else:
            pairs = zip(modality_logits(context), logits, strict=True)
            distances = [divergence(z, t, self.temperature) for z, t in pairs]
        losses = [context.mean(context.present(m, d)) for m, d in enumerate(distances)]
        return super().loss(context) + self.weight * tf.add_n(losses)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "weight": self.weight,
            "target": self.target,
            "temperature": self.temperature,
        }
