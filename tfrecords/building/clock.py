"""The clock of a media file in which time stamps may start again in the middle.

Recordings that are joined byte by byte, chained Ogg files and restarted broadcasts do that. Streams
jump one after the other, at packets that lie near each other in the file; all of them are shifted
alike, so that sound and picture stay together. A jump ahead is a gap, and stays one.
"""

import math

import av

_BACK = 0.5  # seconds by which a stream goes back that starts again (some jitter by less)
_WRAPPED = 2**32 / 90_000  # seconds ahead, which MPEG's clock of 33 bits makes of a step back


class Clock:
    """Puts the packets of a file's streams, in the order of the file, on one clock.

    Attributes:
        end: Number, the end of all packets so far, in seconds on that clock.
    """

    def __init__(self) -> None:
        self.end = -math.inf
        self._shifts = [0.0]  # of each recording in the file, seconds
        self._seen: dict[int, tuple[int, float]] = {}  # stream -> its recording, its last stamp

    @property
    def restarted(self) -> bool:
        """Whether time stamps started again."""
        return len(self._shifts) > 1

    def place(self, packet: av.Packet) -> float | None:
        """Shifts a packet's time stamps.

        Args:
            packet: Packet, which is changed where time stamps have started again.

        Returns:
            The end of the packet in seconds, None if it has no time.
        """
        begin = packet.dts if packet.pts is None else packet.pts
        if begin is None:
            return None
        shift = self._shifts[self._recording(packet, begin)]
        ticks = round(shift / packet.time_base)
        packet.dts = None if packet.dts is None else packet.dts + ticks
        packet.pts = None if packet.pts is None else packet.pts + ticks
        end = float((begin + ticks + (packet.duration or 0)) * packet.time_base)
        self.end = max(self.end, end)
        return end

    def _recording(self, packet: av.Packet, begin: int) -> int:
        """The number of the recording that a packet is of."""
        stamp = float((begin if packet.dts is None else packet.dts) * packet.time_base)
        newest = len(self._shifts) - 1
        recording, last = self._seen.get(packet.stream.index, (0, stamp))
        if recording < newest:  # other streams have gone on; a packet of the old one may be late
            within = range(recording, newest + 1)
            recording = min(within, key=lambda r: abs(stamp + self._shifts[r] - self.end))
        elif not -_BACK <= stamp - last <= _WRAPPED:
            self._shifts.append(self.end - float(begin * packet.time_base))
            recording = newest + 1
        self._seen[packet.stream.index] = recording, stamp
        return recording
