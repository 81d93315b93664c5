"""Frames come out as players show them: upright, of square pixels, in SDR, one moment each."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from tests.tfrecords import files
from tests.tfrecords.building.muxing import Picture, mux

RED, LIME, BLUE, WHITE = (250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 250)
PQ, HLG, BT709, BT2020 = 16, 18, 1, 9


def shown(path, **settings):
    """The first frame."""
    clip = files.decode(path, require=("video",), **settings)
    image = np.asarray(Image.open(io.BytesIO(clip.frames[0]))).astype(int)
    assert image.shape == (clip.height, clip.width, 3)
    return image


def corners(image):
    """The colours in the middle of the quarters: the upper two, the lower two, from the left."""
    height, width = image.shape[:2]
    names = {"R": RED, "L": LIME, "B": BLUE, "W": WHITE}
    found = ""
    for y, x in ((1, 1), (1, 3), (3, 1), (3, 3)):
        pixel = image[y * height // 4, x * width // 4]
        found += next(n for n, c in names.items() if np.abs(pixel - c).max() < 60)
    return found


def quarters(path, height=64, width=96):
    frames = np.zeros((4, height, width, 3), np.uint8)
    frames[:, : height // 2, : width // 2] = RED
    frames[:, : height // 2, width // 2 :] = LIME
    frames[:, height // 2 :, : width // 2] = BLUE
    frames[:, height // 2 :, width // 2 :] = WHITE
    return files.write(path, frames)


@pytest.mark.parametrize(
    ("matrix", "wanted"),
    [
        ((1, 0, 0, 1), "RLBW"),
        ((-1, 0, 0, 1), "LRWB"),  # mirrored
        ((1, 0, 0, -1), "BWRL"),  # upside down, mirrored
        ((-1, 0, 0, -1), "WBLR"),  # turned by 180 degrees
        ((0, 1, -1, 0), "BRWL"),  # turned clockwise
        ((0, -1, 1, 0), "LWRB"),  # turned counterclockwise
        ((0, 1, 1, 0), "RBLW"),  # mirrored at the diagonal
        ((0, -1, -1, 0), "WLBR"),  # mirrored at the other diagonal
    ],
)
def test_all_display_matrices(tmp_path, matrix, wanted):
    path = quarters(tmp_path / "a.mp4")
    content = bytearray(path.read_bytes())
    # The track header's matrix stands 40 bytes after its version.
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (sign << 16 for sign in matrix)
    content[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(content)
    image = shown(path)
    assert image.shape[:2] == ((96, 64) if matrix[0] == 0 else (64, 96))
    assert corners(image) == wanted


@pytest.mark.parametrize(
    ("aspect", "wanted"),
    [
        (Fraction(64, 45), 102),
        (Fraction(8, 9), 64),
        (Fraction(1, 1), 72),
        (Fraction(1000, 1), 72),  # not to be believed
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_pixels_become_square(tmp_path, suffix, aspect, wanted):
    def prepare(context):
        context.sample_aspect_ratio = aspect

    frames = np.zeros((4, 58, 72, 3), np.uint8)
    image = shown(mux(tmp_path / f"a{suffix}", Picture(frames, prepare=prepare)))
    assert image.shape[:2] == (58, wanted)


def test_a_circle_stays_a_circle(tmp_path):
    y, x = np.mgrid[-144:144, -180:180]
    circle = (x * 64 / 45) ** 2 + y**2 < 100**2
    frames = np.repeat(np.where(circle, 255, 0)[None, ..., None], 3, -1).astype(np.uint8)

    def prepare(context):
        context.sample_aspect_ratio = Fraction(64, 45)

    image = shown(mux(tmp_path / "a.mp4", Picture(np.repeat(frames, 2, 0), prepare=prepare)))
    bright = image.mean(-1) > 128
    assert np.ptp(np.flatnonzero(bright.any(0))) == pytest.approx(
        np.ptp(np.flatnonzero(bright.any(1))), abs=2
    )
    assert image.shape[:2] == (256, 455)


def signal(transfer, nits):
    """The signal, 0 to 1, that shows a grey of so many nits."""
    if transfer == PQ:
        y = (nits / 10_000) ** (2610 / 16_384)
        return ((3424 + 2413 * 32 * y) / (4096 + 2392 * 32 * y)) ** (2523 / 32)
    scene = (nits / 1_000) ** (1 / 1.2)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def ramp(path, values, transfer, primaries, bits=10, color_range=1):
    """Writes a picture of grey bars, 16 pixels each, whose signal is given."""
    black, white = ((64, 940) if bits == 10 else (16, 235)) if color_range == 1 else (0, 255)
    row = np.repeat(np.round(black + (white - black) * values), 16)
    kind = np.uint16 if bits == 10 else np.uint8
    frame = av.VideoFrame(len(row), 64, "yuv420p10le" if bits == 10 else "yuv420p")
    neutral = 1 << (bits - 1)
    for plane, pixels in zip(
        frame.planes,
        (np.tile(row, (64, 1)), *[np.full((32, len(row) // 2), neutral)] * 2),
        strict=True,
    ):
        padded = np.zeros((plane.height, plane.line_size // np.dtype(kind).itemsize), kind)
        padded[:, : pixels.shape[1]] = pixels
        plane.update(padded.tobytes())
    frame.color_trc, frame.color_primaries = transfer, primaries
    frame.colorspace, frame.color_range = (9 if primaries == BT2020 else 1), color_range
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=4)
        stream.width, stream.height, stream.pix_fmt = frame.width, 64, frame.format.name
        context = stream.codec_context
        context.color_trc, context.color_primaries = transfer, primaries
        context.colorspace, context.color_range = frame.colorspace, color_range
        for k in range(4):
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def bars(path):
    return shown(path)[32, 8::16]


GREYS = np.linspace(0, 1, 21)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_is_mapped_to_what_sdr_shows(tmp_path, transfer):
    nits = 203 * GREYS**2.4  # as a screen shows SDR, whose white HDR has at 203 nits
    hdr = bars(ramp(tmp_path / "hdr.mkv", signal(transfer, nits), transfer, BT2020))
    sdr = bars(ramp(tmp_path / "sdr.mkv", GREYS, BT709, BT709))
    np.testing.assert_allclose(sdr, np.tile(255 * GREYS, (3, 1)).T, atol=3)
    np.testing.assert_allclose(hdr, sdr, atol=6)


def test_what_is_brighter_than_the_white_of_sdr_is_white(tmp_path):
    nits = np.array([20.0, 100, 203, 400, 1_000, 4_000])
    found = bars(ramp(tmp_path / "a.mkv", signal(PQ, nits), PQ, BT2020)).mean(-1)
    np.testing.assert_allclose(found, [97, 190, 255, 255, 255, 255], atol=3)


@pytest.mark.parametrize("bits", [8, 10])
def test_sdr_of_8_and_10_bits(tmp_path, bits):
    found = bars(ramp(tmp_path / "a.mkv", GREYS, BT709, BT709, bits))
    np.testing.assert_allclose(found, np.tile(255 * GREYS, (3, 1)).T, atol=3)


def test_the_full_range_of_levels(tmp_path):
    found = bars(ramp(tmp_path / "a.mkv", GREYS, BT709, BT709, 8, color_range=2))
    np.testing.assert_allclose(found, np.tile(255 * GREYS, (3, 1)).T, atol=3)


def test_a_frame_of_interlaced_video_is_of_one_moment(tmp_path):
    frames = np.zeros((8, 96, 128, 3), np.uint8)
    for k, frame in enumerate(frames):  # a bar that has gone on by 16 pixels in the lower field
        frame[0::2, 8 + 4 * k : 24 + 4 * k] = 250
        frame[1::2, 24 + 4 * k : 40 + 4 * k] = 250

    def prepare(context):
        context.flags |= 1 << 18 | 1 << 29  # interlaced coding and motion estimation

    path = mux(
        tmp_path / "a.mpg",
        Picture(frames, codec="mpeg2video", fps=25, prepare=prepare, options={"qscale": "2"}),
    )
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    image = shown(path)
    assert image.shape == (96, 128, 3)
    assert image[20:76, 10:22].min() > 180
    assert image[20:76, 28:120].max() < 70
