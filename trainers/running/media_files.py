"""Media files as models take them, in the form in which a client would send them."""

import functools
import os
import pathlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from amr_tf.modalities import Modality, wav
from tfrecords import stored
from tfrecords.building import decoding, process_pool
from tfrecords.building.decoded import Clip, Passage, Pictures, Sound, Vector
from tfrecords.building.decoding import Source
from tfrecords.building.errors import MediaError
from tfrecords.building.settings import Settings, Window
from trainers.running import command

_TIMEOUT = 120.0  # seconds to decode a file

# Modality -> what is sent of it, see `Modality.packed`; None for what a clip lacks.
Sent = dict[str, Any]


def sources(argument: str, inputs: Mapping[str, Modality]) -> dict[str, str]:
    """The files from which a clip that a command line names is read.

    Args:
        argument: String, one file that holds all modalities, or `image=a.png,text=Hello, world`.
        inputs: Mapping, modality -> the model's input.

    Returns:
        Modality -> path of a file, or the value itself, as a text may be.

    Raises:
        ValueError: A modality is named twice.
    """
    parts = re.split(rf"(?:^|,)({'|'.join(inputs)})=", argument)
    if parts[0] or len(parts) == 1:
        files = [n for n, m in inputs.items() if not _stored(m).holds_value(argument)]
        return dict.fromkeys(files or inputs, argument)
    names, values = parts[1::2], parts[2::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{argument}: a modality is named twice")
    return dict(zip(names, values, strict=True))


def workers(clips: int) -> int:
    """The number of processes to read a number of clips."""
    return max(1, min(clips, os.cpu_count() or 1))


def read(
    clips: Sequence[tuple[Mapping[str, str], Window]],
    inputs: Mapping[str, Modality],
    settings: Settings,
) -> Iterator[Sent | MediaError]:
    """Decodes files in processes of their own, which a bad file may take down.

    Args:
        clips: Sequence of pairs, modality -> what it is read from, and the part of the files that
            is the clip; a clip must have one of the modalities.
        inputs: Mapping, modality -> the model's input.
        settings: Settings, the rates and sizes.

    Yields:
        What is sent of each clip, or why there is nothing, in order.
    """
    tasks = (
        ({n: _source(inputs[n], value) for n, value in clip.items()}, settings, (), window)
        for clip, window in clips
    )
    for found in process_pool.run(decoding.outcome, tasks, workers(len(clips)), _TIMEOUT):
        if isinstance(found, process_pool.Lost):
            yield MediaError(found.reason, found.detail)
        elif isinstance(found, Clip):
            yield {n: sent(found.values.get(n), settings) for n in inputs}
        else:
            yield found


def _stored(modality: Modality) -> type[stored.Stored]:
    return stored.find(modality.stored())


def _source(modality: Modality, value: str) -> Source:
    cell = value if _stored(modality).holds_value(value) else None
    return Source(modality.stored(), pathlib.Path(value), cell=cell)


@functools.singledispatch
def sent(value: Any, settings: Settings) -> Any:
    """The form in which a decoded value is sent: the value itself, unless its type has another.

    Args:
        value: Object, one of a clip's values; None for a modality that it lacks.
        settings: Settings, the rates and sizes with which it was decoded.
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


def tell_problems(clip: str, found: Any) -> bool:
    """Says on stderr, in one line, why a clip or some of its windows could not be read.

    Args:
        clip: String, the clip, as it was named.
        found: MediaError, or Labelled, what a model says of the clip.

    Returns:
        Whether there is something to show.
    """
    if isinstance(found, MediaError):
        detail = found.detail.removeprefix(f"{pathlib.PurePath(clip).name}: ")
        text = f"error: {clip}: {found.reason}: {detail}"
    elif found.unread:
        window, error = found.unread[0]
        count = len(found.unread)
        told = f"{count} of {count + len(found.windows)} windows are left out"
        text = f"warning: {clip}: {told}; the one at {window.start:.1f} s: {error}"
    else:
        return True
    print(command.line(text), file=sys.stderr, flush=True)
    return not isinstance(found, MediaError)


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
