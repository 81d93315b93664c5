"""G2D (Rakib and Bagavathi 2025): unimodal teachers, and encoders that learn one after another."""

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution
from amr_tf._tape import Tape
from amr_tf.methods.base import Context
from amr_tf.methods.branches import true_probability
from amr_tf.methods.rates import encoder_of, scaled
from amr_tf.methods.teachers import TaughtMethod, divergence, mean_square


@keras.saving.register_keras_serializable(package="amr_tf")
class G2D(TaughtMethod):
    """Gradient-guided distillation (ICCV 2025, arXiv 2506.21514).

    Teachers are unimodal models, trained to the end and frozen, in inference mode on the same
    augmented input. With their encodings f^m and logits t^m the loss is

        CE(z, y) + feature_weight sum_m mean |e^m - f^m|^2 / D_m
                 + logit_weight T^2 sum_m mean KL(s(t^m / T) || s(z / T))

    means over the global batch, s the softmax: the fused model learns from each teacher's
    prediction, unlike UMT, where the modality's part of it does. Training begins with phases in
    which one encoder learns and the gradients of the others are multiplied by 0 (sequential
    modality prioritisation): that of the weakest modality in the first phase, of the second weakest
    in the second, and so on; then all learn. The strength of a modality is its teacher's mean
    probability of the true class, over the samples of the global batch that have it, anew in each
    step. The head learns throughout. It works with any head; samples that lack modality m don't
    enter its terms.

    *What was verified.* Loss and phases were read in the code and in notes on the paper, whose text
    was not at hand: the numbers of its equations are not given, and how many phases it has for more
    than two modalities is not verified. The paper writes the sum of squares, its code takes the
    mean over the features, which is taken here, since only that is published with its weight of 1.
    The code stops only convolution kernels; here it is all of an encoder's parameters. Momentum,
    weight decay and batch normalisation's averages go on in an encoder without gradients.

    Example:
        >>> teachers = {"audio": audio_model, "video": video_model}
        >>> method = amr_tf.methods.G2D(teachers, phases=(10,))
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        teachers: Mapping, modality -> trained `MultimodalClassifier` of that modality alone (or
            what `teacher` makes of it).
        phases: Sequence of at most M integers, the epochs of each phase, or text such as `10:5`,
            or one integer; empty for none. 150 (of 300 epochs) as published for CREMA-D.
        feature_weight: Number, the weight of the encodings' distances, 1 as published.
        logit_weight: Number, the weight of the predictions' divergences, 1 as published. Both 0
            without phases are naive fusion.
        temperature: Number, T of the predictions, 1 as published.

    Raises:
        ValueError: A negative weight, phases that are not numbers of epochs, or a temperature that
            isn't positive.
    """

    help = "unimodal teachers, and the weakest encoder learns alone first (Rakib 2025)"
    # half of the epochs, as published
    recipe_options = MappingProxyType({"ogm_cremad": {"phases": "50"}})
    demo_options = "phases=8"

    def __init__(
        self,
        teachers: Mapping[str, keras.Model] | None = None,
        phases: Sequence[int] | str | int = (150,),
        feature_weight: float = 1.0,
        logit_weight: float = 1.0,
        temperature: float = 1.0,
    ) -> None:
        if feature_weight < 0 or logit_weight < 0:
            raise ValueError(
                "feature_weight and logit_weight are zero or positive, "
                f"got {feature_weight} and {logit_weight}"
            )
        if temperature <= 0:
            raise ValueError(f"temperature is positive, got {temperature}")
        super().__init__(teachers)
        self.phases = _epochs(phases)
        self.feature_weight = feature_weight
        self.logit_weight = logit_weight
        self.temperature = temperature

    def build(self, model: Any) -> None:
        """Gives the model the teachers.

        Raises:
            ValueError: A teacher is missing or not of the student's sizes, or there are more phases
                than modalities.
        """
        super().build(model)
        if len(self.phases) > len(model.modalities):
            raise ValueError(
                f"G2D: {len(self.phases)} phases for the {len(model.modalities)} modalities "
                f"{', '.join(model.modalities)}"
            )

    def loss(self, context: Context) -> tf.Tensor:
        """Cross-entropy, and the distances from the teachers' encodings and predictions."""
        encodings, logits = self.taught(context)
        context.extras["teachers"] = logits
        total = super().loss(context)
        for m, (f, t) in enumerate(zip(encodings, logits, strict=True)):
            if self.feature_weight:
                distance = context.present(m, mean_square(context.encodings[m], f))
                total += self.feature_weight * context.mean(distance)
            if self.logit_weight:
                away = context.present(m, divergence(context.logits, t, self.temperature))
                total += self.logit_weight * context.mean(away)
        return total

    def gradients(self, context: Context, loss: tf.Tensor, tape: Tape, variables: list) -> list:
        """The gradients of the loss; within a phase, those of one encoder and the head."""
        gradients = super().gradients(context, loss, tape, variables)
        if not self.phases:
            return gradients
        factors = self.factors(self._strengths(context), context.epoch)
        return scaled(gradients, encoder_of(context.model, variables), factors)

    def factors(self, strengths: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        """The encoders that learn in an epoch, `[M]` float32 of 0 and 1.

        Args:
            strengths: Tensor `[M]`, the modalities' strengths.
            epoch: Integer scalar, the epoch.
        """
        ends = tf.constant(list(itertools.accumulate(self.phases)), tf.int64)
        phase = tf.reduce_sum(tf.cast(tf.cast(epoch, tf.int64) >= ends, tf.int32))
        rank = tf.argsort(tf.argsort(strengths, stable=True))  # 0 is the weakest
        alone = tf.cast(rank == phase, tf.float32)
        return tf.where(phase < len(self.phases), alone, tf.ones_like(alone))

    def _strengths(self, context: Context) -> tf.Tensor:
        """Each teacher's mean probability of the true class, `[M]`; 1 where nobody has an input."""
        chosen = [
            context.present(m, true_probability(context.labels, t))
            for m, t in enumerate(context.extras["teachers"])
        ]
        sums = [tf.reduce_sum(tf.stack(chosen), axis=1), tf.reduce_sum(context.presence, axis=0)]
        total, count = distribution.global_sum(sums)
        return tf.where(count > 0, total / tf.maximum(count, 1.0), 1.0)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "phases": list(self.phases),
            "feature_weight": self.feature_weight,
            "logit_weight": self.logit_weight,
            "temperature": self.temperature,
        }


def _epochs(phases: Sequence[int] | str | int) -> tuple[int, ...]:
    """The epochs of each phase, also from text such as `10:5`."""
    parts: Sequence[Any] = ()
    if not isinstance(phases, str | int):
        parts = phases
    elif phases != "":  # a single number comes so from a command
        parts = str(phases).split(":")
    try:
        found = tuple(int(part) for part in parts)
    except ValueError as error:
        raise ValueError(f"phases are numbers of epochs, e.g. 10:5, got {phases}") from error
    if any(epochs < 0 for epochs in found):
        raise ValueError(f"phases are zero or positive, got {phases}")
    return found
