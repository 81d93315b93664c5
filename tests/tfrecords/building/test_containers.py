"""Which containers are read, and what is said of others."""

import numpy as np
import pytest

from tests.tfrecords import files
from tests.tfrecords.building.muxing import Picture, Sound, mux
from tests.tfrecords.building.test_clock import pitch
from tests.tfrecords.building.test_streams import grays
from tfrecords.building import container, media

FRAMES = files.gray_frames(16)
TONE = files.tone(440, 2, 48_000)
FILMS = {
    ".mp4": ("libx264", "aac"), ".mov": ("libx264", "pcm_s16le"), ".mkv": ("ffv1", "flac"),
    ".webm": ("libvpx", "libopus"), ".avi": ("mpeg4", "libmp3lame"), ".ts": ("libx264", "aac"),
    ".flv": ("flv", "aac"), ".mpg": ("mpeg2video", "mp2"), ".wmv": ("wmv2", "wmav2"),
    ".3gp": ("mpeg4", "aac"), ".nut": ("ffv1", "flac"), ".m2ts": ("libx264", "ac3"),
    ".vob": ("mpeg2video", "ac3"), ".ogv": (None, "libopus"), ".mxf": ("mpeg2video", "pcm_s16le"),
}  # fmt: skip
SOUNDS = {
    ".wav": "pcm_s16le", ".flac": "flac", ".ogg": "libopus", ".opus": "libopus",
    ".mp3": "libmp3lame", ".aac": "aac", ".ac3": "ac3", ".wma": "wmav2", ".mp2": "mp2",
    ".oga": "flac",
}  # fmt: skip


@pytest.mark.parametrize("suffix", FILMS)
def test_films(tmp_path, suffix):
    video, audio = FILMS[suffix]
    fps = 25 if suffix in (".mpg", ".vob", ".mxf") else 8  # MPEG and MXF know some rates alone
    frames = files.gray_frames(2 * fps, 96, 128) if fps == 8 else np.repeat(
        files.gray_frames(10, 96, 128), 5, 0)  # fmt: skip
    streams = [Picture(frames, fps, video)] * (video is not None) + [Sound(TONE, 48_000, audio)]
    path = mux(tmp_path / f"a{suffix}", *streams)
    clip = files.decode(path, require=("audio", "video") if video else ("audio",))
    assert pitch(clip.waveform) == pytest.approx(440, abs=1)
    assert clip.duration == pytest.approx(2, abs=0.15)
    assert container.duration(path) == pytest.approx(2, abs=0.15)
    if video:
        wanted = [frames[min(k * fps // 4, len(frames) - 1)].mean() for k in range(8)]
        np.testing.assert_allclose(grays(clip)[:8], wanted, atol=8)


@pytest.mark.parametrize("suffix", SOUNDS)
def test_sounds(tmp_path, suffix):
    path = mux(tmp_path / f"a{suffix}", Sound(TONE, 48_000, SOUNDS[suffix]))
    clip = files.decode(path, require=("audio",))
    assert pitch(clip.waveform) == pytest.approx(440, abs=1)
    assert clip.duration == pytest.approx(2, abs=0.1)


def test_a_moving_gif(tmp_path):
    path = mux(tmp_path / "a.GIF", Picture(FRAMES, codec="gif", pix_fmt="rgb8"), container="gif")
    shown = grays(files.decode(path, require=("video",)))
    assert len(shown) in (8, 9)  # GIF counts hundredths of seconds
    np.testing.assert_allclose(shown[:8], [20 + 12 * k for k in range(8)], atol=2)


def test_another_container_is_named_with_those_that_are_taken(tmp_path):
    path = mux(tmp_path / "a.tta", Sound(TONE, 48_000, "tta"))
    with pytest.raises(media.MediaError) as error:
        files.decode(path, require=("audio",))
    assert error.value.reason == "undecodable"
    assert error.value.detail.startswith("a.tta is in the container tta, which is not supported")
    assert "matroska, webm, flv, wav" in error.value.detail
