"""Media files as models take them: a WAV file's bytes and JPEG frames, like the records' clips."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from amr_tf.serving import encoded_media
from tfrecords import schema
from tfrecords.building import media, process_pool
from tfrecords.building.container import MediaError
from trainers.config.run_config import Config
from trainers.running import command

_TIMEOUT = 120.0  # seconds to decode a file


@dataclasses.dataclass(frozen=True)
class Encoded:
    """A clip's sound and pictures, as `amr_tf.serving.encoded_media` takes them.

    Attributes:
        audio: A WAV file; empty without sound.
        frames: JPEG files; none without pictures.
    """

    audio: bytes
    frames: tuple[bytes, ...]

    def missing(self, modalities: Sequence[str]) -> list[str]:
        """Those of the modalities that the clip lacks."""
        there = {"audio": self.audio, "video": self.frames}
        return [m for m in modalities if not there[m]]


def settings(config: Config) -> media.Settings:
    """How media files were decoded for the records that the model was trained on.

    Where these are gone, frame rate and size are the builder's defaults.
    """
    try:
        video = schema.DatasetInfo.load(config.data_dir).video
    except (OSError, ValueError):
        return media.Settings(audio_rate=config.audio_rate)
    return media.Settings(audio_rate=config.audio_rate, fps=video.fps, short_side=video.short_side)


def read(
    paths: Sequence[pathlib.Path], modalities: Sequence[str], settings: media.Settings
) -> Iterator[Encoded | MediaError]:
    """Decodes files in processes of their own, which a bad file may take down.

    Args:
        paths: The files.
        modalities: The model's: a file must have one of them.
        settings: Rates and sizes.

    Yields:
        Each file's clip, or why there is none, in order.
    """
    tasks = ((path, None, settings, ()) for path in paths)
    count = min(len(paths), os.cpu_count() or 1)
    for found in process_pool.run(media.outcome, tasks, count, _TIMEOUT):
        if isinstance(found, process_pool.Lost):
            yield MediaError(found.reason, found.detail)
        elif isinstance(found, MediaError):
            yield found
        else:
            yield _encoded(found, modalities, settings)


def refusal(path: pathlib.Path, error: MediaError) -> str:
    """The line that says why a file is left out, which names the file once."""
    detail = error.detail.removeprefix(f"{path.name}: ")
    return command.line(f"error: {path}: {error.reason}: {detail}")


def _encoded(
    clip: media.Clip, modalities: Sequence[str], settings: media.Settings
) -> Encoded | MediaError:
    waveform = clip.waveform
    audio = b"" if waveform is None else encoded_media.wav(waveform, settings.audio_rate)
    encoded = Encoded(audio, clip.frames)
    if len(encoded.missing(modalities)) == len(modalities):
        wanted = " or ".join(modalities)
        return MediaError("undecodable", f"the model needs {wanted}, which the file does not have")
    return encoded


def batch(clips: Sequence[Encoded]) -> tuple[tf.Tensor, tf.Tensor]:
    """`audio` `[B]` and `frames` `[B, T]` of clips, "" for what they lack."""
    longest = max(len(clip.frames) for clip in clips)
    frames = [[*clip.frames, *[b""] * (longest - len(clip.frames))] for clip in clips]
    audio = tf.constant([clip.audio for clip in clips])
    return audio, tf.constant(frames, tf.string, [len(clips), longest])
