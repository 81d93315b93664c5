"""Which streams of a file are read, and how a file ends."""

import io
import re

import av
import numpy as np
import pytest
from PIL import Image

from tests.tfrecords import files
from tests.tfrecords.building.muxing import Cover, Other, Picture, Sound, mux
from tfrecords.building import media

FRAMES = files.gray_frames(16)
TONE = files.tone(440, 2)
SILENCE = np.zeros(32_000, np.float32)


def grays(clip):
    """The mean brightness of each frame."""
    return [np.asarray(Image.open(io.BytesIO(jpeg))).mean() for jpeg in clip.frames]


def loudness(clip):
    return np.sqrt(np.mean((clip.waveform / 32768) ** 2))


def reason(path, require):
    with pytest.raises(media.MediaError) as error:
        files.decode(path, require=require)
    return error.value.reason


def forget_codec(path, track):
    """Makes the codec of one of an MP4 file's sound tracks one that nobody knows."""
    content = bytearray(path.read_bytes())
    for name, other in ((b"mp4a", b"apac"), (b"esds", b"dapa")):  # the codec, and what tells of it
        places = [match.start() for match in re.finditer(name, content)]
        content[places[track] : places[track] + 4] = other
    path.write_bytes(content)


def same(one, other):
    assert one.frames == other.frames
    np.testing.assert_array_equal(one.waveform, other.waveform)
    assert one.duration == other.duration


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_the_order_of_the_streams_does_not_count(tmp_path, suffix):
    picture = Picture(FRAMES, options={"bf": "2", "preset": "medium"})  # frames wait in the decoder
    video_first = mux(tmp_path / f"v{suffix}", picture, Sound(TONE))
    audio_first = mux(tmp_path / f"a{suffix}", Sound(TONE), picture)
    one, other = files.decode(video_first), files.decode(audio_first)
    assert len(one.frames) == len(other.frames) >= 8
    within = 2 if suffix != ".ts" else 8  # the clock starts with AAC's padding, half a frame before
    np.testing.assert_allclose(grays(one)[:8], [20 + 12 * k for k in range(8)], atol=within)
    np.testing.assert_allclose(grays(one), grays(other), atol=2)
    np.testing.assert_array_equal(one.waveform, other.waveform)


@pytest.mark.parametrize(
    ("suffix", "others"),
    [
        (".mp4", [Other("mov_text", 2)]),
        (".mp4", [Other("mov_text", 9)]),
        (".mov", [Other("mov_text", 9)]),
        (".mkv", [Other("subrip", 2)]),
        (".mkv", [Other("subrip", 9), Cover()]),
        (".ts", [Other("bin_data", 2)]),
        (".mp4", [Cover()]),
    ],
)
def test_what_is_neither_sound_nor_picture_does_not_count(tmp_path, suffix, others):
    plain = files.decode(mux(tmp_path / f"plain{suffix}", Picture(FRAMES), Sound(TONE)))
    for streams in (
        [*others, Picture(FRAMES), Sound(TONE)],
        [Picture(FRAMES), Sound(TONE), *others],
    ):
        same(files.decode(mux(tmp_path / f"a{suffix}", *streams)), plain)


def test_a_data_stream_that_comes_first_is_no_picture(tmp_path):
    path = mux(tmp_path / "a.ts", Other("bin_data", 2), Sound(TONE))
    assert reason(path, ("video",)) == "no video stream"
    assert len(files.decode(path, require=("audio",)).waveform) >= 32_000


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".m4a", "aac"), (".mp3", "libmp3lame"), (".flac", "flac")]
)
def test_a_cover_is_no_picture(tmp_path, suffix, codec):
    path = mux(tmp_path / f"song{suffix}", Sound(TONE, codec=codec), Cover(), container={
        ".m4a": "mp4"}.get(suffix))  # fmt: skip
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["audio", "video"]
    assert reason(path, ("audio", "video")) == "no video stream"
    assert loudness(files.decode(path, require=("audio",))) == pytest.approx(0.35, abs=0.02)


@pytest.mark.parametrize("unknown", [0, 1])
def test_a_track_without_a_decoder_is_none(tmp_path, unknown):
    tracks = [Sound(TONE), Sound(TONE)]
    tracks[unknown] = Sound(SILENCE)
    path = mux(tmp_path / "a.mp4", Picture(FRAMES), *tracks)
    forget_codec(path, unknown)
    with av.open(str(path)) as container:
        known = [s.codec_context is not None for s in container.streams.audio]
    assert known == [k != unknown for k in range(2)]
    clip = files.decode(path)
    assert loudness(clip) == pytest.approx(0.35, abs=0.02)
    np.testing.assert_allclose(grays(clip), [20 + 12 * k for k in range(8)], atol=2)


def test_where_no_track_has_a_decoder_the_picture_is_read(tmp_path):
    path = mux(tmp_path / "a.mp4", Picture(FRAMES), Sound(TONE))
    forget_codec(path, 0)
    assert reason(path, ("audio", "video")) == "undecodable"
    assert len(files.decode(path, require=("video",)).frames) == 8


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("chosen", [0, 1])
def test_of_several_tracks_the_default_is_read(tmp_path, suffix, chosen):
    sounds = [Sound(SILENCE, default=chosen == 0), Sound(SILENCE, default=chosen == 1)]
    sounds[chosen].samples = TONE
    pictures = [
        Picture(np.full_like(FRAMES, 200), default=chosen == 0),
        Picture(np.full_like(FRAMES, 200), default=chosen == 1),
    ]
    pictures[chosen].frames = FRAMES
    clip = files.decode(mux(tmp_path / f"a{suffix}", *pictures, *sounds))
    assert loudness(clip) == pytest.approx(0.35, abs=0.02)
    np.testing.assert_allclose(grays(clip), [20 + 12 * k for k in range(8)], atol=2)


def test_without_a_default_the_first_track_is_read(tmp_path):
    sounds = (Sound(TONE, default=False), Sound(SILENCE, default=False))
    clip = files.decode(mux(tmp_path / "a.mkv", Picture(FRAMES), *sounds))
    assert loudness(clip) == pytest.approx(0.35, abs=0.02)


def test_an_index_that_is_cut_off_is_truncated(tmp_path):
    """It may tell of some tracks, and which would be the default is not known."""
    tracks = (Picture(FRAMES, default=False), Picture(FRAMES // 2))
    path = mux(tmp_path / "a.mp4", *tracks)
    content = path.read_bytes()
    assert len(files.decode(path, require=("video",)).frames) == 8
    second = content.rindex(b"trak")
    for at in (second, second + 100, len(content) - 1):
        path.write_bytes(content[:at])
        assert reason(path, ("video",)) == "truncated"
