"""MMCosine (Xu et al. 2023): logits are a sum of cosines, one for each modality."""

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import keras
import tensorflow as tf

from amr_tf.heads.common import Shapes, flat_inputs, in_float32, own_seed
from amr_tf.layers import direction
from amr_tf.methods.base import Method
from amr_tf.methods.branches import encoding_shapes


@keras.saving.register_keras_serializable(package="amr_tf")
class MMCosine(Method):
    """Multi-modal cosine loss (ICASSP 2023, arXiv 2303.05338).

    Encodings and weights are normalised, modality by modality, and there is no bias:

        u_k^m = scale <e^m, W_k^m> / (|e^m| |W_k^m|),    z = sum_m u^m,    loss = CE(z, y)

    so that no modality leads by the length of its encodings or of its weights. An encoding of
    zeros, such as a sample has of a modality that it lacks, adds 0.

    A cosine does not change with the length of e^m: Grad⊙Input of its features sums to 0, and is 0
    where a single one is active. Of a sample of which that holds for all encodings, AMR's shares
    are those of rounding errors; it takes encodings of very few features.

    The head is the method's own: `parts` makes it, and other heads are refused. (The published
    code takes the cosines of a linear head's weights only in training, and validates with that
    head's own logits. Here the cosines predict.)

    Example:
        >>> method = amr_tf.methods.MMCosine(scale=10.0)
        >>> encoders, own_head = method.parts(("audio", "video"), lambda: (encoders, head))
        >>> model = amr_tf.MultimodalClassifier(encoders, own_head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        scale: Number, the largest part of a modality in a logit; 10 as published for CREMA-D.
        seed: Integer, the seed of the head's initial weights.

    Raises:
        ValueError: A scale that is not positive.
    """

    help = "logits are a sum of cosines; it has a head of its own (Xu 2023)"
    recipe_options = MappingProxyType({"ogm_cremad": {"scale": 10.0}})
    min_modalities = 2

    def __init__(self, scale: float = 10.0, seed: int = 0) -> None:
        if scale <= 0:
            raise ValueError(f"scale is positive, got {scale}")
        self.scale = scale
        self.seed = seed

    def parts(
        self, modalities: Sequence[str], build: Callable[[], tuple[dict, keras.Model]]
    ) -> tuple[dict[str, keras.Model], keras.Model]:
        """The caller's encoders, and a head of cosines instead of the caller's.

        Raises:
            ValueError: The caller's head is not a functional model.
        """
        del modalities
        encoders, head = build()
        shapes = encoding_shapes(head, type(self).__name__)
        return encoders, cosine_head(shapes, head.output_shape[-1], self.scale, self.seed)

    def build(self, model: Any) -> None:
        """Checks that the head is the method's.

        Raises:
            ValueError: The head is another.
        """
        if not any(isinstance(layer, CosineLogits) for layer in getattr(model.head, "layers", [])):
            raise ValueError(
                "MMCosine has a head of its own: make the model of "
                "encoders, head = method.parts(modalities, lambda: (encoders, head))"
            )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"scale": self.scale, "seed": self.seed}


@in_float32
def cosine_head(
    encoding_shapes: Shapes, num_classes: int, scale: float, seed: int = 0
) -> keras.Model:
    """A sum of scaled cosines, one layer `logits_<m>` for each modality.

    Args:
        encoding_shapes: Tuples of integers, the shapes of M encodings.
        num_classes: Integer, the number of classes C.
        scale: Number, what a cosine is multiplied by.
        seed: Integer, the seed of the initial weights.

    Returns:
        A functional model, list of M encodings `[B, ...]` -> logits `[B, C]` in float32.
    """
    inputs, flat = flat_inputs(encoding_shapes, at_least=2, name="cosine")
    logits = []
    for m, x in enumerate(flat):
        name = f"logits_{m}"
        logits.append(CosineLogits(num_classes, scale, own_seed(seed, name), name=name)(x))
    return keras.Model(inputs, keras.layers.Add(name="logits")(logits), name="head")


@keras.saving.register_keras_serializable(package="amr_tf")
class CosineLogits(keras.layers.Layer):
    """Scaled cosines with a weight vector for each class, `[B, D]` -> `[B, C]`.

    Args:
        units: Integer, the number of classes C.
        scale: Number, what a cosine is multiplied by.
        seed: Integer, the seed of the initial weights.
    """

    def __init__(self, units: int, scale: float, seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.scale = scale
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Makes the weights, `[C, D]`."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.units, input_shape[-1]),
            initializer=keras.initializers.GlorotUniform(seed=self.seed),
        )
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The cosines; 0, without a gradient, for an input or weights of zeros."""
        kernel = direction(tf.convert_to_tensor(self.kernel))
        return self.scale * tf.matmul(direction(inputs), kernel, transpose_b=True)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """One number for each class."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"units": self.units, "scale": self.scale, "seed": self.seed}
        return super().get_config() | own
