"""MLA (Zhang et al. 2024): modalities take turns at a head that they share."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from amr_tf import _compat, distribution
from amr_tf._presence import kept
from amr_tf._tape import Tape
from amr_tf.heads.common import Shapes, dense, flat_inputs, in_float32
from amr_tf.methods.base import Context, Method, cross_entropy
from amr_tf.methods.branches import encoding_shapes, flat_encodings


@keras.saving.register_keras_serializable(package="amr_tf")
class MLA(Method):
    """Multimodal learning with alternating unimodal adaptation (CVPR 2024, arXiv 2311.10707).

    One linear layer reads the encodings of every modality, all of one size D. In each step the
    modalities take turns at it, the encodings being those of the step's one forward pass:

        u^m   = W e^m + b,     L^m = CE(u^m, y),    encoder m and the layer are updated
        dL/dW <- P dL/dW
        P     <- P - k (P r)^T,    k = P r / (alpha + r^T P r),    r = mean of e^m

    P `[D, D]`, at first the identity, projects away from the mean encodings of earlier turns, so
    that a turn at the layer undoes little of what the others have learnt there. In use each
    modality counts the more, the surer it is of a sample:

        p = sum_m w^m softmax(u^m),    w^m = exp(-H^m) / sum_j exp(-H^j)

    with H^m the entropy of softmax(u^m); the head's logits are log p, and AMR's shares are of
    those. For M modalities the layer has M updates in a step, which count once in schedules.
    Samples that lack modality m are left out of its turn. AMR's optimizer trains the shared layer,
    in which no weight is one modality's own: a ratio costs more accuracy than with other heads.

    The published code never applies P: it looks for a parameter's name that its layer doesn't have.
    It would divide by a matrix, scale P to norm 1, and take the turn's own encodings into P before
    it is used; its alpha falls from 0.1 to 0.01 in each epoch. Its entropies are of softmaxes
    over the batch. Here alpha is constant, and P keeps what the recursion of recursive least
    squares gives it (Zeng et al. 2019, orthogonal weights modification). The paper's own numbers
    of equations are not given, because it was not at hand.

    The head is the method's own: `parts` makes it, and other heads are refused. Where encodings
    differ in size, `parts` gives the larger ones' encoders a linear layer to the least size.

    Example:
        >>> method = amr_tf.methods.MLA()
        >>> own_encoders, own_head = method.parts(("audio", "video"), lambda: (encoders, head))
        >>> model = amr_tf.MultimodalClassifier(own_encoders, own_head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        alpha: Number, how much of a direction is left to later turns: the less, the less.
        seed: Integer, the seed of the head's initial weights.

    Raises:
        ValueError: alpha is not positive.
    """

    help = "modalities take turns at a head that they share; it has its own (Zhang 2024)"
    min_modalities = 2

    def __init__(self, alpha: float = 0.1, seed: int = 0) -> None:
        if alpha <= 0:
            raise ValueError(f"alpha is positive, got {alpha}")
        self.alpha = alpha
        self.seed = seed

    def parts(
        self, modalities: Sequence[str], build: Callable[[], tuple[dict, keras.Model]]
    ) -> tuple[dict[str, keras.Model], keras.Model]:
        """The caller's encoders, as far as their encodings are of one size, and the shared head.

        Raises:
            ValueError: The caller's head is not functional, or an encoding that must be made
                smaller is not that of a functional encoder.
        """
        del modalities
        encoders, head = build()
        shapes = encoding_shapes(head, type(self).__name__)
        widths = [math.prod(n or 1 for n in shape) for shape in shapes]
        for (name, encoder), shape, width in zip(encoders.items(), shapes, widths, strict=True):
            if width > min(widths):
                encoders = encoders | {
                    name: _narrowed(name, encoder, shape, min(widths), self.seed)
                }
        shapes = [
            shape if width == min(widths) else (min(widths),)
            for shape, width in zip(shapes, widths, strict=True)
        ]
        return encoders, shared_head(shapes, head.output_shape[-1], self.seed)

    def build(self, model: Any) -> None:
        """Checks that the head is the method's, and makes P.

        Raises:
            ValueError: The head is another.
        """
        if not any(isinstance(layer, EntropyFusion) for layer in getattr(model.head, "layers", [])):
            raise ValueError(
                "MLA has a head of its own: make the model of "
                "encoders, head = method.parts(modalities, lambda: (encoders, head))"
            )
        size = _shared_layer(model).kernel.shape[0]
        model.projection = _compat.state(model, "projection", (size, size))
        model.projection.assign(np.eye(size, dtype=np.float32))

    def loss(self, context: Context) -> tf.Tensor:
        """The sum of the modalities' losses, before the first turn."""
        return tf.add_n([self._loss_alone(context, m) for m in range(len(context.encodings))])

    def updates(
        self, context: Context, loss: tf.Tensor, tape: Tape, variables: list
    ) -> Iterator[tuple[list, list]]:
        """One update a modality: of its encoder and the shared layer, as the others left it."""
        del loss, variables
        model = context.model
        shared = _shared_layer(model).trainable_variables
        for m, encoder in enumerate(model.encoders.values()):
            own = encoder.trainable_variables
            with Tape(_compat.loss_scale(model.optimizer)) as turn:
                turn.watch([context.encodings[m]])
                alone = self._loss_alone(context, m)
            *of_shared, upstream = turn.gradient(alone, [*shared, context.encodings[m]])
            of_encoder = tape.gradient([context.encodings[m]], own, [upstream])
            gradients = distribution.sum_gradients([*of_shared, *of_encoder])
            projection = tf.convert_to_tensor(model.projection)
            gradients[0] = tf.matmul(projection, tf.cast(gradients[0], projection.dtype))
            self._learn(context, m, projection)
            yield gradients, [*shared, *own]

    def _loss_alone(self, context: Context, m: int) -> tf.Tensor:
        logits = _shared_layer(context.model)(flat_encodings(context)[m])
        return context.mean(context.present(m, cross_entropy(context.labels, logits)))

    def _learn(self, context: Context, m: int, projection: tf.Tensor) -> None:
        """Takes modality m's mean encoding out of the directions that P leaves."""
        there = context.presence[:, m]
        encodings = tf.cast(flat_encodings(context)[m], projection.dtype)
        local = tf.reduce_sum(kept(tf.stop_gradient(encodings), there), axis=0)
        total, count = distribution.global_sum([local, tf.reduce_sum(there)])
        mean = tf.math.divide_no_nan(total, count)
        moved = tf.linalg.matvec(projection, mean)
        along = moved / (self.alpha + tf.reduce_sum(mean * moved))
        context.model.projection.assign(projection - along[:, None] * moved[None, :])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha, "seed": self.seed}


