"""Encoded clips give the inputs of the same clips as arrays; what is wrong with them is said."""

import io
import wave

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.modalities.video import resize_center
from amr_tf.serving import encoded_media
from amr_tf.serving.encoded_media import MAX_WAV_BYTES, wav
from tests.amr_tf.serving.served import INPUTS, VIDEO, jpeg, of_arrays, of_media, pixels


@tf.function(
    input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([None, None], tf.string)]
)
def in_graph(audio, frames):
    return of_media(audio, frames)


def sound(rng, *shape):
    return rng.integers(-20_000, 20_000, shape, dtype=np.int16)


def stereo(samples, rate=2000, width=2):
    """A WAV file of int16 `[n, 2]`, written without this project."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((2, width, rate, 0, "NONE", ""))
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def expected(waveform, jpegs):
    """By way of `serving_features` of one clip; the frames are decoded one by one."""
    decoded = [tf.io.decode_jpeg(file, channels=3) for file in jpegs]
    squares = [resize_center(frame[None], VIDEO.size)[0] for frame in decoded]
    arrays = np.float32(waveform)[None], np.stack(squares)[None]
    return of_arrays(*arrays)


def test_clips_that_differ_in_everything(rng):
    """Lengths, channels, frame counts and sizes; the second has no sound, the third no frames."""
    first, two_channels = sound(rng, 1300), sound(rng, 321, 2)
    films = [[jpeg(pixels(rng, 20, 24)) for _ in range(5)], [jpeg(pixels(rng, 9, 40))]]
    frames = [[b"", *films[0]], [*films[1], *[b""] * 5], [b""] * 6]
    found = in_graph([wav(first, 2000), b"", stereo(two_channels)], frames)
    np.testing.assert_array_equal(found["presence"], [[1, 1], [0, 1], [1, 0]])
    heard = expected(first / 32_768, films[0])
    np.testing.assert_allclose(found["audio"][0], heard["audio"][0], atol=1e-5)
    np.testing.assert_array_equal(found["video"][0], heard["video"][0])
    seen = expected(np.zeros(1), films[1])
    np.testing.assert_array_equal(found["video"][1], seen["video"][0])
    both = expected(two_channels.mean(axis=1) / 32_768, films[1])
    np.testing.assert_allclose(found["audio"][2], both["audio"][0], atol=1e-5)
    assert not np.any(found["audio"][1])
    assert not np.any(found["video"][2])


def test_presence_follows_the_models_order(rng):
    audio, frames = tf.constant([wav(sound(rng, 99), 2000)]), tf.constant([[b""]])
    for order, presence in ((("audio", "video"), [1, 0]), (("video", "audio"), [0, 1])):
        found = of_media(audio, frames, {name: INPUTS[name] for name in order})
        np.testing.assert_array_equal(found["presence"], [presence])


def test_frames_that_the_model_does_not_see_are_not_decoded(rng):
    """Of four frames it sees the second and the last, by the rule of the middles."""
    seen = [jpeg(pixels(rng, 16, 16)) for _ in range(2)]
    found = in_graph([b""], [[b"no", seen[0], b"no", seen[1]]])
    np.testing.assert_array_equal(found["video"], expected(np.zeros(1), seen)["video"])


def test_an_empty_batch_and_no_columns_of_frames(rng):
    assert in_graph(tf.zeros([0], tf.string), tf.zeros([0, 3], tf.string))["video"].shape[0] == 0
    found = in_graph([wav(sound(rng, 99), 2000)], tf.zeros([1, 0], tf.string))
    np.testing.assert_array_equal(found["presence"], [[1, 0]])


def test_wav_is_what_the_standard_library_reads(rng):
    samples = sound(rng, 77)
    with wave.open(io.BytesIO(wav(samples, 22_050))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        np.testing.assert_array_equal(np.frombuffer(file.readframes(99), "<i2"), samples)


SOUND = wav(np.arange(500, dtype=np.int16), 2000)
FRAME = jpeg(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
LARGE = jpeg(np.zeros((4097, 4097, 3), np.uint8))


@pytest.mark.parametrize(
    ("audio", "frame", "message"),
    [
        (b"", b"", "each clip needs audio or video"),
        (b"RIFF", b"", "no WAV file: send 16-bit PCM"),
        (b"garbage" * 99, b"", "no WAV file: send 16-bit PCM"),
        (SOUND[:-7], b"", "truncated: 1037 of the 1044 bytes"),
        (SOUND[:20], b"", "truncated: 20 of the 1044 bytes"),
        (wav(np.zeros(9), 8000), b"", "has 8000 samples a second, the model hears 2000"),
        (stereo(np.zeros((8, 2)), width=4), b"", "16-bit WAV files, but received 32"),
        (wav(np.zeros(MAX_WAV_BYTES // 2), 2000), b"", f"bytes, the limit is {MAX_WAV_BYTES}"),
        (SOUND, b"garbage", "JPEG"),
        (SOUND, FRAME[:-200], "JPEG"),
        (SOUND, LARGE, r"\[4097 4097 3\] pixels .*, the limit is 16777216"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_said(audio, frame, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        in_graph([SOUND, audio], [[FRAME], [frame]])


def test_nothing_is_decoded_over_the_limit(monkeypatch):
    """The check comes first: a frame within it goes through the same graph."""
    monkeypatch.setattr(encoded_media, "MAX_FRAME_PIXELS", 1024)
    graph = tf.function(lambda f: of_media(None, f, {"video": VIDEO}))
    assert graph(tf.constant([[FRAME]]))["video"].shape == (1, *VIDEO.shape)
    truncated = jpeg(np.zeros((33, 32, 3), np.uint8))[:-4]  # decoding it would fail, otherwise
    with pytest.raises(tf.errors.InvalidArgumentError, match="the limit is 1024"):
        graph(tf.constant([[truncated]]))
