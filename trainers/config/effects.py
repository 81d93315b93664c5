"""Flags that have no effect on a run: given ones are refused with the reason, none is ignored."""

from collections.abc import Mapping
from typing import Any

from amr_tf.modalities import MODALITIES
from tfrecords.datasets import DEMO
from trainers.config.encoder_flags import named
from trainers.config.methods import method_of

_AMR = ("amr_ratio", "amr_scope", "amr_optimizer", "amr_learning_rate")
_FUSION = ("fusion", "hidden", "amr_target", "amr_measure", "amr_weight")
_TRAINING = (
    "optimizer", "learning_rate", "momentum", "weight_decay", "schedule", "epochs", "clip_norm",
    "class_weights", "accumulate", "crop_scale", "flip", "spec_augment_time",
    "spec_augment_freq", "nan", "checkpoint_minutes", "checkpoint_steps", "keep_checkpoints",
    "log_every", "jit_compile", "frozen", "data_service",
)  # fmt: skip
# flag -> the kinds of modalities that it is about
_KINDS = {
    "audio": (
        "audio_encoder", "audio_weights", "audio_rate", "audio_seconds", "tile_seconds",
        "fft_length", "hop", "spec_augment_time", "spec_augment_freq",
    ),
    "video": ("video_encoder", "video_weights", "video_depth", "frames"),
    "image": ("image_encoder",),
    "text": ("text_encoder", "text_length"),
    "features": ("features_encoder", "feature_steps"),
    "video image": ("frame_size", "crop_scale", "flip"),
    "audio video image": ("encoder_width",),
}  # fmt: skip
# optimizer -> the flags that it has no use for
_OPTIMIZERS = {
    "sgd": (), "adam": ("momentum", "weight_decay"), "adamw": ("momentum",), "lamb": ("momentum",),
}  # fmt: skip


def without_effect(config: Any) -> dict[str, str]:
    """The flags that change nothing in a run.

    Args:
        config: Config, the run, whose modalities are known.

    Returns:
        Flag -> why it has no effect.
    """
    found: dict[str, str] = {}

    def add(flags: tuple[str, ...], reason: str) -> None:
        found.update({flag: reason for flag in flags if flag not in found})

    if config.dataset != DEMO or config.data_dir != config.default_data_dir:
        add(("preset",), f"it is for the {DEMO} data that a run makes itself")
    if len(config.model_modalities) == 1:
        add((*_AMR, *_FUSION), f"a model of {config.model_modalities[0]} alone fuses nothing")
    elif not config.effective_amr_weight:
        add(_AMR, "there is no AMR without an --amr_weight above 0")
    if not method_of(config.method, config.names).trains:
        reason = f"--method={config.method} trains nothing"
        add(("amr_weight", "amr_target", "amr_measure"), reason)
        if config.given_teachers.keys() >= set(config.model_modalities):
            add(_TRAINING, reason)  # else they are for the teachers
    add(_OPTIMIZERS[config.optimizer], f"--optimizer={config.optimizer} has no use for it")
    if config.strategy == "one_device":
        add(("cpu_replicas",), "--strategy=one_device takes only the first device")
    _add_kinds(config, add)
    return found


def refuse(config: Any, given: Mapping[str, Any]) -> None:
    """Refuses flags that were given and change nothing in a run.

    A flag that is switched off (0, false, empty) says what is so anyway, and is not refused.

    Args:
        config: Config, the run, whose modalities are known.
        given: Mapping, flag -> value, of the flags that were given.

    Raises:
        ValueError: A flag has no effect; the message says why.
    """
    for name, reason in without_effect(config).items():
        if given.get(name):
            raise ValueError(f"--{name}={given[name]} has no effect: {reason}. Leave it out")


def _add_kinds(config: Any, add: Any) -> None:
    """Adds the flags of kinds of modalities that the model has none of."""
    kinds = {name: MODALITIES.find(config.kinds[name]) for name in config.model_modalities}
    for about, flags in _KINDS.items():
        names = about.split()
        if not any(issubclass(kind, MODALITIES.find(n)) for kind in kinds.values() for n in names):
            add(flags, f"the model has no modality of the kind {' or '.join(names)}")
    for kind, flag in ((name, f"{name}_encoder") for name in MODALITIES):
        mine = [name for name in config.model_modalities if config.kinds[name] == kind]
        if mine and all(named(config, name)[1] != f"--{flag}" for name in mine):
            add((flag,), f"--encoders names those of {', '.join(mine)}")
