"""Audio only, video only, text only: a model of one modality, the yardstick of every fusion."""

from typing import Any

import keras

from amr_tf.methods.base import ANY_TASK, Method


@keras.saving.register_keras_serializable(package="amr_tf")
class Unimodal(Method):
    """One encoder and a head on its encoding; no dominance, hence no AMR.

    Example:
        >>> method = amr_tf.methods.Unimodal("audio")
        >>> method.modalities(("audio", "video"))  # those of the model to be made
        ('audio',)
        >>> unimodal_head = amr_tf.heads.concat([(4,)], num_classes=3)
        >>> alone = {"audio": encoders["audio"]}
        >>> model = amr_tf.MultimodalClassifier(alone, unimodal_head, method)

    Args:
        modality: String, the modality to keep, e.g. `audio`.
    """

    help = "one modality alone"
    tasks = ANY_TASK

    def __init__(self, modality: str) -> None:
        self.modality = modality

    def modalities(self, available: tuple[str, ...]) -> tuple[str, ...]:
        """The one modality.

        Raises:
            ValueError: It is not among the available ones.
        """
        if self.modality not in available:
            raise ValueError(f"no modality {self.modality!r}: there are {', '.join(available)}")
        return (self.modality,)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"modality": self.modality}
