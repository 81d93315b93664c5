"""DGL: detached fusion; each encoder learns from a head of its own."""

from typing import Any

import keras
import tensorflow as tf

from amr_tf.methods.base import ANY_TASK, Context, Method
from amr_tf.methods.branches import add_unimodal_heads, unimodal_losses


@keras.saving.register_keras_serializable(package="amr_tf")
class DGL(Method):
    """Disentangled gradient learning (Wei et al., ICCV 2025, arXiv 2507.10213).

    The fused head sees `stop_gradient(e^m)`: its loss trains only the head. Encoder m learns
    from a linear head of its own:

        loss = CE(f(sg(e^1), ..., sg(e^M)), y) + alpha sum_m CE(z^m, y)

    The fused head predicts. Samples that lack modality m don't enter its term.

    Example:
        >>> method = amr_tf.methods.DGL(alpha=5.0)
        >>> model = amr_tf.MultimodalClassifier(encoders, head, method)
        >>> model.compile(keras.optimizers.SGD(0.01))
        >>> history = model.fit(dataset, verbose=0)

    Args:
        alpha: Number, the weight of the unimodal losses, 4 to 5 as published; 0 leaves encoders
            untrained.
        seed: Integer, the seed of the unimodal heads' initial weights.

    Raises:
        ValueError: A negative alpha.
    """

    help = "encoders learn only from heads of their own (Wei 2025)"
    min_modalities = 2
    tasks = ANY_TASK

    def __init__(self, alpha: float = 4.0, seed: int = 0) -> None:
        if alpha < 0:
            raise ValueError(f"alpha is zero or positive, got {alpha}")
        self.alpha = alpha
        self.seed = seed

    def build(self, model: Any) -> None:
        """Makes the unimodal heads."""
        add_unimodal_heads(model, self.seed)

    def encodings(self, encodings: list[tf.Tensor], context: Context) -> list[tf.Tensor]:
        """Stops the gradient from the fused head to the encoders."""
        context.extras["encodings"] = encodings
        return [tf.stop_gradient(e) for e in encodings]

    def loss(self, context: Context) -> tf.Tensor:
        """The fused loss and alpha times the unimodal ones."""
        losses = unimodal_losses(context, context.extras["encodings"])
        return super().loss(context) + self.alpha * tf.add_n(losses)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha, "seed": self.seed}
