"""The encoder that each modality gets, by the flags of its kind and by `--encoders`."""

import pathlib
from typing import Any

from amr_tf._registry import check_options
from amr_tf.encoders import ENCODERS, find_encoder
from amr_tf.modalities import MODALITIES
from trainers.config.parsing import parse_named, parse_plugin

_SIZED = ("audio", "video", "image")  # kinds whose encoders --encoder_width is for


def named(config: Any, modality: str) -> tuple[str, str]:
    """The encoder of a modality as it was written, and the flag that names it.

    Args:
        config: Config, the run.
        modality: String, the modality.

    Returns:
        What was written, e.g. `resnet18(width=32)`, and the flag.
    """
    kind, single = config.kinds[modality], parse_named(config.encoders, "--encoders")
    if modality in single:
        return single[modality], f"--encoders={modality}"
    given = getattr(config, f"{kind}_encoder", MODALITIES.find(kind).default_encoder)
    return given, f"--{kind}_encoder"


def encoder_of(config: Any, modality: str) -> tuple[str, dict[str, Any]]:
    """The encoder of a modality, and its options with those that have flags of their own.

    Args:
        config: Config, the run.
        modality: String, the modality.
    """
    kind = config.kinds[modality]
    encoder, options = parse_plugin(*named(config, modality))
    if config.encoder_width and kind in _SIZED:
        options.setdefault("width", config.encoder_width)
    if config.video_depth and kind == "video":
        options.setdefault("depth", config.video_depth)
    if weights := getattr(config, f"{kind}_weights", ""):
        options.setdefault("weights", weights)
    return encoder, options


def check_kinds(config: Any) -> None:
    """Checks the flags of the kinds, whatever modalities there are.

    Raises:
        ValueError: There is no such encoder, option or file of weights.
    """
    for kind in MODALITIES:
        if hasattr(config, f"{kind}_encoder"):
            _check(getattr(config, f"{kind}_encoder"), f"--{kind}_encoder", kind)
        path = getattr(config, f"{kind}_weights", "")
        if path and not pathlib.Path(path).is_file():
            raise ValueError(f"--{kind}_weights={path}: no such file")
    parse_named(config.encoders, "--encoders")  # refuses what it can't read


def check(config: Any) -> None:
    """Checks the encoder of each modality whose kind is known already.

    Raises:
        ValueError: There is no such modality, encoder or option, or a flag would do nothing.
    """
    unknown = parse_named(config.encoders, "--encoders").keys() - set(config.names)
    if unknown:
        raise ValueError(f"--encoders={config.encoders}: there is no {', '.join(sorted(unknown))}")
    for modality in config.model_modalities:
        kind = config.kinds[modality]
        if kind not in MODALITIES:  # the records will tell
            continue
        _check(*named(config, modality), kind)
        encoder, _ = encoder_of(config, modality)
        known = find_encoder(encoder).options
        if config.encoder_width and kind in _SIZED:
            owner = f"--encoder_width={config.encoder_width}: {encoder}"
            check_options(owner, ("width",), known)
        if config.video_depth and kind == "video":
            check_options(f"--video_depth={config.video_depth}: {encoder}", ("depth",), known)


def _check(text: str, flag: str, kind: str) -> None:
    encoder, options = parse_plugin(text, flag)
    # a kind of a user's own takes what the kind takes that it is made of
    like = [k.kind for k in MODALITIES[kind].__mro__ if getattr(k, "kind", "")]
    fitting = [name for name, plugin in ENCODERS.items() if any(map(plugin.takes, like))]
    own = ":" in encoder or encoder.endswith(".keras")  # a function, or a saved model
    if not own and encoder not in fitting:
        raise ValueError(
            f"{flag}={encoder}: choose one of {', '.join(fitting)}, or module:function, or "
            "FILE.keras"
        )
    check_options(f"{flag}: {encoder}", options.keys() - {"weights"}, find_encoder(encoder).options)
    weights = options.get("weights")
    if weights is not None and not pathlib.Path(str(weights)).is_file():
        raise ValueError(f"{flag}: weights={weights}: no such file")


def modules(flags: dict[str, Any]) -> list[str]:
    """The modules of encoders that flags name as `module:function`.

    Args:
        flags: Mapping, flag -> value, as a run's description has them.
    """
    texts = [text for flag, text in flags.items() if flag.endswith("_encoder")]
    texts += parse_named(flags.get("encoders", ""), "--encoders").values()
    found = (parse_plugin(text, "--encoders")[0] for text in texts)
    return [name.partition(":")[0] for name in found if ":" in name]
