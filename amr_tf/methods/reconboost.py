"""ReconBoost (Hua et al. 2024): modalities are trained in turn, each on what the others miss."""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf import distribution, heads
from amr_tf._tape import Tape
from amr_tf.attribution import at_least_float32
from amr_tf.methods.base import Context, Method, cross_entropy
from amr_tf.methods.branches import encoding_shapes, linear_logits, true_probability

JOINT = "joint"


@keras.saving.register_keras_serializable(package="amr_tf")
class ReconBoost(Method):
    """Boosting of modalities in turn, and of all together (ICML 2024, arXiv 2405.09321).

    The logits are a sum of unimodal networks, z = sum_m u^m. Training goes in stages: in stage s
    modality m = s mod M learns for `stage_epochs` epochs, its encoder and its branch of the head
    and nothing else, then for `joint_epochs` all learn together by CE(z, y) (the global
    rectification scheme). With q = softmax(sum of the other u^j), taken as a constant,

        L^m = mean_i (1 - weight q_i[y_i]) CE(u_i^m, y_i) + align mean_i,k (p_ik^m - p_ik^j)^2

    so that it learns most from the samples that the others get wrong (reconcilement, which with
    the KL divergence is gradient boosting's residual), and stays with the network j of the stage
    before (memory consolidation; p = softmax(u), p^j constant; from the second stage on).

    The published code takes the first part 5 / C times: its terms, of weights 5 and 1, are means
    over the C classes. It detaches both sides of the second, which then trains nothing; its
    networks share a head of two layers, begin with pretrained encoders, and their sum has a factor
    that is learnt too. Here each modality has a linear branch (the head `sum`), and nothing is
    pretrained. The paper's own numbers of equations are not given, because it was not at hand.

    AMR's optimizer trains the head in each step, whoever's turn it is; what its wider scopes would
    move in an encoder waits for the encoder's turn. Samples that lack modality m are left out of
    its loss, and count as 0 where the others are summed.

    Example:
        >>> method = amr_tf.methods.ReconBoost(stage_epochs=1, joint_epochs=1)
        >>> encoders, own_head = method.parts(("audio", "video"), lambda: (encoders, head))
        >>> model = amr_tf.MultimodalClassifier(encoders, own_head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, epochs=4, verbose=0)
        >>> model.method.phase  # audio's turn, all, video's turn, all
        'joint'

    Args:
        stage_epochs: Integer, the epochs of a turn, 4 as published; at 0 there are no turns, and
            it is naive fusion.
        joint_epochs: Integer, the epochs after it in which all learn, 4 as published.
        weight: Number in [0, 1], how much less a sample counts that the others get right; 0.2 as
            published.
        align: Number, the weight of the memory consolidation, 0.5 as published.
        seed: Integer, the seed of the head's initial weights.

    Raises:
        ValueError: Negative numbers of epochs or none at all, a weight outside of [0, 1], or a
            negative `align`.
    """

    help = "trains modalities in turn on what the others miss; it has its own head (Hua 2024)"
    demo_options = "stage_epochs=1,joint_epochs=1"
    recipe_options = MappingProxyType({"ogm_cremad": {"weight": 0.2, "align": 0.5}})
    min_modalities = 2

    def __init__(
        self,
        stage_epochs: int = 4,
        joint_epochs: int = 4,
        weight: float = 0.2,
        align: float = 0.5,
        seed: int = 0,
    ) -> None:
        if min(stage_epochs, joint_epochs) < 0 or stage_epochs + joint_epochs == 0:
            raise ValueError(
                "stage_epochs and joint_epochs are zero or positive, and not both zero, "
                f"got {stage_epochs} and {joint_epochs}"
            )
        if not 0 <= weight <= 1:
            raise ValueError(f"weight lies in [0, 1], got {weight}")
        if align < 0:
            raise ValueError(f"align is zero or positive, got {align}")
        self.stage_epochs = stage_epochs
        self.joint_epochs = joint_epochs
        self.weight = weight
        self.align = align
        self.seed = seed

    def parts(
        self, modalities: Sequence[str], build: Callable[[], tuple[dict, keras.Model]]
    ) -> tuple[dict[str, keras.Model], keras.Model]:
        """The caller's encoders, and a head with a linear branch for each of them.

        Raises:
            ValueError: The caller's head is not a functional model.
        """
        del modalities
        encoders, head = build()
        shapes = encoding_shapes(head, type(self).__name__)
        return encoders, heads.sum_branches(shapes, head.output_shape[-1], seed=self.seed)

    def build(self, model: Any) -> None:
        """Checks that the head has a branch for each modality.

        Raises:
            ValueError: It has no such branches.
        """
        if len(_branches(model)) != len(model.modalities):
            raise ValueError(
                "ReconBoost needs the head amr_tf.heads.sum_branches: make the model of "
                "encoders, head = method.parts(modalities, lambda: (encoders, head))"
            )

    def on_epoch_begin(self, model: Any, epoch: int) -> None:
        """Sets whose turn it is: `phase` is a modality's name, or `joint`."""
        stage, within = divmod(epoch, self.stage_epochs + self.joint_epochs)
        turn = model.modalities[stage % len(model.modalities)]
        self.phase = turn if within < self.stage_epochs else JOINT

    def loss(self, context: Context) -> tf.Tensor:
        """The loss of this phase."""
        names = context.model.modalities
        if self.phase not in names:
            return super().loss(context)
        m = names.index(self.phase)
        logits: Any = linear_logits(context.model.head, context.encodings)
        logits = [tf.where(context.presence[:, j, None] > 0, z, 0.0) for j, z in enumerate(logits)]
        own = at_least_float32(logits[m])
        others = tf.stop_gradient(tf.add_n([z for j, z in enumerate(logits) if j != m]))
        missed = 1 - self.weight * tf.cast(true_probability(context.labels, others), own.dtype)
        boosted = missed * cross_entropy(context.labels, own)
        before = tf.stop_gradient(tf.nn.softmax(tf.cast(logits[m - 1], own.dtype)))
        apart = tf.reduce_mean(tf.square(tf.nn.softmax(own) - before), axis=-1)
        apart *= context.presence[:, m - 1]
        later = context.epoch >= self.stage_epochs + self.joint_epochs
        align = tf.where(later, tf.cast(self.align, own.dtype), 0.0)
        return context.mean(context.present(m, boosted + align * apart))

    def updates(
        self, context: Context, loss: tf.Tensor, tape: Tape, variables: list
    ) -> Iterator[tuple[list, list]]:
        """One update, of the network whose turn it is, or of all."""
        model = context.model
        if self.phase in model.modalities:
            m = model.modalities.index(self.phase)
            parts = (model.encoders[self.phase], _branches(model)[m])
            variables = [v for part in parts for v in part.trainable_variables]
        gradients = distribution.sum_gradients(tape.gradient(loss, variables))
        yield gradients, variables

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "stage_epochs": self.stage_epochs,
            "joint_epochs": self.joint_epochs,
            "weight": self.weight,
            "align": self.align,
            "seed": self.seed,
        }


def _branches(model: Any) -> list[keras.layers.Layer]:
    """The linear branches of the head, in the modalities' order."""
    layers = getattr(model.head, "layers", [])
    return [layer for layer in layers if layer.name.startswith("logits_")]
