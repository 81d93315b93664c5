"""Time stamps that start again, go back or jump ahead."""

import pathlib

import av
import numpy as np
import pytest

from tests.tfrecords import files
from tests.tfrecords.building.muxing import Picture, Sound, mux
from tests.tfrecords.building.test_streams import grays
from tfrecords.building import container
from tfrecords.building.settings import Window

SECONDS = 2


def recording(path, frequency, gray, start=0.0):
    """Two seconds of a tone and of a grey that gets lighter."""
    frames = files.gray_frames(8 * SECONDS) // 4 + gray
    picture = Picture(frames.astype(np.uint8), codec="mpeg4")
    sound = Sound(files.tone(frequency, SECONDS), codec="mp2")
    return mux(path, picture, sound, output_ts_offset=f"{start}")


def joined(tmp_path, suffix, *starts):
    """Recordings joined byte by byte, each of a higher tone and a lighter grey."""
    parts = [
        recording(tmp_path / f"{k}{suffix}", 400 + 200 * k, 20 + 60 * k, start)
        for k, start in enumerate(starts)
    ]
    whole = tmp_path / f"joined{suffix}"
    whole.write_bytes(b"".join(map(pathlib.Path.read_bytes, parts)))
    return whole


def pitch(waveform):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return np.argmax(spectrum) * 16_000 / len(waveform)


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
@pytest.mark.parametrize("starts", [(0, 0), (0, 0, 0), (5, 0), (10_000, 0)])
def test_joined_recordings_follow_each_other_each_sound_with_its_picture(tmp_path, suffix, starts):
    path = joined(tmp_path, suffix, *starts)
    clip = files.decode(path)
    assert clip.duration == pytest.approx(SECONDS * len(starts), abs=0.25)
    assert container.duration(path) == pytest.approx(SECONDS * len(starts), abs=0.25)
    shown = grays(clip)
    for k in range(len(starts)):
        inside = clip.waveform[round((2 * k + 0.5) * 16_000) : round((2 * k + 1.5) * 16_000)]
        assert pitch(inside) == pytest.approx(400 + 200 * k, abs=2)
        within = shown[8 * k + 1 : 8 * k + 7]
        wanted = 25 + 60 * k + 3 * np.arange(1, 7)
        np.testing.assert_allclose(within, wanted, atol=4)


def test_sound_and_picture_of_joined_recordings_are_shifted_alike(tmp_path):
    path = joined(tmp_path, ".ts", 0, 0, 0)
    clip = files.decode(path)
    changes = np.flatnonzero(np.diff(grays(clip)) > 20) + 1
    for k, change in enumerate(changes, 1):
        onset = change / 4
        before = clip.waveform[round((onset - 0.5) * 16_000) : round((onset - 0.3) * 16_000)]
        after = clip.waveform[round((onset + 0.1) * 16_000) : round((onset + 0.3) * 16_000)]
        assert pitch(before) == pytest.approx(200 + 200 * k, abs=6)
        assert pitch(after) == pytest.approx(400 + 200 * k, abs=6)
    assert len(changes) == 2


def test_a_part_of_joined_recordings(tmp_path):
    path = joined(tmp_path, ".ts", *[0] * 4)
    whole = files.decode(path)
    part = files.decode(path, window=Window(6.5, 7.5))
    assert pitch(part.waveform) == pytest.approx(1_000, abs=2)
    assert len(part.waveform) == 16_000
    np.testing.assert_allclose(grays(part), grays(whole)[26:30], atol=4)


def test_chained_sound_goes_on(tmp_path):
    parts = [
        files.write(tmp_path / f"{k}.ogg", sound=files.tone(f, 2, 48_000), rate=48_000)
        for k, f in enumerate((400, 600))
    ]
    path = tmp_path / "chained.ogg"
    path.write_bytes(b"".join(map(pathlib.Path.read_bytes, parts)))
    clip = files.decode(path, require=("audio",))
    assert len(clip.waveform) == pytest.approx(64_000, abs=2_000)
    assert pitch(clip.waveform[8_000:24_000]) == pytest.approx(400, abs=2)
    assert pitch(clip.waveform[40_000:56_000]) == pytest.approx(600, abs=2)


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_a_gap_stays_a_gap(tmp_path, suffix):
    path = recording(tmp_path / f"whole{suffix}", 440, 20)
    gap = tmp_path / f"gap{suffix}"
    with av.open(str(path)) as source, av.open(str(gap), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.pts * packet.time_base - source.start_time / 1e6 >= 1:
                packet.pts += round(3 / packet.time_base)
                packet.dts += round(3 / packet.time_base)
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    clip = files.decode(gap)
    assert clip.duration == pytest.approx(5, abs=0.2)
    starts = range(2_000, 80_000, 8_000)
    loud = [np.abs(clip.waveform[start : start + 4_000]).max() > 1_000 for start in starts]
    assert loud == [True, True, *[False] * 6, True, True]
    assert len(clip.frames) == pytest.approx(20, abs=1)
