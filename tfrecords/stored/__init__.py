"""Kinds of modalities as record sets hold them, for the builder and the tools.

A new kind is a file with one subclass of `Stored` and a line below; how a record holds it is said
by its `tfrecords.formats.Format`. Nothing here imports TensorFlow, which processes that decode
media lack. A user's own kind is registered by `register`, in a module that does not either.
"""

from tfrecords import registration
from tfrecords.stored.audio import AUDIO_CODECS, StoredAudio
from tfrecords.stored.base import Built, Stored
from tfrecords.stored.features import StoredFeatures
from tfrecords.stored.image import StoredImage
from tfrecords.stored.text import StoredText
from tfrecords.stored.video import StoredVideo

STORED: dict[str, type[Stored]] = {}


def register(stored: type[Stored]) -> type[Stored]:
    """A decorator that registers a kind under its `kind`.

    Args:
        stored: Class, a frozen dataclass.

    Raises:
        TypeError: The class is not a subclass of `Stored`.
        ValueError: The kind's name is not a lower-case identifier, or another kind has it.
    """
    name = str(getattr(stored, "kind", ""))
    registration.register(STORED, name, stored, Stored, "kind of modality")
    return stored


def find(kind: str) -> type[Stored]:
    """The class of a kind.

    Raises:
        ValueError: There is none; the message lists the existing ones.
    """
    if kind not in STORED:
        raise ValueError(
            f"no kind of modality {kind!r}: there are {', '.join(STORED)}; name a module that "
            "registers another with --plugins"
        )
    return STORED[kind]


for _stored in (StoredAudio, StoredVideo, StoredImage, StoredText, StoredFeatures):
    register(_stored)

__all__ = [
    "AUDIO_CODECS",
    "STORED",
    "Built",
    "Stored",
    "StoredAudio",
    "StoredFeatures",
    "StoredImage",
    "StoredText",
    "StoredVideo",
    "find",
    "register",
]
