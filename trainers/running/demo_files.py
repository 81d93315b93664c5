"""What a visitor of the demo gave: files and texts for a model, or one sentence on what is wrong.

Nothing that comes from a page is taken for a path but what the page's server has put on the disk.
"""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence

from amr_tf.modalities import Modality
from tfrecords import stored
from tfrecords.building.errors import MediaError
from trainers.running import windows

MAX_MEGABYTES = 200  # of a file
MAX_MINUTES = 5  # of sound and video

# What reasons of the decoder mean to whoever gave the file; `{}` is the file's name.
_SENTENCES = {
    "missing": "{} is no longer there: give it again.",
    "truncated": "{} is empty or ends too early: was it cut off on its way?",
    "lfs pointer": "{} only points to the real file, which Git LFS keeps.",
    "no audio stream": "{} holds no sound.",
    "no video stream": "{} holds no video.",
    "no text": "The text is empty.",
    "too short": "{} is too short: nothing is left to look at.",
    "not finite": "{} holds numbers that are NaN or infinite.",
    "timed out": "{} takes too long to read.",
    "crashed": "{} is damaged: reading it brought the decoder down.",
}


class Refused(Exception):
    """Why there is no answer, in one plain sentence."""


def is_text(modality: Modality) -> bool:
    """Whether it is written on the page, in the place of a file that is given."""
    return stored.find(modality.stored()).holds_value("a few words")


def in_a_clip(modalities: Mapping[str, Modality]) -> list[str]:
    """The modalities that one file may hold together: those that have a length in time.

    Args:
        modalities: Mapping, modality -> a model's input.

    Returns:
        Their names; none where there are fewer than two.
    """
    timed = [name for name, m in modalities.items() if stored.find(m.stored()).timed]
    return timed if len(timed) > 1 else []


def taken(modalities: Mapping[str, Modality]) -> str:
    """What a model takes, in words.

    Args:
        modalities: Mapping, modality -> its input.
    """
    return listed([modality.called(name) for name, modality in modalities.items()])


def listed(words: Sequence[str]) -> str:
    """Words as a sentence lists them: `a`, `a and b`, `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def limits() -> str:
    """What is taken, in a sentence."""
    return f"A file may have up to {MAX_MEGABYTES} MB and be up to {MAX_MINUTES} minutes long."


def given(
    clip: str | None,
    separate: Mapping[str, str | None],
    modalities: Mapping[str, Modality],
    directory: pathlib.Path,
) -> dict[str, str]:
    """The files that were given for the modalities.

    Args:
        clip: String, the path of a file for all modalities that `in_a_clip` names; None for none.
        separate: Mapping, modality -> the path of a file of its own, which counts in the place of
            the clip, or the text; None or empty for none.
        modalities: Mapping, modality -> the model's input.
        directory: Path, where texts are written: a text is never taken for a path.

    Returns:
        Modality -> path.

    Raises:
        Refused: There is nothing, or a file is too large.
    """
    found = {}
    for name, modality in modalities.items():
        value = separate.get(name) or ""
        if is_text(modality):
            found[name] = _written(value, directory) if value.strip() else ""
        else:
            found[name] = value or (clip or "" if name in in_a_clip(modalities) else "")
    found = {name: path for name, path in found.items() if path}
    if not found:
        raise Refused(f"Nothing was given yet: the model takes {taken(modalities)}.")
    for path in dict.fromkeys(found.values()):
        _check_size(pathlib.Path(path))
    return found


def check_length(files: Mapping[str, str], modalities: Mapping[str, Modality]) -> None:
    """Refuses what would be looked at for very long.

    Args:
        files: Mapping, modality -> path.
        modalities: Mapping, modality -> the model's input.

    Raises:
        Refused: A file says that it is longer than `MAX_MINUTES`.
    """
    (seconds,) = windows.lengths([files], modalities, 1)
    if seconds > 60 * MAX_MINUTES:
        raise Refused(
            f"That is {seconds / 60:,.0f} minutes long: give at most {MAX_MINUTES} minutes."
        )


def sentence(
    error: MediaError, files: Mapping[str, str], modalities: Mapping[str, Modality]
) -> str:
    """Why files could not be read, for people.

    Args:
        error: MediaError, what the decoder says.
        files: Mapping, modality -> path.
        modalities: Mapping, modality -> the model's input.
    """
    names = " and ".join(dict.fromkeys(pathlib.PurePath(path).name for path in files.values()))
    if error.reason == "too large":
        return f"{names} is too large: {error.detail.removeprefix(f'{names}: ')}."
    if error.reason in _SENTENCES:
        return _SENTENCES[error.reason].format(names)
    wanted = " or ".join(modalities[name].called(name) for name in files)
    return f"{names} cannot be read as {wanted}: it is damaged or of another type."


def _check_size(path: pathlib.Path) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        raise Refused(_SENTENCES["missing"].format(path.name)) from None
    if size > MAX_MEGABYTES * 2**20:
        raise Refused(
            f"{path.name} has {size / 2**20:,.0f} MB: give files of at most {MAX_MEGABYTES} MB."
        )


def _written(text: str, directory: pathlib.Path) -> str:
    """The path of a file that holds the text; the same for the same text."""
    content = text.encode(errors="replace")
    path = directory / f"{hashlib.sha256(content).hexdigest()[:16]}.txt"
    path.write_bytes(content)
    return str(path)
