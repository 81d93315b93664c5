"""Writes media files of any streams in any order, to see what is read of them."""

import dataclasses
import io
from fractions import Fraction
from typing import ClassVar

import av
import numpy as np
from av.stream import Disposition
from PIL import Image

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclasses.dataclass
class Picture:
    """Frames `[n, height, width, 3]` uint8."""

    frames: np.ndarray
    fps: int = 8
    codec: str = "libx264"
    default: bool = True
    pix_fmt: str = "yuv420p"
    options: dict = dataclasses.field(default_factory=dict)
    prepare: object = None  # function of the codec context

    def add(self, container):
        quality = {"libx264": {"preset": "ultrafast", "qp": "4"}, "mpeg4": {"qscale": "2"}}
        options = quality.get(self.codec, {}) | self.options
        self.stream = container.add_stream(self.codec, rate=self.fps, options=options)
        self.stream.height, self.stream.width = self.frames.shape[1:3]
        self.stream.pix_fmt = self.pix_fmt
        self.stream.codec_context.bit_rate = 2_000_000
        if self.prepare:
            self.prepare(self.stream.codec_context)
        self.stream.disposition = Disposition.default if self.default else Disposition(0)

    def packets(self):
        for k, pixels in enumerate(self.frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, self.fps)
            yield from self.stream.encode(frame)
        yield from self.stream.encode(None)


@dataclasses.dataclass
class Sound:
    """Samples `[n]` or `[channels, n]` in [-1, 1]."""

    samples: np.ndarray
    rate: int = 16_000
    codec: str = "aac"
    default: bool = True
    options: dict = dataclasses.field(default_factory=dict)

    def add(self, container):
        self.channels = np.atleast_2d(self.samples)
        self.layout = LAYOUTS[len(self.channels)]
        self.stream = container.add_stream(
            self.codec, rate=self.rate, layout=self.layout, options=self.options
        )
        self.stream.codec_context.bit_rate = 128_000
        self.stream.disposition = Disposition.default if self.default else Disposition(0)

    def packets(self):
        planes = np.ascontiguousarray(self.channels, np.float32)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, 0, Fraction(1, self.rate)
        context = self.stream.codec_context
        sampler = av.AudioResampler(
            context.format, self.layout, self.rate, frame_size=context.frame_size or None
        )
        for part in (*sampler.resample(frame), *sampler.resample(None)):
            yield from self.stream.encode(part)
        yield from self.stream.encode(None)


@dataclasses.dataclass
class Cover:
    """A picture that is attached to the file."""

    def add(self, container):
        file = io.BytesIO()
        Image.new("RGB", (32, 32), (255, 255, 0)).save(file, "JPEG")
        self.content = file.getvalue()
        self.stream = None
        if container.format.name == "matroska":
            container.add_attachment("cover.jpg", "image/jpeg", self.content)
        else:
            self.stream = container.add_mux_stream("mjpeg", width=32, height=32)
            self.stream.disposition = Disposition.attached_pic

    def packets(self):
        if self.stream is not None:
            yield _packet(self.stream, self.content, 0, 1)


@dataclasses.dataclass
class Other:
    """Subtitles or data: a packet every half second, and the last one lasts long."""

    codec: str = "mov_text"
    seconds: float = 1.0
    content: ClassVar[dict[str, bytes]] = {"mov_text": b"\0\2hi"}

    def add(self, container):
        if self.codec == "bin_data":
            self.stream = container.add_data_stream()
        else:
            self.stream = container.add_mux_stream(self.codec)
        self.stream.time_base = Fraction(1, 1000)

    def packets(self):
        for at in range(0, round(1000 * self.seconds), 500):
            yield _packet(self.stream, self.content.get(self.codec, b"hi"), at, 500)


def _packet(stream, content, at, duration):
    packet = av.Packet(content)
    packet.stream = stream
    packet.time_base = Fraction(1, 1000)
    packet.pts = packet.dts = at
    packet.duration = duration
    packet.is_keyframe = True
    return packet


def mux(path, *streams, container=None, **options):
    """Writes a file.

    Args:
        path: Path of the file.
        *streams: What it holds, in this order.
        container: String, the container's name; by default the path's ending decides.
        **options: Of the container.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container, options=options) as file:
        for stream in streams:
            stream.add(file)
        file.start_encoding()
        packets = [packet for stream in streams for packet in stream.packets()]
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            file.mux(packet)
    return path
