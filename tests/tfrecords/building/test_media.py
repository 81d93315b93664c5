import io

import numpy as np
import pytest
from PIL import Image

from tests.tfrecords import files
from tfrecords.building import media


def decode(path, audio=None, require=("audio", "video"), window=None, **settings):
    return files.decode(path, audio, media.Settings(**settings), require, window)


def reason(path, *arguments, **settings):
    with pytest.raises(media.MediaError) as error:
        decode(path, *arguments, **settings)
    return error.value.reason


def pixels(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)


def peak(waveform, rate):
    """The strongest frequency, Hz."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return np.argmax(spectrum) * rate / len(waveform)


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    """Two seconds: a tone of 440 Hz from 0.5 s on, sixteen gray frames."""
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    sound = files.tone(440, 2, start=0.5)
    return files.write(path, files.gray_frames(16), sound=sound, movflags="faststart")


def test_mp4_waveform_has_frequency_level_length_and_onset(mp4):
    clip = decode(mp4)
    assert clip.waveform.dtype == np.int16
    assert clip.waveform.shape == (32_000,)
    assert clip.duration == pytest.approx(2.0)
    sounding = clip.waveform[9_000:31_000] / 32768
    assert peak(sounding, 16_000) == pytest.approx(440, abs=1)
    assert np.sqrt(np.mean(sounding**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    onset = np.argmax(np.abs(clip.waveform) > 6_000) / 16_000
    assert onset == pytest.approx(0.5, abs=0.003)


@pytest.mark.parametrize("fps", [1, 3, 4, 8, 16])
def test_frames_are_those_at_or_before_k_over_fps(mp4, fps):
    clip = decode(mp4, fps=fps)
    assert len(clip.frames) == 2 * fps
    assert clip.timestamps_us == tuple(round(1e6 * k / fps) for k in range(2 * fps))
    shown = [pixels(jpeg).mean() for jpeg in clip.frames]
    expected = [20 + 6 * ((8 * k) // fps) for k in range(2 * fps)]
    np.testing.assert_allclose(shown, expected, atol=1.5)


def test_frames_keep_colours_and_places(tmp_path):
    frames = np.zeros((8, 64, 96, 3), np.uint8)
    frames[:, :, :48] = (200, 40, 60)
    frames[:, :32, 48:] = (30, 60, 180)
    clip = decode(files.write(tmp_path / "a.mp4", frames), require=())
    assert (clip.height, clip.width) == (64, 96)
    image = pixels(clip.frames[3])
    np.testing.assert_allclose(image[32, 20], (200, 40, 60), atol=6)
    np.testing.assert_allclose(image[16, 70], (30, 60, 180), atol=6)
    np.testing.assert_allclose(image[48, 70], (0, 0, 0), atol=6)


@pytest.mark.parametrize(
    ("short_side", "height", "width"), [(48, 48, 72), (64, 64, 96), (256, 64, 96)]
)
def test_frames_are_scaled_down_and_never_up(tmp_path, short_side, height, width):
    path = files.write(tmp_path / "a.mp4", files.gray_frames(4, 64, 96))
    clip = decode(path, require=(), short_side=short_side)
    assert (clip.height, clip.width) == (height, width)
    assert pixels(clip.frames[0]).shape == (height, width, 3)


def test_rotation_of_a_phones_video_is_honoured(tmp_path):
    frames = np.zeros((8, 64, 96, 3), np.uint8)
    frames[:, :, :32] = 220  # a bright left third
    path = files.write(tmp_path / "a.mp4", frames)
    content = bytearray(path.read_bytes())
    # The track header's matrix stands 40 bytes after its version; this one turns clockwise by 90.
    at = content.index(b"tkhd") + 4 + 40
    matrix = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4")
    content[at : at + 36] = matrix.tobytes()
    path.write_bytes(content)
    clip = decode(path, require=())
    assert (clip.height, clip.width) == (96, 64)
    image = pixels(clip.frames[0])
    assert image[:28].mean() > 200  # left became top
    assert image[40:].mean() < 20


def test_wav_of_the_wanted_rate_comes_back_bit_by_bit(tmp_path, rng):
    sound = rng.uniform(-1, 1, 16_000).astype(np.float32)
    path = files.write(tmp_path / "a.wav", sound=sound)
    waveform = decode(path, require=("audio",)).waveform
    np.testing.assert_array_equal(waveform, np.round(sound * 32767).astype(np.int16))


def test_resampling_keeps_pitch_and_level_and_removes_what_would_alias(tmp_path):
    low = files.write(
        tmp_path / "l.wav", sound=files.tone(1_000, 1, 44_100), rate=44_100, layout="stereo"
    )
    waveform = decode(low, require=("audio",)).waveform / 32768
    assert waveform.shape == (16_000,)
    assert peak(waveform, 16_000) == pytest.approx(1_000, abs=1)
    assert np.sqrt(np.mean(waveform[100:-100] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    high = files.write(tmp_path / "h.wav", sound=files.tone(10_000, 1, 44_100), rate=44_100)
    waveform = decode(high, require=("audio",)).waveform / 32768
    assert np.abs(waveform[100:-100]).max() < 0.005


def test_sound_of_cremad_comes_from_the_wav_and_frames_from_the_flv(tmp_path):
    flv = files.clip(tmp_path / "a.flv", frequency=440, seconds=2)
    wav = files.write(tmp_path / "a.wav", sound=files.tone(880, 2))
    clip = decode(flv, wav)
    assert peak(clip.waveform, 16_000) == pytest.approx(880, abs=1)
    np.testing.assert_allclose(
        [pixels(jpeg).mean() for jpeg in clip.frames], [20 + 12 * k for k in range(8)], atol=3
    )
    assert peak(decode(flv).waveform, 16_000) == pytest.approx(440, abs=1)


def test_what_lies_beyond_the_limit_is_cut_off(mp4):
    clip = decode(mp4, max_seconds=1.25)
    assert len(clip.waveform) == 20_000
    assert len(clip.frames) == 5
    assert clip.duration == 1.25


def test_late_sound_is_placed_by_its_timestamps(tmp_path):
    path = tmp_path / "late.mkv"
    files.write(path, files.gray_frames(8), sound=files.tone(440, 1))
    whole = decode(path)
    assert np.abs(whole.waveform[:400]).max() > 10_000
    # The same packets, the sound's 0.3 s later.
    import av

    late = tmp_path / "later.mkv"
    with av.open(str(path)) as source, av.open(str(late), "w") as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio":
                shift = round(0.3 / packet.time_base)
                packet.pts += shift
                packet.dts += shift
            packet.stream = streams[packet.stream.index]
            target.mux(packet)
    waveform = decode(late).waveform
    assert np.abs(waveform[: round(0.29 * 16_000)]).max() == 0
    np.testing.assert_array_equal(
        waveform[4_800 : 4_800 + 12_000], whole.waveform[: len(waveform[4_800 : 4_800 + 12_000])]
    )


def test_a_stream_that_is_not_required_may_be_missing(tmp_path):
    silent = files.write(tmp_path / "v.mp4", files.gray_frames(8))
    assert reason(silent) == "no audio stream"
    assert reason(silent, None, ("audio",)) == "no audio stream"
    for require in (("video",), ()):
        clip = decode(silent, require=require)
        assert clip.waveform is None
        assert len(clip.frames) == 4
    blind = files.write(tmp_path / "a.mp4", sound=files.tone(440, 1))
    assert reason(blind) == "no video stream"
    clip = decode(blind, require=("audio",))
    assert clip.frames == ()
    assert clip.height == 0
    assert len(clip.waveform) == 16_000


def test_files_that_are_no_media_are_told_by_what_they_are(tmp_path):
    assert reason(tmp_path / "none.mp4") == "missing"
    (tmp_path / "empty.mp4").touch()
    assert reason(tmp_path / "empty.mp4") == "truncated"
    (tmp_path / "text.mp4").write_text("no media\n" * 100)
    assert reason(tmp_path / "text.mp4") == "undecodable"
    (tmp_path / "dir.mp4").mkdir()
    assert reason(tmp_path / "dir.mp4") == "unreadable"
    with pytest.raises(media.MediaError, match="run `git lfs pull`") as error:
        decode(files.pointer(tmp_path / "pointer.mp4"))
    assert error.value.reason == "lfs pointer"


@pytest.mark.parametrize("part", [0.3, 0.6])
def test_cut_off_files_are_truncated(mp4, tmp_path, part):
    index_first = mp4.read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(index_first[: round(part * len(index_first))])
    assert reason(path) == "truncated"
    index_last = files.clip(tmp_path / "b.mp4", seconds=2).read_bytes()
    path.write_bytes(index_last[: round(part * len(index_last))])
    assert reason(path) == "truncated"


def test_too_short_and_too_large(tmp_path):
    path = files.write(tmp_path / "a.wav", sound=files.tone(440, 0.05))
    assert reason(path, None, ("audio",)) == "too short"
    path = files.write(tmp_path / "a.mp4", files.gray_frames(2, 64, 96))
    assert reason(path, None, ("video",), max_pixels=64 * 96 - 1) == "too large"
    decode(path, require=("video",), max_pixels=64 * 96)


def test_a_playlist_cannot_make_the_decoder_open_other_files(mp4, tmp_path):
    path = tmp_path / "list.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{mp4}\n#EXT-X-ENDLIST\n")
    assert reason(path) == "undecodable"


def test_names_that_look_like_options_or_addresses(mp4, tmp_path):
    for name in ("-A90G-I68oB_000335.mp4", "http:a.mp4", "%03d.mp4"):
        (tmp_path / name).write_bytes(mp4.read_bytes())
        assert len(decode(tmp_path / name).frames) == 8


def test_damaged_files_raise_nothing_else(mp4, tmp_path):
    whole = np.frombuffer(mp4.read_bytes(), np.uint8)
    rng = np.random.default_rng(3)
    path = tmp_path / "a.mp4"
    outcomes = set()
    for _ in range(60):
        damaged = whole.copy()
        at = rng.integers(0, len(damaged), rng.integers(1, 60))
        damaged[at] = rng.integers(0, 256, len(at))
        path.write_bytes(damaged.tobytes())
        outcome = files.outcome(path, None, media.Settings(), ())
        outcomes.add(getattr(outcome, "reason", "decoded"))
    assert "decoded" in outcomes
    assert len(outcomes) > 1  # some were damaged enough to tell


def test_no_noise_on_the_terminal(mp4, tmp_path, capfd):
    path = tmp_path / "a.mp4"
    path.write_bytes(mp4.read_bytes()[:3_000])
    files.outcome(path, None, media.Settings(), ())
    assert capfd.readouterr() == ("", "")