@in_float32
def shared_head(encoding_shapes: Shapes, num_classes: int, seed: int = 0) -> keras.Model:
    """One linear layer, `shared`, for every modality's encoding, and the entropies' weights.

    Args:
        encoding_shapes: Tuples of integers, the shapes of M encodings, of one flattened size.
        num_classes: Integer, the number of classes C.
        seed: Integer, the seed of the initial weights.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.
    """
    inputs, flat = flat_inputs(encoding_shapes, at_least=2, name="shared")
    layer = dense(num_classes, "shared", seed)
    logits = EntropyFusion(name="logits")([layer(x) for x in flat])
    return keras.Model(inputs, logits, name="head")


def _narrowed(
    name: str, encoder: Any, shape: tuple[int | None, ...], width: int, seed: int
) -> keras.Model:
    """An encoder with a linear layer behind it, to an encoding `[B, width]`."""
    if not getattr(encoder, "inputs", None):
        raise ValueError(
            f"MLA's modalities share a head: the encoding {shape} of {name} has to become one of "
            f"{width} features, for which its encoder must be a functional Keras model"
        )
    inputs, flat = flat_inputs([shape])
    narrow = keras.Model(inputs, dense(width, f"{name}_narrow", seed)(flat[0]))
    return keras.Model(encoder.inputs, narrow(encoder.outputs[0]), name=encoder.name)


@keras.saving.register_keras_serializable(package="amr_tf")
class EntropyFusion(keras.layers.Layer):
    """The log of the mean of M softmaxes, weighted by exp(-entropy): M `[B, C]` -> `[B, C]`."""

    def call(self, inputs: Sequence[tf.Tensor]) -> tf.Tensor:
        """The fused log-probabilities."""
        logs = tf.nn.log_softmax(tf.stack(list(inputs)))  # [M, B, C]
        entropy = -tf.reduce_sum(tf.exp(logs) * logs, axis=-1, keepdims=True)
        return tf.reduce_logsumexp(tf.nn.log_softmax(-entropy, axis=0) + logs, axis=0)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """That of one modality's logits."""
        return tuple(input_shape[0])


def _shared_layer(model: Any) -> keras.layers.Dense:
    return model.head.get_layer("shared")
