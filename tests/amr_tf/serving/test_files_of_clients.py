"""What WAV and JPEG files hold that others wrote: formats, headers, orientations."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from amr_tf.modalities import ImageConfig, wav
from tests.amr_tf.serving.test_encoded_media import stereo, wav_file


def heard(file, rate=2000):
    samples, problem = tf.function(wav.decode)(tf.constant(file), rate)
    assert problem == b"", problem
    return samples.numpy()


WAVE = np.sin(np.arange(501) / 7) * 0.9  # an odd number of samples: chunks of an odd size
INT16 = np.rint(WAVE * 32767).astype("<i2")
WIDTHS = {
    "8 bits": (np.rint(WAVE * 128 + 128).astype("u1"), 1, 130),
    "16 bits": (INT16, 1, 0),
    "24 bits": (b"".join(int(v * 2**23).to_bytes(3, "little", signed=True) for v in WAVE), 1, 1),
    "32 bits": (np.rint(WAVE * (2**31 - 1)).astype("<i4"), 1, 1),
    "float": (WAVE.astype("<f4"), 3, 1),
    "double": (WAVE.astype("<f8"), 3, 1),
}


@pytest.mark.parametrize("extended", [False, True], ids=["plain", "EXTENSIBLE"])
@pytest.mark.parametrize("name", WIDTHS)
def test_samples_of_every_kind(name, extended):
    samples, kind, tolerance = WIDTHS[name]
    file = wav_file(samples, kind, extended=extended)
    np.testing.assert_allclose(heard(file), INT16, atol=tolerance)


def test_floats_beyond_the_range_are_clipped_and_those_that_are_none_are_silence():
    samples = np.array([2, -2, np.nan, np.inf, 0.5], "<f4")
    np.testing.assert_array_equal(heard(wav_file(samples, 3)), [32_767, -32_768, 0, 0, 16_384])


HUGE = 0xFFFF_FFFF
HEADERS = {
    "ffmpeg to a pipe": (HUGE, HUGE),
    "sox to a pipe": (0x7FFF_F024, 0x7FFF_F000),
    "never completed": (36, 0),
    "all zeros": (0, 0),
    "a record too large, samples known": (HUGE, 1002),
}


@pytest.mark.parametrize("sizes", HEADERS.values(), ids=HEADERS)
def test_the_header_of_a_pipe_is_read_to_the_end(sizes):
    np.testing.assert_array_equal(heard(wav_file(INT16, sizes=sizes)), INT16)


def test_chunks_before_and_after_the_samples():
    """Of an odd size, with the byte of padding; their content looks like a chunk of samples."""
    odd = b"LIST\x05\0\0\0data\x7f\0" + b"bext\x08\0\0\0data\xff\0\0\0"
    np.testing.assert_array_equal(heard(wav_file(INT16, before=odd)), INT16)
    file = wav_file(INT16, sizes=(HUGE, 1002)) + b"LIST\x04\0\0\0\x55\x55\x55\x55"
    np.testing.assert_array_equal(heard(file), INT16)


def test_an_empty_file_and_a_last_frame_that_is_not_whole():
    assert heard(wav_file(np.zeros(0, "<i2"))).size == 0
    cut = wav_file(np.stack([INT16, INT16], 1), channels=2, sizes=(HUGE, HUGE))[:-3]
    np.testing.assert_array_equal(heard(cut), INT16[:-1])


@pytest.mark.parametrize("others", [1, 5], ids=["stereo", "5.1"])
def test_channels_are_averaged_unless_they_cancel(others):
    """In opposite phase the loudest is taken; one that sounds alone is a mean like any other."""
    alone = np.stack([INT16] + [np.zeros_like(INT16)] * others, 1)
    found = heard(wav_file(alone, channels=1 + others))
    np.testing.assert_allclose(found, INT16 / (1 + others), atol=0.51)
    if others == 1:
        louder = np.rint(INT16 * 0.9).astype("<i2")
        np.testing.assert_array_equal(heard(stereo(np.stack([louder, -INT16], 1))), -INT16)
        independent = np.rint(32_767 * np.sin(np.arange(501) / 3)).astype("<i2")
        found = heard(stereo(np.stack([INT16, independent], 1)))
        np.testing.assert_allclose(found, (INT16 / 2 + independent / 2), atol=0.51)


def with_orientation(picture, value, order):
    """A JPEG file that says how the camera was held, in either byte order."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112] = "a maker", value
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=95, subsampling=0, exif=exif.tobytes())
    found = file.getvalue()
    assert (b"MM\0*" if order == ">" else b"II*\0") in found
    return found


@pytest.mark.parametrize("order", "<>", ids=["little", "big"])
def test_pictures_are_upright(order):
    """All eight orientations, against Pillow's, of a picture whose quarters differ."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    picture = blocks.repeat(16, 0).repeat(16, 1)
    files, wanted = [], []
    for value in range(1, 9):
        files.append(with_orientation(picture, value, order))
        turned = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(files[-1]))))
        margins = [(side - min(turned.shape[:2])) // 2 for side in turned.shape[:2]]
        wanted.append(turned[margins[0] :, margins[1] :][:48, :48])
    found, there, problems = ImageConfig(48).of_files(tf.constant(files))
    assert np.all(there)
    assert not np.any(problems != b"")
    assert len({x.tobytes() for x in found.numpy()}) == 8
    np.testing.assert_allclose(np.int32(found), np.int32(wanted), atol=2)


def test_exif_that_is_damaged_or_says_nothing_turns_nothing():
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    whole = with_orientation(picture, 6, "<")
    at = whole.index(b"II*\0")
    plain = tf.io.decode_jpeg(whole).numpy()
    for changed in (
        whole[: at + 4] + b"\xff\xff\xff\xff" + whole[at + 8 :],  # entries far outside
        whole.replace(b"\x12\x01\x03\0\x01\0\0\0\x06", b"\x12\x01\x03\0\x01\0\0\0\x09"),
        whole.replace(b"Exif", b"Nope"),
    ):
        assert changed != whole
        found, _, problems = ImageConfig(16).of_files(tf.constant([changed]))
        np.testing.assert_array_equal(found[0], plain)
        assert problems[0] == b""
