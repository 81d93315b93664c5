"""Corruptions of raw clips: identity, determinism, growth, shapes."""

import numpy as np
import pytest

from amr_tf.modalities import AudioConfig, FeaturesConfig, ImageConfig, TextConfig, VideoConfig
from amr_tf.modalities.corruption import SEVERITIES
from tests.tfrecords.reading import test_pipeline

_RNG = np.random.default_rng(3)
OTHERS = list(_RNG.normal(0, 2000, (6, 900)).astype(np.int16))
STD = tuple(_RNG.uniform(1, 2, 40))
INPUTS = (
    AudioConfig(),
    VideoConfig(),
    ImageConfig(),
    TextConfig(("a", "b", "c"), 40),
    FeaturesConfig((40,), (5.0,) * 40, STD),
)
ALL = [c.of(m.kind) for m in INPUTS for c in m.corruptions(OTHERS if m.kind == "audio" else ())]


def example(corruption):
    if corruption.modality == "audio":
        return (8000 * np.sin(np.arange(1000) / 7)).astype(np.int16)
    rng = np.random.default_rng(0)
    if corruption.modality == "features":
        return rng.normal(size=40).astype(np.float32)
    if corruption.modality == "text":
        return np.array([*rng.permutation(30) + 2, *[0] * 10], np.int32)
    # coarse blocks and fine grain
    blocks = np.kron(rng.integers(30, 220, (4, 2, 2, 3)), np.ones((1, 16, 12, 1)))
    frames = (blocks + rng.integers(0, 30, (4, 32, 24, 3))).astype(np.uint8)
    return frames[0] if corruption.modality == "image" else frames


@pytest.mark.parametrize("corruption", ALL, ids=lambda c: f"{c.modality} {c.name}")
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
        clip = example(corruption)[:0]
        assert corruption(clip, 5).shape == clip.shape


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
    for corruption in AudioConfig().corruptions(OTHERS):
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
    assert "babble" not in {c.name for c in AudioConfig().corruptions()}
    assert "babble" not in {c.name for c in AudioConfig().corruptions(OTHERS[:2])}


@pytest.mark.parametrize("cache", ["no", "yes"])
def test_pipeline_changes_raw_clips(tmp_path, cache):
    """The hook gets (position, cut clip), and batches are made of what it returns."""
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
    np.testing.assert_array_equal(first["audio"][0], waveform)


def test_words_and_features_that_are_lost():
    text = example(named("word drops"))
    for severity, level in zip(SEVERITIES, named("word drops").levels, strict=True):
        found = [named("word drops")(text, severity, index=i) for i in range(200)]
        assert abs(np.mean([(x == 0).mean() for x in found]) - (10 + 30 * level) / 40) < 0.02
        kept = found[0][found[0] > 0]
        assert list(kept) == [word for word in text if word in set(kept)]  # in their order
        assert set(named("unknown words")(text, severity)) <= {*text, 1}
        assert sorted(named("word order")(text, severity)) == sorted(text)
    numbers = example(named("noise"))
    noises = [named("noise")(numbers, 3, index=i) - numbers for i in range(4000)]
    np.testing.assert_allclose(np.std(noises, axis=0), STD, rtol=0.1)
    lost = named("lost features")(numbers, 5)
    assert set(lost[lost != numbers]) == {np.float32(5)}
    assert np.isnan(named("noise")(np.full(40, np.nan, np.float32), 5)).all()
