"""Raw tensors -> features, as a layer of the model."""

import dataclasses
import zlib
from typing import Any

import keras
import tensorflow as tf

from amr_tf.modalities.base import Augment, Modality, fields_of
from amr_tf.modalities.registry import restored


@keras.saving.register_keras_serializable(package="amr_tf")
class FeaturesLayer(keras.layers.Layer):
    """Makes an encoder's input of raw tensors, on the device; in training changed at random.

    Example:
        >>> audio = amr_tf.modalities.AudioConfig(sample_rate=8_000, seconds=0.5)
        >>> layer = amr_tf.modalities.FeaturesLayer(audio)
        >>> layer(tf.zeros([2, 4_000], tf.int16)).shape  # [B, T, F, 1]
        TensorShape([2, 32, 129, 1])

    Args:
        modality: Modality, the kind of the raw tensors and their sizes.
        augment: Augment, what training changes; nothing by default.
        seed: Integer, the seed of the draws. Layers of one seed draw alike: frames and their
            optical flow are mirrored together.
        **options: Options of `keras.layers.Layer`, e.g. `name`.
    """

    def __init__(
        self, modality: Modality, augment: Augment | None = None, seed: int = 0, **options: Any
    ) -> None:
        # features are made in float32 whatever the policy: encoders cast them
        super().__init__(**{**options, "dtype": "float32", "autocast": False})
        self.modality = modality
        self.augment = augment
        self.seed = seed
        self.built = True

    @property
    def draw_seed(self) -> int:
        """The seed of the draws: modalities of one kind share theirs."""
        return zlib.crc32(f"{self.seed} {self.modality.kind}".encode()) % 2**31

    @property
    def draws(self) -> int:
        """The number of uniform draws that the layer needs for each sample in training."""
        return 0 if self.augment is None else self.modality.draws(self.augment)

    def call(self, raw: tf.Tensor, draws: tf.Tensor | None = None) -> tf.Tensor:
        """Makes features.

        Args:
            raw: Tensor `[B, ...]`, of the modality's raw shape and type.
            draws: Tensor `[B, K]` float32, uniform in [0, 1), by which training changes the
                features; None if it does not.

        Returns:
            `[B, *shape]`.
        """
        features = self.modality.features(raw)
        if draws is None or self.augment is None:
            return features
        return self.modality.augmented(features, self.augment, draws)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The shape of the features."""
        return (input_shape[0], *self.modality.shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON has them."""
        return super().get_config() | {
            "input": self.modality.describe(),
            "augment": None if self.augment is None else dataclasses.asdict(self.augment),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FeaturesLayer":
        """The layer that `get_config` described."""
        described, augment = config.pop("input"), config.pop("augment")
        if augment is not None:
            augment = Augment(**fields_of(Augment, augment))
        return cls(restored(described), augment, **config)
