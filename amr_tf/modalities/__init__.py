"""Kinds of inputs: what a record stores of a clip -> what an encoder takes.

A new kind is a file with one subclass of `Modality` and a line below; a user's own is registered by
`register_modality`.
"""

from amr_tf.modalities.audio import AudioConfig
from amr_tf.modalities.base import Augment, Modality
from amr_tf.modalities.corruption import Corruption
from amr_tf.modalities.features import FeaturesConfig
from amr_tf.modalities.image import ImageConfig
from amr_tf.modalities.layer import FeaturesLayer
from amr_tf.modalities.panel import Bars, Image, Panel
from amr_tf.modalities.registry import MODALITIES, register_modality, restored
from amr_tf.modalities.text import TextConfig
from amr_tf.modalities.video import VideoConfig

for _kind in (AudioConfig, VideoConfig, ImageConfig, TextConfig, FeaturesConfig):
    register_modality(_kind)

__all__ = [
    "MODALITIES",
    "AudioConfig",
    "Augment",
    "Bars",
    "Corruption",
    "FeaturesConfig",
    "FeaturesLayer",
    "Image",
    "ImageConfig",
    "Modality",
    "Panel",
    "TextConfig",
    "VideoConfig",
    "register_modality",
    "restored",
]
