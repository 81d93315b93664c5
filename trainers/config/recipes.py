"""Published recipes and presets, as what differs from the defaults of `Config`."""

from typing import Any

# The published recipes are those of OGM-GE's code
# (Peng et al. 2022): ResNet-18 from scratch, one linear layer on the concatenation.
_OGM = {
    "audio_encoder": "resnet18", "video_encoder": "resnet18", "optimizer": "sgd",
    "learning_rate": 0.001, "momentum": 0.9, "weight_decay": 1e-4, "schedule": "step",
    "epochs": 100, "batch_size": 64, "frame_size": 224, "crop_scale": 0.08,
}  # fmt: skip
RECIPES: dict[str, dict[str, Any]] = {
    "demo": {},
    "ogm_cremad": {
        **_OGM, "dataset": "cremad", "audio_rate": 22_050, "audio_seconds": 3.0,
        "tile_seconds": 3.0, "fft_length": 512, "hop": 353, "frames": 1,
    },
    "ogm_vggsound": {
        **_OGM, "dataset": "vggsound", "audio_rate": 16_000, "audio_seconds": 5.0,
        "tile_seconds": 10.0, "fft_length": 256, "hop": 128, "frames": 3,
    },
}  # fmt: skip
# Half of the clips in batches of half the size: as many steps as the full preset.
PRESETS: dict[str, dict[str, Any]] = {"full": {}, "quick": {"batch_size": 32}}
