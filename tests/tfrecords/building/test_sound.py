"""Channels that would cancel, and the forms in which waveforms come."""

import struct

import av
import numpy as np
import pytest

from tests.tfrecords import files
from tests.tfrecords.building.muxing import Sound, mux
from tests.tfrecords.building.test_clock import pitch
from tfrecords.building.settings import Window

TONE = files.tone(440, 2)
NOTHING = np.zeros_like(TONE)


def decode(path, **settings):
    return files.decode(path, require=("audio",), **settings).waveform


def loudness(waveform):
    return np.sqrt(np.mean((waveform / 32768) ** 2))


def mixed(path):
    """What FFmpeg's mix to one channel gives."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        frames = [*container.decode(audio=0), None]
        parts = [part for frame in frames for part in resampler.resample(frame)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


@pytest.mark.parametrize(
    ("channels", "level"),
    [
        ([TONE, -TONE], 0.354),
        ([TONE, -0.8 * TONE], 0.354),
        ([-0.8 * TONE, TONE], 0.354),
        ([TONE, -TONE, NOTHING, NOTHING, NOTHING, NOTHING], 0.354),  # 5.1: left, right, ...
        ([NOTHING, NOTHING, NOTHING, NOTHING, TONE, -TONE], 0.354),  # behind
        ([TONE, -TONE, NOTHING, files.tone(50, 2), NOTHING, NOTHING], 0.354),  # and bass
    ],
)
@pytest.mark.parametrize(("suffix", "codec"), [(".wav", "pcm_s16le"), (".mka", "flac")])
def test_channels_of_opposite_phase_do_not_become_silence(tmp_path, suffix, codec, channels, level):
    path = mux(tmp_path / f"a{suffix}", Sound(np.stack(channels), codec=codec))
    waveform = decode(path)
    assert loudness(waveform) == pytest.approx(level, rel=0.02)
    assert pitch(waveform) == pytest.approx(440, abs=1)


@pytest.mark.parametrize(
    "channels",
    [
        [TONE, TONE],
        [TONE, NOTHING],
        [NOTHING, TONE],
        [TONE, -0.3 * TONE],
        [TONE, files.tone(660, 2)],
        [TONE, np.roll(TONE, 9)],  # a quarter of a period later
        [NOTHING, NOTHING],
        [NOTHING, NOTHING, TONE, NOTHING, NOTHING, NOTHING],  # 5.1: a voice in the middle
        [NOTHING, NOTHING, NOTHING, TONE, NOTHING, NOTHING],  # bass alone
        [files.tone(f, 2) for f in (300, 400, 500, 60, 600, 700)],
    ],
)
def test_other_channels_are_mixed_as_ever(tmp_path, channels):
    path = mux(tmp_path / "a.wav", Sound(np.stack(channels), codec="pcm_s16le"))
    np.testing.assert_array_equal(decode(path), mixed(path))


def test_a_clip_is_judged_by_itself(tmp_path):
    """The first second is of opposite phase, the second is not."""
    signs = np.where(np.arange(len(TONE)) < 16_000, -1, 1)
    path = mux(tmp_path / "a.wav", Sound(np.stack([TONE, TONE * signs]), codec="pcm_s16le"))
    for start in (0, 1):
        part = files.decode(path, require=("audio",), window=Window(start, start + 1))
        assert loudness(part.waveform) == pytest.approx(0.354, rel=0.02)


def wav(samples, code, bits, rate=16_000, extensible=False, sizes=None, odd=False):
    """A WAV file of one channel, by bytes.

    Args:
        samples: float [n] in [-1, 1].
        code: 1 for whole numbers, 3 for real ones.
        bits: Of a sample.
        rate: Samples a second.
        extensible: Whether the header is WAVE_FORMAT_EXTENSIBLE.
        sizes: What RIFF and data claim to be long, or None for the truth.
        odd: Whether chunks of odd length that nobody knows come first.
    """
    if code == 3:
        data = samples.astype(f"<f{bits // 8}").tobytes()
    else:
        whole = np.round(samples * (2 ** (bits - 1) - 1)).astype("<i4")
        if bits == 8:
            whole += 128
        data = whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()
    size = bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else code, 1, rate, rate * size, size, bits)
    if extensible:
        guid = struct.pack("<H", code) + bytes.fromhex("000000001000800000aa00389b71")
        head += struct.pack("<HHI", 22, bits, 4) + guid
    chunks = b"".join(b"junk" + struct.pack("<I", n) + bytes(n + n % 2) for n in (3, 27)) * odd
    chunks += b"fmt " + struct.pack("<I", len(head)) + head
    riff, length = sizes or (len(chunks) + 12 + len(data), len(data))
    riff, length = struct.pack("<I", riff), struct.pack("<I", length)
    return b"RIFF" + riff + b"WAVE" + chunks + b"data" + length + data


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(("code", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_wave_files_of_all_forms(tmp_path, code, bits, extensible, odd):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(TONE, code, bits, extensible=extensible, odd=odd))
    waveform = decode(path)
    assert len(waveform) == 32_000
    np.testing.assert_allclose(waveform / 32768, TONE, atol=0.01 if bits == 8 else 1e-4)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_wave_files_of_all_rates(tmp_path, rate):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(files.tone(440, 2, rate), 1, 24, rate))
    waveform = decode(path)
    assert len(waveform) == 32_000
    assert pitch(waveform) == pytest.approx(440, abs=1)
    assert loudness(waveform) == pytest.approx(0.354, rel=0.01)


@pytest.mark.parametrize(
    "sizes",
    [
        (0xFFFF_FFFF, 0xFFFF_FFFF),
        (0xFFFF_FFFF, 0xFFFF_FFFF - 36),
        (0x7FFF_FFFF, 0x7FFF_FFFF - 36),
        (0x7FFF_F024, 0x7FFF_F000),
        (0, 0),
        (0xFFFF_FFFF, 0),
    ],
)
def test_a_wave_file_from_a_pipe_is_read_to_its_end(tmp_path, sizes):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(TONE, 1, 16, sizes=sizes))
    waveform = decode(path)
    assert len(waveform) == 32_000
    assert pitch(waveform) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("suffix", [".aiff", ".aif", ".AIFC", ".caf", ".au", ".w64", ".wv", ".m4a"])
def test_other_files_of_sound(tmp_path, suffix):
    codec = {".w64": "pcm_s16le", ".wv": "wavpack", ".m4a": "aac"}.get(suffix, "pcm_s16be")
    container = {".aif": "aiff", ".AIFC": "aiff", ".m4a": "ipod"}.get(suffix)
    path = mux(tmp_path / f"a{suffix}", Sound(TONE, codec=codec), container=container)
    waveform = decode(path)
    assert len(waveform) == 32_000
    assert pitch(waveform) == pytest.approx(440, abs=1)
