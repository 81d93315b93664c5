"""Kinds of inputs: what a record stores of a clip -> what an encoder takes.

A new kind is a file with one subclass of `Modality` and a line below.
"""

from amr_tf._registry import Registry
from amr_tf.modalities.audio import AudioConfig
from amr_tf.modalities.base import Augment, Modality
from amr_tf.modalities.features import FeaturesConfig
from amr_tf.modalities.video import VideoConfig

MODALITIES: Registry[type[Modality]] = Registry("kind of modality")
for _kind in (AudioConfig, VideoConfig, FeaturesConfig):
    MODALITIES.register(_kind.kind, _kind)

__all__ = ["MODALITIES", "AudioConfig", "Augment", "FeaturesConfig", "Modality", "VideoConfig"]
