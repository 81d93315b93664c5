"""The streams of a media file: which one is read, and its frames with their times."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import av
from av.stream import Disposition

from tfrecords.building.clock import Clock
from tfrecords.building.errors import MediaError

_GUESSED = ("mpeg", "mpegts")  # they declare no duration, and FFmpeg's guess can be far too short
_DAMAGE = (  # what decoders say of a packet; they go on with the next one
    av.error.ArgumentError,
    av.error.ExternalError,
    av.error.InvalidDataError,
    av.error.PatchWelcomeError,
)
_FAR = 5.0  # seconds into a file from which on seeking pays
_BEFORE = 1.0  # seconds before a clip's start at which decoding begins at the latest
_WHOLE = 0.8  # of the declared duration: a file that decodes to less is truncated


def choose(container: av.container.InputContainer, kind: str, name: str) -> Any:
    """The stream of a kind that players show: of those that decode the default, else the first.

    Raises:
        MediaError: There is none.
    """
    streams = [s for s in container.streams if s.type == kind and _has_time(s)]
    if not streams:
        raise MediaError(f"no {kind} stream", f"{name} has none")
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise MediaError("undecodable", f"{name}: no decoder for its {kind} codec")
    return max(known, key=lambda stream: bool(stream.disposition & Disposition.default))


def length(container: av.container.InputContainer) -> float:
    """The length of a file in seconds: as declared, or as its packets say where that is a guess.

    Args:
        container: Container, the open file, which is read to its end where time stamps may start
            again.

    Returns:
        The length; 0 where it is unknown.
    """
    if not _may_restart(container):
        return max(0, container.duration or 0) / 1e6
    clock = Clock()
    for packet in container.demux():
        if _has_time(packet.stream):
            clock.place(packet)
    return max(0.0, clock.end - _origin([s for s in container.streams if _has_time(s)]))


class Stream:
    """A stream of an open file.

    Attributes:
        frame_rate: Number, the frames a second of a video stream, 0 if unknown.
        aspect: Fraction, the width of a video's pixels by their height, None if unknown.
        begin: Number, the time where decoding begins, in seconds from the container's start.
    """

    def __init__(self, container: av.container.InputContainer, stream: Any) -> None:
        self.frame_rate = float(getattr(stream, "average_rate", None) or 0)
        self.aspect = getattr(stream, "sample_aspect_ratio", None)
        self.begin = 0.0
        self._container = container
        self._stream = stream
        self._timed = [other for other in container.streams if _has_time(other)]
        self._origin = _origin(self._timed)
        self._clock = Clock()
        self._other = -math.inf  # where the packets of subtitles and data end, seconds
        self._own = 0.0  # where those of this stream do, seconds from the container's start
        self._skipped = 0.0  # up to where packets need not be decoded, likewise

    def seek(self, start: float) -> None:
        """Goes to the last key frame before a time, where that spares much decoding.

        Args:
            start: Number, seconds from the container's start.
        """
        if start < _FAR:
            return
        self.begin = start - _BEFORE
        if _may_restart(self._container):
            self._skipped = self.begin  # where it lies is not known before all up to it is read
            return
        at = round((self.begin + self._origin) * 1e6)
        try:
            self._container.seek(at, backward=True)
        except av.error.FFmpegError:  # then all is decoded from the start
            self.begin = 0.0

    def decode(self) -> Iterator[tuple[Any, float | None]]:
        """Decodes the stream, leaving out damaged packets.

        Yields:
            A frame and its time in seconds from the container's start, None if unknown.
        """
        waiting: list[av.Packet] = []  # since the last key frame, before decoding begins
        for packet in self._container.demux():
            end = self._place(packet)
            if packet.stream.index != self._stream.index:
                continue
            if end is not None and end < self._skipped:
                if packet.is_keyframe:
                    waiting.clear()
                waiting.append(packet)
                continue
            for due in (*waiting, packet):
                with contextlib.suppress(*_DAMAGE):
                    for frame in due.decode():
                        yield frame, None if frame.time is None else frame.time - self._origin
            waiting.clear()

    def _place(self, packet: av.Packet) -> float | None:
        """Puts a packet on the clock; returns where it ends, seconds from the container's start."""
        if packet.stream not in self._timed:
            if packet.pts is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._other = max(self._other, end)
            return None
        end = self._clock.place(packet)
        if end is None:
            return None
        if packet.stream.index == self._stream.index:
            self._own = max(self._own, end - self._origin)
        return end - self._origin

    def _declared(self) -> float:
        """How long the file says that it is, seconds; 0 if it says nothing that holds.

        Subtitles and data that are longer than sound and picture do not count.
        """
        if self._clock.restarted:
            return 0.0
        whole = (self._container.duration or 0) / 1e6
        ends = [
            float(((s.start_time or 0) + s.duration) * s.time_base) - self._origin
            for s in self._timed
            if s.duration
        ]
        return min(whole, max(ends)) if len(ends) == len(self._timed) else whole

    def end(self, decoded: float, longest: float) -> float:
        """Compares where the decoded frames end with what was read and declared.

        Args:
            decoded: Number, the end of the decoded frames, seconds.
            longest: Number, the seconds at which clips are cut.

        Returns:
            The end without the codec's padding, at most `longest`.

        Raises:
            MediaError: Much of the stream is missing.
        """
        declared = self._declared()
        read = max(self._clock.end, self._other) - self._origin
        if read < _WHOLE * min(declared, longest):
            raise MediaError("truncated", f"ends after {max(0, read):.2f} of {declared:.2f} s")
        wanted = min(self._own, longest) - self.begin
        if wanted > 0 and decoded - self.begin < _WHOLE * wanted:  # else the clip lies past the end
            kind = self._stream.type
            seen = max(0.0, decoded - self.begin)
            raise MediaError("undecodable", f"{seen:.2f} of {wanted:.2f} s of {kind}")
        guessed = self._container.format.name in _GUESSED or self._clock.restarted
        if self._stream.duration and not guessed:
            ticks = (self._stream.start_time or 0) + self._stream.duration
            decoded = min(decoded, float(ticks * self._stream.time_base) - self._origin)
        return min(decoded, longest)


def _may_restart(container: av.container.InputContainer) -> bool:
    """Whether time stamps may start again in files of this kind."""
    return bool(container.format.flags & av.format.Flags.ts_discont.value)


def _origin(streams: Sequence[Any]) -> float:
    """The time at which a file's first stream starts, in seconds on the file's own clock."""
    starts = [s.start_time * s.time_base for s in streams if s.start_time is not None]
    return max(0.0, round(float(min(starts, default=0)), 6))


def _has_time(stream: Any) -> bool:
    """Whether a stream is sound or picture; attachments of a file, e.g. a cover, are neither."""
    attached = Disposition.attached_pic | Disposition.timed_thumbnails
    return stream.type in ("audio", "video") and not stream.disposition & attached
