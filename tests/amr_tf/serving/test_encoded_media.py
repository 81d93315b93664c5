"""Encoded clips give the raw inputs of the same clips; what is wrong with them is said."""

import io
import re
import struct
import wave

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.modalities import FeaturesConfig, ImageConfig, TextConfig
from amr_tf.modalities import jpeg as jpegs
from amr_tf.modalities.pictures import resize_center
from amr_tf.modalities.wav import MAX_BYTES, encode
from amr_tf.serving.encoded_media import raw_of_files, read_files
from tests.amr_tf.serving.served import AUDIO, INPUTS, VIDEO, jpeg, of_media, pixels


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


def wav_file(samples, kind=1, channels=1, rate=2000, before=b"", sizes=None, extended=False):
    """A WAV file by its bytes: odd chunks before the samples, and the sizes that are declared."""
    width = samples.dtype.itemsize if isinstance(samples, np.ndarray) else 3
    data = samples.tobytes() if isinstance(samples, np.ndarray) else samples
    frame = width * channels
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, 8 * width)
    if extended:
        guid = struct.pack("<H", kind) + bytes.fromhex("000000001000800000aa00389b71")
        form = struct.pack("<H", 0xFFFE) + form[2:]
        form += struct.pack("<HHI", 22, 8 * width, 0) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + before
    riff, declared = sizes or (len(body) + 8 + len(data), len(data))
    return b"RIFF" + struct.pack("<I", riff) + body + b"data" + struct.pack("<I", declared) + data


def heard(samples):
    """The middle of int16 `[n]`, repeated where it is shorter."""
    wanted = AUDIO.samples
    start = max(0, len(samples) - wanted) // 2
    return np.resize(samples[start : start + wanted], wanted)


