"""A small classifier to serve, and clips for it, encoded and not."""

import io

import numpy as np
from PIL import Image

import amr_tf
from amr_tf import encoders
from amr_tf.modalities import AudioConfig, FeaturesLayer, VideoConfig
from amr_tf.serving.encoded_media import raw_of_files

AUDIO = AudioConfig(sample_rate=2000, seconds=0.5, fft_length=64, hop=32)
VIDEO = VideoConfig(frames=2, size=16)
INPUTS = {"audio": AUDIO, "video": VIDEO}
CLASSES = ("bird chirping, tweeting", "dog bark", "été")


def small_model(modalities=("audio", "video")):
    shapes = {"audio": AUDIO.shape, "video": VIDEO.shape}
    parts = {m: encoders.build_encoder("small", m, shapes[m]) for m in modalities}
    head = amr_tf.heads.concat([p.output_shape[1:] for p in parts.values()], 3)
    features = {m: FeaturesLayer(INPUTS[m]) for m in modalities}
    return amr_tf.MultimodalClassifier(parts, head, features=features)


def jpeg(pixels):
    """The JPEG file of uint8 `[H, W, 3]`."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def pixels(rng, *shape):
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


def of_media(audio, frames, inputs=None):
    """A model's raw inputs of WAV and JPEG files."""
    return raw_of_files({"audio": audio, "video": frames}, INPUTS if inputs is None else inputs)
