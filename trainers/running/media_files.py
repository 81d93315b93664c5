"""Media files as models take them: a WAV file's bytes and JPEG frames, like the records' clips."""

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import tensorflow as tf

from amr_tf.modalities import Modality
from amr_tf.serving import encoded_media
from amr_tf.serving.signatures import MEDIA
from tfrecords.building import decoding, process_pool
from tfrecords.building.container import MediaError
from tfrecords.building.decoded import Clip
from tfrecords.building.decoding import Source
from tfrecords.building.media import Settings, Window
from trainers.running import command

_TIMEOUT = 120.0  # seconds to decode a file

# Modality -> a WAV file's bytes, or JPEG files; empty for what a file lacks.
Encoded = dict[str, bytes | tuple[bytes, ...]]


def check_inputs(inputs: Mapping[str, Modality]) -> None:
    """Refuses a model that takes what media files do not hold.

    Raises:
        ValueError: A modality is of another kind than audio and video.
    """
    others = [name for name, modality in inputs.items() if modality.kind not in MEDIA]
    if others:
        raise ValueError(
            f"this model takes {', '.join(others)}, which media files do not hold: call it on "
            "arrays, e.g. amr_tf.load_model(MODEL_DIR/model.keras) or the signature "
            "serving_default of its export"
        )


def read(
    paths: Sequence[pathlib.Path], inputs: Mapping[str, Modality], settings: Settings
) -> Iterator[Encoded | MediaError]:
    """Decodes files in processes of their own, which a bad file may take down.

    Args:
        paths: Paths of the files.
        inputs: Mapping, modality -> the model's input: a file must have one of them.
        settings: Rates and sizes.

    Yields:
        Each file's clip, or why there is none, in order.
    """
    kinds = {name: modality.kind for name, modality in inputs.items()}
    tasks = (
        ({name: Source(kind, path) for name, kind in kinds.items()}, settings, (), Window())
        for path in paths
    )
    count = min(len(paths), os.cpu_count() or 1)
    for found in process_pool.run(decoding.outcome, tasks, count, _TIMEOUT):
        if isinstance(found, process_pool.Lost):
            yield MediaError(found.reason, found.detail)
        elif isinstance(found, MediaError):
            yield found
        else:
            yield _encoded(found, kinds, settings)


def refusal(path: pathlib.Path, error: MediaError) -> str:
    """The line that says why a file is left out, which names the file once."""
    detail = error.detail.removeprefix(f"{path.name}: ")
    return command.line(f"error: {path}: {error.reason}: {detail}")


def missing(clip: Encoded) -> list[str]:
    """The modalities that a clip lacks."""
    return [name for name, value in clip.items() if not value]


def _encoded(clip: Clip, kinds: Mapping[str, str], settings: Settings) -> Encoded:
    encoded: Encoded = {}
    for name, kind in kinds.items():
        value = clip.values.get(name)
        if kind == "audio":
            rate = settings.audio_rate
            encoded[name] = b"" if value is None else encoded_media.wav(value.waveform, rate)
        else:
            encoded[name] = () if value is None else value.frames
    return encoded


def batch(clips: Sequence[Encoded], inputs: Mapping[str, Modality]) -> dict[str, tf.Tensor]:
    """Modality -> `[B]` WAV files or `[B, T]` JPEG files of clips, "" for what they lack."""
    found = {}
    for name, modality in inputs.items():
        values = [clip[name] for clip in clips]
        if modality.kind == "audio":
            found[name] = tf.constant(values)
        else:
            longest = max(map(len, values))
            rows = [[*frames, *[b""] * (longest - len(frames))] for frames in values]
            found[name] = tf.constant(rows, tf.string, [len(clips), longest])
    return found
