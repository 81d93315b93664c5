"""Corruptions of raw clips: identity, determinism, growth, shapes."""

import numpy as np
import pytest

from amr_tf.analysis.corruption import SEVERITIES, audio_corruptions, video_corruptions
from amr_tf.modalities.audio import log_spectrogram
from tests.tfrecords.reading import test_pipeline

_RNG = np.random.default_rng(3)
OTHERS = _RNG.normal(0, 2000, (6, 900)).astype(np.int16)
ALL = [*audio_corruptions(OTHERS), *video_corruptions()]


def example(corruption):
    if corruption.modality == "audio":
        return (8000 * np.sin(np.arange(1000) / 7)).astype(np.int16)
    rng = np.random.default_rng(0)  # coarse blocks and fine grain
    blocks = np.kron(rng.integers(30, 220, (4, 2, 2, 3)), np.ones((1, 16, 12, 1)))
    return (blocks + rng.integers(0, 30, (4, 32, 24, 3))).astype(np.uint8)


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: c.name)
class TestEach:
    def test_severity_0_is_the_identity(self, corruption):
        clip = example(corruption)
        np.testing.assert_array_equal(corruption(clip, 0), clip)

    def test_shape_type_and_input_are_kept(self, corruption):
        clip = example(corruption)
        before = clip.copy()
        for severity in SEVERITIES:
            found = corruption(clip, severity, index=5)
            assert found.shape == clip.shape
            assert found.dtype == clip.dtype
        np.testing.assert_array_equal(clip, before)

    def test_function_of_seed_clip_and_severity(self, corruption):
        clip = example(corruption)
        found = corruption(clip, 3, seed=1, index=2)
        np.testing.assert_array_equal(found, corruption(clip, 3, seed=1, index=2))
        if corruption.name in ("white noise", "dropouts", "babble", "occlusion"):
            assert (found != corruption(clip, 3, seed=1, index=3)).any()
            assert (found != corruption(clip, 3, seed=2, index=2)).any()

    def test_distortion_grows(self, corruption):
        clip = example(corruption).astype(float)
        # over a few clips: a single one may lose no frame at first
        changes = [
            np.mean(
                [
                    np.abs(corruption(example(corruption), s, index=i) - clip).mean()
                    for i in range(20)
                ]
            )
            for s in (0, *SEVERITIES)
        ]
        assert (np.diff(changes) > 0).all(), changes

    def test_nothing_stays_nothing(self, corruption):
        shape = (0,) if corruption.modality == "audio" else (0, 8, 8, 3)
        clip = np.zeros(shape, example(corruption).dtype)
        assert corruption(clip, 5).shape == shape


def named(name):
    return next(c for c in ALL if c.name == name)


@pytest.mark.parametrize("name", ["white noise", "babble"])
def test_noise_has_the_stated_power(name):
    corruption = named(name)
    clip = (2000 * np.sin(np.arange(20_000) / 7)).astype(np.int16)
    for severity, level in zip(SEVERITIES, corruption.levels, strict=True):
        noise = corruption(clip, severity).astype(float) - clip
        snr = 10 * np.log10(np.mean(clip.astype(float) ** 2) / np.mean(noise**2))
        assert abs(snr - level) < 0.1


def test_silence_and_saturation():
    silence = np.zeros(100, np.int16)
    for corruption in audio_corruptions(OTHERS):
        np.testing.assert_array_equal(corruption(silence, 5), silence)
    loudest = np.full(100, -32_768, np.int16)
    assert (named("clipping")(loudest, 5) == -32_768).all()
    assert named("white noise")(loudest, 5).min() == -32_768


def test_parts_that_are_lost():
    clip = np.ones(5000, np.int16)
    lost = [(named("dropouts")(clip, s) == 0).mean() for s in SEVERITIES]
    np.testing.assert_allclose(lost, named("dropouts").levels)
    frames = np.zeros((2, 40, 40, 3), np.uint8)
    covered = [(named("occlusion")(frames, s)[..., 0] == 128).mean() for s in SEVERITIES]
    np.testing.assert_allclose(covered, named("occlusion").levels, atol=0.03)


def test_babble_needs_other_clips():
    assert "babble" not in {c.name for c in audio_corruptions()}
    assert "babble" not in {c.name for c in audio_corruptions(OTHERS[:2])}


@pytest.mark.parametrize("cache", ["no", "yes"])
def test_pipeline_changes_raw_clips(tmp_path, cache):
    """The hook gets (position, cut clip), and features are made of what it returns."""
    pipeline = test_pipeline.make(test_pipeline.write(tmp_path), cache=cache)
    clean = [x for x, _ in pipeline.evaluate("test").as_numpy_iterator()]
    same = pipeline.evaluate("test", named("blur").in_graph(0)).as_numpy_iterator()
    dark = pipeline.evaluate("test", named("darkening").in_graph(5)).as_numpy_iterator()
    for a, (b, _), (c, _) in zip(clean, same, dark, strict=True):
        np.testing.assert_array_equal(a["video"], b["video"])
        np.testing.assert_array_equal(a["audio"], c["audio"])
        assert c["video"].max() < a["video"].max()
    cut = next(iter(pipeline.cut("test")))
    assert (cut["audio"].dtype, cut["video"].dtype) == ("int16", "uint8")
    noisy = pipeline.evaluate("test", named("white noise").in_graph(3, seed=1))
    (first, _), *_ = noisy.as_numpy_iterator()
    waveform = named("white noise")(cut["audio"].numpy(), 3, seed=1, index=0)
    expected = log_spectrogram(waveform[None] / np.float32(32_768), pipeline.inputs["audio"])
    np.testing.assert_allclose(first["audio"][0], expected[0], atol=1e-4)
