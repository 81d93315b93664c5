"""Opens media files safely, and says what is wrong with those that cannot be opened."""

import contextlib
import pathlib
from collections.abc import Iterator

import av

from tfrecords.building.errors import MediaError
from tfrecords.building.streams import Stream, choose, length

# What media come in; playlists and the like could make FFmpeg open other files or the network.
_FORMATS = (
    "mov,mp4,m4a,matroska,webm,flv,wav,w64,avi,mpegts,mpeg,asf,ogg,mp3,aac,ac3,eac3,flac,aiff,caf,"
    "au,amr,wv,ape,gif,rm,mxf,nut,dv,ivf,h264,hevc,m4v,mpegvideo,yuv4mpegpipe"
)
_INDEX = b"moov"  # of an MP4 file
_POINTER = b"version https://git-lfs"
# Titles in odd encodings are no reason to refuse a clip; PyAV 19 has this of its own.
_LENIENT = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}

av.logging.set_level(av.logging.PANIC)


@contextlib.contextmanager
def open_stream(path: pathlib.Path, kind: str, max_pixels: int) -> Iterator[Stream]:
    """Opens a file at its stream of a kind.

    Args:
        path: Path of the file.
        kind: String, `audio` or `video`.
        max_pixels: Integer, the most pixels of a frame; larger frames are refused.

    Yields:
        The stream.

    Raises:
        MediaError: The file cannot be opened, or FFmpeg fails inside the context.
    """
    check_file(path)
    try:
        with _opened(path) as container:
            if _cut_box(path) == _INDEX:  # what is left of it may tell of some streams alone
                raise MediaError("truncated", f"{path.name} ends inside its index")
            stream = choose(container, kind, path.name)
            context = stream.codec_context
            if kind == "video":
                if context.width * context.height > max_pixels:
                    size = f"{context.width} x {context.height}"
                    raise MediaError("too large", f"{path.name}: frames of {size} pixels")
                # The size may also change on the way; FFmpeg counts its padding too.
                context.options = {"max_pixels": str(2 * max_pixels)}
            context.thread_count = 1  # the builder has one process a core
            yield Stream(container, stream)
    except av.error.ArgumentError as error:
        container = _refused(error)
        if not container:
            raise MediaError("undecodable", f"{path.name}: {error.strerror}") from error
        raise MediaError(
            "undecodable",
            f"{path.name} is in the container {container}, which is not supported: convert it "
            f"to one of {_FORMATS.replace(',', ', ')}",
        ) from error
    except (av.error.FFmpegError, ValueError, OSError, MemoryError) as error:
        cut = isinstance(error, av.error.InvalidDataError) and _cut_box(path)
        what = error.strerror if isinstance(error, OSError | av.error.FFmpegError) else error
        raise MediaError("truncated" if cut else "undecodable", f"{path.name}: {what}") from error


def duration(path: pathlib.Path) -> float:
    """The length of a media file in seconds; 0 where it is not known.

    Args:
        path: Path of the file.
    """
    try:
        check_file(path)
        with _opened(path) as container:
            return length(container)
    except (MediaError, av.error.FFmpegError, ValueError, OSError, MemoryError):
        return 0.0  # whoever decodes it says what is wrong


def _opened(path: pathlib.Path) -> av.container.InputContainer:
    # A "file:" address, lest a name with a colon be taken for a protocol.
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    return av.open(f"file:{path.absolute()}", options=options, **_LENIENT)


def _refused(error: av.error.ArgumentError) -> str:
    """The name of a container that is not supported; "" for another error."""
    _, name, words = error.log or (0, "", "")
    return name if "whitelist" in words else ""


def check_file(path: pathlib.Path) -> None:
    """Refuses files that are not media at all, and says what they are.

    Raises:
        MediaError: The file is missing, cannot be read, is empty, or is a Git LFS pointer.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_POINTER))
    except FileNotFoundError:
        raise MediaError("missing", f"no file {path.name}") from None
    except OSError as error:
        raise MediaError("unreadable", f"{path.name}: {error.strerror}") from error
    if not head:
        raise MediaError("truncated", f"{path.name} is empty")
    if head == _POINTER:
        raise MediaError(
            "lfs pointer", f"{path.name} is a Git LFS pointer: run `git lfs pull` in the source"
        )


def _cut_box(path: pathlib.Path) -> bytes:
    """The name of the box inside which an MP4 file ends; none of a whole file, or of another."""
    size = path.stat().st_size
    name = b""
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            head = file.read(16)
            name = head[4:8]
            if at == 0 and name != b"ftyp":
                return b""
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return b""
            at += length
        return name if at > size else b""
