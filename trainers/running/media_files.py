"""Media files as models take them: what a client would send of them, like the records' clips."""

import functools
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf.modalities import Modality, wav
from tfrecords import stored
from tfrecords.building import decoding, process_pool
from tfrecords.building.container import MediaError
from tfrecords.building.decoded import Clip, Passage, Pictures, Sound, Vector
from tfrecords.building.decoding import Source
from tfrecords.building.media import Settings, Window
from trainers.running import command

_TIMEOUT = 120.0  # seconds to decode a file

# Modality -> what is sent of it, see `Modality.packed`; None for what a clip lacks.
Sent = dict[str, Any]


def sources(argument: str, inputs: Mapping[str, Modality]) -> dict[str, pathlib.Path]:
    """The files of a clip that was named on a command line; of a text, perhaps the text itself.

    Args:
        argument: String, one file that holds all modalities, or `image=a.png,text=some words`.
        inputs: Mapping, modality -> the model's input.

    Returns:
        Modality -> path.

    Raises:
        ValueError: A name is no modality of the model.
    """
    names, paths = [], []
    for part in argument.split(","):
        name, equals, path = part.partition("=")
        if not equals or not name.isidentifier():
            return dict.fromkeys(inputs, pathlib.Path(argument))  # a file whose name has a comma
        names.append(name)
        paths.append(pathlib.Path(path))
    unknown = [name for name in names if name not in inputs]
    if unknown:
        raise ValueError(
            f"{argument}: the model takes {', '.join(inputs)}, not {', '.join(unknown)}"
        )
    return dict(zip(names, paths, strict=True))


def read(
    clips: Sequence[Mapping[str, pathlib.Path]], inputs: Mapping[str, Modality], settings: Settings
) -> Iterator[Sent | MediaError]:
    """Decodes files in processes of their own, which a bad file may take down.

    Args:
        clips: Mappings, modality -> path: a clip must have one of them.
        inputs: Mapping, modality -> the model's input.
        settings: Rates and sizes.

    Yields:
        What is sent of each clip, or why there is nothing, in order.
    """
    kinds = {name: modality.stored() for name, modality in inputs.items()}
    tasks = (
        ({n: _source(kinds[n], path) for n, path in clip.items()}, settings, (), Window())
        for clip in clips
    )
    count = min(len(clips), os.cpu_count() or 1)
    for found in process_pool.run(decoding.outcome, tasks, count, _TIMEOUT):
        if isinstance(found, process_pool.Lost):
            yield MediaError(found.reason, found.detail)
        elif isinstance(found, Clip):
            yield {n: sent(found.values.get(n), settings) for n in inputs}
        else:
            yield found


def _source(kind: str, path: pathlib.Path) -> Source:
    """A file, or the value itself, as in a manifest's cells."""
    cell = str(path)
    return Source(kind, path, cell=cell if stored.find(kind).holds_value(cell) else None)


@functools.singledispatch
def sent(value: Any, settings: Settings) -> Any:
    """What is sent of a decoded value: the value itself, if nothing else is said of its type.

    Args:
        value: Object, of a clip's values; None for what it lacks.
        settings: Rates and sizes with which it was decoded.
    """
    del settings
    return value


@sent.register
def _(value: Sound, settings: Settings) -> bytes:
    return wav.encode(value.waveform, settings.audio_rate)


@sent.register
def _(value: Pictures, settings: Settings) -> tuple[bytes, ...]:
    return value.frames


@sent.register
def _(value: Vector, settings: Settings) -> np.ndarray:
    return value.values


@sent.register
def _(value: Passage, settings: Settings) -> bytes:
    return value.text.encode()


def refusal(clip: str, error: MediaError) -> str:
    """The line that says why a clip is left out, which names its file once."""
    detail = error.detail.removeprefix(f"{pathlib.PurePath(clip).name}: ")
    return command.line(f"error: {clip}: {error.reason}: {detail}")


def missing(clip: Sent) -> list[str]:
    """The modalities that a clip lacks."""
    return [name for name, value in clip.items() if value is None]


def batch(clips: Sequence[Sent], inputs: Mapping[str, Modality]) -> dict[str, tf.Tensor]:
    """Modality -> the batch that a model's signature `serving_media` takes."""
    return {
        name: tf.constant(
            modality.packed([clip[name] for clip in clips]), modality.file_input.dtype
        )
        for name, modality in inputs.items()
    }
