"""The kinds of modalities by name: this package's own and those that a user registers."""

from collections.abc import Mapping
from typing import Any

from amr_tf._registry import Registry
from amr_tf.modalities.base import Modality, fields_of

MODALITIES: Registry[type[Modality]] = Registry("kind of modality")


def register_modality(modality: type[Modality]) -> type[Modality]:
    """Registers a kind of modality under its `kind`; also a decorator.

    Example:
        >>> @amr_tf.modalities.register_modality
        ... class Pose(amr_tf.modalities.FeaturesConfig):
        ...     kind, stored_as, word = "pose", "features", "movement"
        >>> "pose" in amr_tf.modalities.MODALITIES
        True

    Args:
        modality: Class, a subclass of `Modality`.

    Returns:
        The class.

    Raises:
        ValueError: Its `kind` is not a lower-case identifier, or another class has it.
    """
    return MODALITIES.register(modality.kind, modality)


def restored(numbers: Mapping[str, Any]) -> Modality:
    """The input that `Modality.describe` described; other entries are passed over.

    Example:
        >>> image = amr_tf.modalities.ImageConfig(size=32)
        >>> amr_tf.modalities.restored(image.describe()) == image
        True

    Args:
        numbers: Mapping, `kind` and the fields' values, where lists stand for tuples.

    Raises:
        ValueError: There is no such kind of modality, or a number is impossible.
    """
    modality = MODALITIES.find(numbers["kind"])
    return modality(**fields_of(modality, numbers))
