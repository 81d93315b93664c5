"""Sound and pictures: spectrograms by their definition, crops, scaling, normalisation."""

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.modalities import AudioConfig, VideoConfig, pictures
from amr_tf.modalities import audio as audio_module
from amr_tf.modalities.video import even_frames


def numpy_log_spectrogram(waveform, n, hop, epsilon):
    """The definition, one window at a time."""
    padded = np.pad(waveform.astype(np.float64), n // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    starts = range(0, len(padded) - n + 1, hop)
    return np.log([np.abs(np.fft.rfft(window * padded[s : s + n])) + epsilon for s in starts])


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (AudioConfig(), (126, 129, 1)),
        (AudioConfig(22_050, 3.0, 3.0, 512, 353), (188, 257, 1)),
        (AudioConfig(16_000, 5.0, 10.0, 256, 128), (626, 129, 1)),
        (AudioConfig(1_000, 0.349, 0.0, 32, 50), (7, 17, 1)),  # samples between windows
        (AudioConfig(1_000, 0.02, 0.0, 64, 7), (3, 33, 1)),  # windows longer than the sound
    ],
)
def test_log_spectrogram_is_the_definition(config, shape):
    rng = np.random.default_rng(0)
    waveform = rng.normal(scale=0.6, size=(2, config.samples)).astype(np.float32)
    got = audio_module.log_spectrogram(tf.constant(waveform), config).numpy()
    assert config.shape == shape
    assert got.shape == (2, *shape)
    assert got.dtype == np.float32
    for one, expected in zip(got[..., 0], waveform, strict=True):
        wanted = numpy_log_spectrogram(expected, config.fft_length, config.hop, config.epsilon)
        np.testing.assert_allclose(np.exp(one), np.exp(wanted), atol=3e-5)


@pytest.mark.parametrize(("length", "hop"), [(32, 16), (32, 21), (30, 7), (64, 64), (16, 50)])
def test_log_spectrogram_is_tensorflows_to_the_bit(length, hop):
    config = AudioConfig(1_000, 0.349, 0.0, length, hop)
    waveform = np.random.default_rng(0).uniform(-1, 1, (3, config.samples)).astype(np.float32)
    padded = np.pad(waveform, [(0, 0), (length // 2, length // 2)])
    stft = tf.signal.stft(padded, length, hop, length)
    magnitude = tf.sqrt(tf.square(tf.math.real(stft)) + tf.square(tf.math.imag(stft)))
    wanted = tf.math.log(magnitude + config.epsilon)
    np.testing.assert_array_equal(audio_module.log_spectrogram(waveform, config)[..., 0], wanted)


def test_silence_is_the_logarithm_of_epsilon():
    got = audio_module.log_spectrogram(tf.zeros([1, 16_000]), AudioConfig())
    np.testing.assert_allclose(got, np.log(1e-7), rtol=1e-6)


@pytest.mark.parametrize(
    ("n", "samples", "expected"),
    [
        (3, 7, [0, 1, 2, 0, 1, 2, 0]),
        (7, 3, [2, 3, 4]),
        (8, 3, [2, 3, 4]),
        (4, 4, [0, 1, 2, 3]),
        (0, 3, [0, 0, 0]),
        (1, 3, [0, 0, 0]),
    ],
)
def test_fit_length_tiles_or_cuts_the_middle(n, samples, expected):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int16)])
    def one(waveform):
        return audio_module.fit_length(waveform, samples)

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32)])
    def batch(waveform):
        return audio_module.fit_length(waveform, samples)

    waveform = np.arange(n)
    assert one.get_concrete_function().structured_outputs.shape == [samples]
    np.testing.assert_array_equal(one(waveform.astype(np.int16)), expected)
    np.testing.assert_array_equal(batch(np.stack([waveform] * 2).astype("f")), [expected] * 2)


def test_crop_length_goes_round_the_end():
    np.testing.assert_array_equal(audio_module.crop_length(tf.range(5), 4, start=3), [3, 4, 0, 1])


def test_tiled_repeats_or_cuts_the_end():
    config = AudioConfig(sample_rate=2, seconds=1.0, tile_seconds=3.0)
    np.testing.assert_array_equal(audio_module.tiled(tf.range(4), config), [0, 1, 2, 3, 0, 1])
    np.testing.assert_array_equal(audio_module.tiled(tf.range(9), config), range(6))
    np.testing.assert_array_equal(audio_module.tiled(tf.range(3), AudioConfig()), range(3))


@pytest.mark.parametrize(
    ("num", "wanted", "expected"),
    [
        (10, 3, [1, 5, 8]),
        (3, 3, [0, 1, 2]),
        (1, 3, [0, 0, 0]),
        (2, 3, [0, 1, 1]),
        (9, 1, [4]),
    ],
)
def test_even_frames_are_the_middles_of_equal_parts(num, wanted, expected):
    np.testing.assert_array_equal(even_frames(num, wanted), expected)
    assert expected == [int((i + 0.5) * num / wanted) for i in range(wanted)]


def test_resize_center_averages_blocks_of_the_middle_square():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 3, 8, 14, 3), np.uint8)
    got = pictures.resize_center(tf.constant(frames), 4)
    square = frames[:, :, :, 3:11].astype(float).reshape(2, 3, 4, 2, 4, 2, 3)
    np.testing.assert_array_equal(got, np.round(square.mean((3, 5))))


def test_resize_center_leaves_frames_of_the_right_size():
    frames = np.random.default_rng(0).integers(0, 256, (2, 6, 9, 3), np.uint8)
    np.testing.assert_array_equal(pictures.resize_center(tf.constant(frames), 6), frames[:, :, 1:7])


def test_resize_center_enlarges_smoothly():
    frames = np.zeros((1, 2, 2, 3), np.uint8)
    frames[:, :, 1] = 100
    np.testing.assert_array_equal(pictures.resize_center(frames, 4)[0, 0, :, 0], [0, 25, 75, 100])


@pytest.mark.parametrize("shape", [(5, 20), (12, 9), (8, 8)])
def test_resize_rounds_what_scale_gives(shape):
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    scaled = pictures.scale(tf.constant(frames), 8)
    assert scaled.dtype == tf.float32
    resized = pictures.resize(tf.constant(frames), 8)
    assert resized.dtype == tf.uint8
    np.testing.assert_array_equal(tf.round(scaled), tf.cast(resized, tf.float32))


def test_normalize_frames():
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4, 3), np.uint8)
    expected = (frames / 255 - pictures.IMAGENET_MEAN) / pictures.IMAGENET_STD
    got = pictures.normalize_frames(tf.constant(frames))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize(
    "options", [{"seconds": 0}, {"fft_length": 255}, {"hop": 0}, {"tile_seconds": 0.5}]
)
def test_impossible_audio_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        AudioConfig(**options)


@pytest.mark.parametrize("options", [{"frames": 0}, {"size": 0}, {"std": (0.0, 1.0, 1.0)}])
def test_impossible_video_is_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        VideoConfig(**options)
