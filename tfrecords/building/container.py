"""Opens media files safely and gives decoded frames with their times.

What is wrong with a file is told by one exception with a reason from a small vocabulary.
"""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import av

# What media come in; playlists and the like could make FFmpeg open other files or the network.
_FORMATS = (
    "mov,mp4,m4a,matroska,webm,flv,wav,w64,avi,mpegts,mpeg,asf,ogg,mp3,aac,ac3,eac3,flac,aiff,caf,"
    "au,amr,wv,ape,gif,rm,mxf,nut,dv,ivf,h264,hevc,m4v,mpegvideo,yuv4mpegpipe"
)
_GUESSED = ("mpeg", "mpegts")  # they declare no duration, and FFmpeg's guess can be far too short
_POINTER = b"version https://git-lfs"
_FAR = 5.0  # seconds into a file from which on seeking pays
_BEFORE = 1.0  # seconds before a clip's start at which decoding begins at the latest
_WHOLE = 0.8  # of the declared duration: a file that decodes to less is truncated
# Titles in odd encodings are no reason to refuse a clip; PyAV 19 has this of its own.
_LENIENT = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}

av.logging.set_level(av.logging.PANIC)


class MediaError(Exception):
    """Why a clip cannot be used.

    Attributes:
        reason: A short name, from a small vocabulary: `missing`, `lfs pointer`, `unreadable`,
            `no audio stream`, `no video stream`, `no text`, `truncated`, `too short`, `too large`,
            `not finite`, `undecodable`.
        detail: What was seen, and what to do about it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class Stream:
    """A stream of an open file.

    Attributes:
        frame_rate: Number, the frames a second of a video stream, 0 if unknown.
        begin: Number, where decoding begins, in seconds from the container's start.
    """

    def __init__(self, container: av.container.InputContainer, stream: Any) -> None:
        self.frame_rate = float(getattr(stream, "average_rate", None) or 0)
        self._container = container
        self._stream = stream
        self._origin = max(0, container.start_time or 0) / 1e6
        self._read = 0.0  # where the packets of all streams end, seconds
        self._own = 0.0  # where those of this one do
        self.begin = 0.0

    def seek(self, start: float) -> None:
        """Goes to the last key frame before a time, where that spares much decoding.

        Args:
            start: Number, seconds from the container's start.
        """
        if start < _FAR:
            return
        at = round((start - _BEFORE + self._origin) * 1e6)
        with contextlib.suppress(av.error.FFmpegError):  # then all is decoded from the start
            self._container.seek(at, backward=True)
            self.begin = start - _BEFORE

    def decode(self) -> Iterator[tuple[Any, float | None]]:
        """Decodes the stream, leaving out damaged packets.

        Yields:
            A frame and its time in seconds from the container's start, None if unknown.
        """
        for packet in self._container.demux():
            mine = packet.stream_index == self._stream.index
            if packet.pts is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._origin
                self._read = max(self._read, end)
                self._own = max(self._own, end if mine else 0)
            if mine:
                with contextlib.suppress(av.error.InvalidDataError):
                    for frame in packet.decode():
                        yield frame, None if frame.time is None else frame.time - self._origin

    def end(self, decoded: float, longest: float) -> float:
        """Compares where the decoded frames end with what was read and declared.

        Args:
            decoded: Their end, seconds.
            longest: Seconds at which clips are cut.

        Returns:
            The end without the codec's padding, at most `longest`.

        Raises:
            MediaError: Much of what should be there is not.
        """
        declared = (self._container.duration or 0) / 1e6
        if self._read < _WHOLE * min(declared, longest):
            raise MediaError("truncated", f"ends after {self._read:.2f} of {declared:.2f} s")
        wanted = min(self._own, longest) - self.begin
        if wanted > 0 and decoded - self.begin < _WHOLE * wanted:  # else the clip lies past the end
            kind = self._stream.type
            seen = max(0.0, decoded - self.begin)
            raise MediaError("undecodable", f"{seen:.2f} of {wanted:.2f} s of {kind}")
        if self._stream.duration and self._container.format.name not in _GUESSED:
            ticks = (self._stream.start_time or 0) + self._stream.duration
            decoded = min(decoded, float(ticks * self._stream.time_base) - self._origin)
        return min(decoded, longest)


@contextlib.contextmanager
def open_stream(path: pathlib.Path, kind: str, max_pixels: int) -> Iterator[Stream]:
    """Opens a file at its first stream of a kind.

    Args:
        path: The file.
        kind: `audio` or `video`.
        max_pixels: Larger frames are refused.

    Yields:
        The stream.

    Raises:
        MediaError: The file cannot be opened, or what went wrong with FFmpeg inside the context.
    """
    check_file(path)
    try:
        # A "file:" address, lest a name with a colon be taken for a protocol.
        address = f"file:{path.absolute()}"
        options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
        with av.open(address, options=options, **_LENIENT) as container:
            streams = [stream for stream in container.streams if stream.type == kind]
            if not streams:
                raise MediaError(f"no {kind} stream", f"{path.name} has none")
            context = streams[0].codec_context
            if context is None:
                raise MediaError("undecodable", f"{path.name}: no decoder for its {kind} codec")
            if kind == "video":
                if context.width * context.height > max_pixels:
                    size = f"{context.width} x {context.height}"
                    raise MediaError("too large", f"{path.name}: frames of {size} pixels")
                # The size may also change on the way; FFmpeg counts its padding too.
                context.options = {"max_pixels": str(2 * max_pixels)}
            context.thread_count = 1  # the builder has one process a core
            yield Stream(container, streams[0])
    except (av.error.FFmpegError, ValueError, OSError, MemoryError) as error:
        cut = isinstance(error, av.error.InvalidDataError) and _ends_inside_a_box(path)
        what = error.strerror if isinstance(error, OSError | av.error.FFmpegError) else error
        raise MediaError("truncated" if cut else "undecodable", f"{path.name}: {what}") from error


def duration(path: pathlib.Path) -> float:
    """The length of a media file in seconds, as it is declared; 0 where it is not known.

    Args:
        path: Path of the file.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        check_file(path)
        with av.open(f"file:{path.absolute()}", options=options, **_LENIENT) as container:
            return max(0, container.duration or 0) / 1e6
    except (MediaError, av.error.FFmpegError, ValueError, OSError, MemoryError):
        return 0.0  # whoever decodes it says what is wrong


def check_file(path: pathlib.Path) -> None:
    """Tells files that are no media at all by what they are.

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


def _ends_inside_a_box(path: pathlib.Path) -> bool:
    """Whether an MP4 file ends before its last box does (its index is often the last)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at < size:
            file.seek(at)
            head = file.read(16)
            if at == 0 and head[4:8] != b"ftyp":
                return False
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return False
            at += length
        return at > size
