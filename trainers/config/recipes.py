"""Recipes and presets, as changes of the defaults of `Config`."""

from collections.abc import Mapping
from typing import Any

from tfrecords.datasets import DATASETS

# Fewer clips come in smaller batches: about as many steps as the full preset.
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"batch_size": 24},
    "half": {"batch_size": 32},
    "full": {},
}

# For words and other clips of about half a second: every frame, a fine spectrogram, encoders that
# keep the order of both. Chosen on the validation clips of real sets of short clips; frames aren't
# mirrored, as letters and digits may be what they show.
SHORT_CLIPS: dict[str, Any] = {
    "audio_encoder": "spectrogram_cnn",
    "video_encoder": "towers",
    "audio_seconds": 0.64,
    "fft_length": 512,
    "hop": 160,
    "frames": 16,
    "crop_scale": 0.9,
    "flip": False,
    "optimizer": "adamw",
    "learning_rate": 0.002,
    "weight_decay": 0.1,
    "epochs": 12,
    "batch_size": 32,
}


def recipes() -> dict[str, Mapping[str, Any]]:
    """Name -> flags: the defaults, short clips, and the published recipes of the data sets."""
    found: dict[str, Mapping[str, Any]] = {"demo": {}, "short_clips": SHORT_CLIPS}
    for name, dataset in DATASETS.items():
        for recipe, flags in dataset.recipes.items():
            found[recipe] = {**flags, "dataset": name}
    return found
