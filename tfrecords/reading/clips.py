"""One record -> one clip as the model takes it: what is stored, cut to the model's sizes.

A *stored* clip is what `tfrecords.schema.parse` gives: `label`, and modality -> tensors. A *cut*
clip has the model's sizes: `label`, modality -> raw tensor, and `presence`, modality -> 1.0 or 0.0.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from amr_tf.modalities import Augment, Modality
from amr_tf.modalities.pictures import decode_frames
from tfrecords.schema import StoredClip

CutClip = dict[str, Any]


def decode(clip: StoredClip) -> StoredClip:
    """Decodes the frames of a stored clip, so that it can be kept in memory."""
    return {
        name: decode_frames(stored) if isinstance(stored, dict) and "frames" in stored else stored
        for name, stored in clip.items()
    }


def cut_for_evaluation(clip: StoredClip, inputs: Mapping[str, Modality]) -> CutClip:
    """Cuts a clip without any random draw.

    Args:
        clip: Mapping, a stored clip.
        inputs: Mapping, modality -> the model's input.

    Returns:
        A cut clip.
    """
    cut = {name: modality.cut(clip[name]) for name, modality in inputs.items()}
    return {"label": clip["label"], **cut, "presence": _presence(clip, inputs)}


def cut_for_training(
    clip: StoredClip, inputs: Mapping[str, Modality], augment: Augment, key: tf.Tensor
) -> CutClip:
    """Cuts a clip at random.

    Args:
        clip: Mapping, a stored clip.
        inputs: Mapping, modality -> the model's input.
        augment: Augment, the random changes.
        key: Tensor `[2]` int64; every draw is a function of it. Modalities of one kind share their
            draws, so that frames and their optical flow are cut alike.

    Returns:
        A cut clip.
    """
    keys = tf.random.experimental.stateless_split(key, 3)
    cut = {name: m.cut_randomly(clip[name], augment, keys) for name, m in inputs.items()}
    return {"label": clip["label"], **cut, "presence": _presence(clip, inputs)}


def _presence(clip: StoredClip, inputs: Mapping[str, Modality]) -> dict[str, tf.Tensor]:
    return {name: tf.cast(m.present(clip[name]), tf.float32) for name, m in inputs.items()}