def seen(jpegs):
    """The frames that the model sees of one clip, decoded one by one."""
    chosen = [jpegs[(2 * k + 1) * len(jpegs) // (2 * VIDEO.frames)] for k in range(VIDEO.frames)]
    decoded = [tf.io.decode_jpeg(file, channels=3) for file in chosen]
    return np.stack([resize_center(frame[None], VIDEO.size)[0] for frame in decoded])


def test_clips_that_differ_in_everything(rng):
    """Lengths, channels, frame counts and sizes; the second has no sound, the third no frames."""
    first, two_channels = sound(rng, 1300), sound(rng, 321, 2)
    films = [[jpeg(pixels(rng, 20, 24)) for _ in range(5)], [jpeg(pixels(rng, 9, 40))]]
    frames = [[b"", *films[0]], [*films[1], *[b""] * 5], [b""] * 6]
    found = in_graph([encode(first, 2000), b"", stereo(two_channels)], frames)
    np.testing.assert_array_equal(found["presence"], [[1, 1], [0, 1], [1, 0]])
    np.testing.assert_array_equal(found["audio"][0], heard(first))
    np.testing.assert_array_equal(found["video"][0], seen(films[0]))
    np.testing.assert_array_equal(found["video"][1], seen(films[1]))
    np.testing.assert_array_equal(found["audio"][2], heard(np.rint(two_channels.mean(axis=1))))
    assert not np.any(found["audio"][1])
    assert not np.any(found["video"][2])


def test_images_texts_and_features(rng):
    inputs = {
        "image": ImageConfig(16),
        "text": TextConfig(("the", "cat"), 4),
        "steps": FeaturesConfig((3, 2), sequence=True),
    }
    picture, numbers = jpeg(pixels(rng, 16, 16)), rng.normal(size=(1, 2)).astype(np.float32)
    clips = [
        {"image": picture, "text": b"The CAT, the dog sat.", "steps": numbers},
        {"image": None, "text": None, "steps": rng.normal(size=(5, 2)).astype(np.float32)},
        {"image": (picture,), "text": None, "steps": None},
    ]
    files = {n: tf.constant(m.packed([c[n] for c in clips])) for n, m in inputs.items()}
    found = raw_of_files(files, inputs)
    np.testing.assert_array_equal(found["presence"], [[1, 1, 1], [0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(found["image"][0], tf.io.decode_jpeg(picture))
    np.testing.assert_array_equal(found["text"], [[2, 3, 2, 1], [0] * 4, [0] * 4])
    np.testing.assert_array_equal(found["steps"][0], [*numbers, *[[np.nan] * 2] * 2])
    np.testing.assert_array_equal(found["steps"][1], clips[1]["steps"][1:4])
    assert np.isnan(found["steps"][2]).all()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [(np.zeros((2, 3)), r"shape \[2, 3\]: the model takes \[steps, 2\]"), (np.zeros(2), "steps")],
)
def test_features_of_another_shape_are_refused(numbers, message):
    with pytest.raises(ValueError, match=message):
        FeaturesConfig((3, 2), sequence=True).packed([numbers])
    with pytest.raises(ValueError, match=r"the model takes \[7\]"):
        FeaturesConfig((7,)).packed([numbers])


def test_a_text_over_the_limit_is_refused():
    inputs = {"text": TextConfig(("a",), 2)}
    with pytest.raises(tf.errors.InvalidArgumentError, match="larger than the limit of 1048576"):
        raw_of_files({"text": tf.constant([b"a " * 2**20])}, inputs)


def test_presence_follows_the_models_order(rng):
    audio, frames = tf.constant([encode(sound(rng, 99), 2000)]), tf.constant([[b""]])
    for order, presence in ((("audio", "video"), [1, 0]), (("video", "audio"), [0, 1])):
        found = of_media(audio, frames, {name: INPUTS[name] for name in order})
        np.testing.assert_array_equal(found["presence"], [presence])


def test_frames_that_the_model_does_not_see_are_not_decoded(rng):
    """Of four frames it sees the second and the last, by the rule of the middles."""
    films = [jpeg(pixels(rng, 16, 16)) for _ in range(2)]
    found = in_graph([b""], [[b"no", films[0], b"no", films[1]]])
    np.testing.assert_array_equal(found["video"][0], seen(films))


def test_an_empty_batch_and_no_columns_of_frames(rng):
    assert in_graph(tf.zeros([0], tf.string), tf.zeros([0, 3], tf.string))["video"].shape[0] == 0
    found = in_graph([encode(sound(rng, 99), 2000)], tf.zeros([1, 0], tf.string))
    np.testing.assert_array_equal(found["presence"], [[1, 0]])


def test_wav_is_what_the_standard_library_reads(rng):
    samples = sound(rng, 77)
    with wave.open(io.BytesIO(encode(samples, 22_050))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        np.testing.assert_array_equal(np.frombuffer(file.readframes(99), "<i2"), samples)


SOUND = encode(np.arange(500, dtype=np.int16), 2000)
FRAME = jpeg(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
LARGE = jpeg(np.zeros((4097, 4097, 3), np.uint8))


@pytest.mark.parametrize(
    ("audio", "frame", "message"),
    [
        (b"", b"", "the clip has nothing for the model: it needs audio or video"),
        (b"RIFF", b"", "audio: the audio is not a WAV file: send PCM"),
        (b"garbage" * 99, b"", "not a WAV file: send PCM of 8, 16, 24 or 32 bits"),
        (SOUND[:-7], b"", "truncated: 1037 of the 1044 bytes"),
        (SOUND[:20], b"", "truncated: 20 of the 1044 bytes"),
        (encode(np.zeros(9), 8000), b"", "has 8000 samples a second, the model hears 2000"),
        (wav_file(np.zeros(9, "u1"), kind=7), b"", "samples of format 7: send PCM"),
        (wav_file(np.zeros(9, "<i2"), channels=0), b"", "samples of format 1: send PCM"),
        (SOUND[:36], b"", "truncated: 36 of the 1044 bytes"),
        (wav_file(b"")[:36] + SOUND[12:36], b"", "no format or no samples"),
        (encode(np.zeros(MAX_BYTES // 2), 2000), b"", f"bytes, the limit is {MAX_BYTES}"),
        (SOUND, b"garbage", "video: a picture is not a JPEG file"),
        (SOUND, FRAME[:-200], "video: a JPEG file is damaged"),
        (SOUND, FRAME[:100], "a JPEG file is damaged"),
        (SOUND, b"\xff\xd8", "a JPEG file is damaged"),
        (SOUND, LARGE, r"\[4097 4097 3\] pixels .*, the limit is 16777216"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_said(audio, frame, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        in_graph([SOUND, audio], [[FRAME], [frame]])
    files = {"audio": tf.constant([SOUND, audio]), "video": tf.constant([[FRAME], [frame]])}
    found, problems = read_files(files, INPUTS)
    assert problems[0] == b""
    assert re.search(message, problems[1].numpy().decode())
    np.testing.assert_array_equal(found["video"][0], seen([FRAME]))
    np.testing.assert_array_equal(found["audio"][0], heard(np.arange(500)))


def test_no_damage_fails_the_others(rng):
    """Bytes of files are changed at random, 400 times: half of the batch is always read."""
    wavs, frames = [], []
    for _ in range(200):
        for kept, file in ((wavs, SOUND), (frames, FRAME)):
            changed = np.frombuffer(file, np.uint8).copy()
            at = rng.integers(0, 64 if rng.random() < 0.5 else len(changed), rng.integers(1, 9))
            changed[at] = rng.integers(0, 256, len(at))
            kept += [file, changed[: rng.integers(1, 2 * len(changed))].tobytes()]
    files = {"audio": tf.constant(wavs), "video": tf.constant(frames)[:, None]}
    found, problems = read_files(files, INPUTS)
    assert not np.any(problems[::2] != b"")
    assert np.any(problems[1::2] != b"")
    np.testing.assert_array_equal(found["audio"][::2], [heard(np.arange(500))] * 200)
    np.testing.assert_array_equal(found["video"][::2], [seen([FRAME])] * 200)


def test_nothing_is_decoded_over_the_limit(monkeypatch):
    """The check comes first: a frame within it goes through the same graph."""
    monkeypatch.setattr(jpegs, "MAX_PIXELS", 1024)
    graph = tf.function(lambda f: of_media(None, f, {"video": VIDEO}))
    assert graph(tf.constant([[FRAME]]))["video"].shape == (1, *VIDEO.shape)
    truncated = jpeg(np.zeros((33, 32, 3), np.uint8))[:-4]  # decoding it would fail, otherwise
    with pytest.raises(tf.errors.InvalidArgumentError, match="the limit is 1024"):
        graph(tf.constant([[truncated]]))
