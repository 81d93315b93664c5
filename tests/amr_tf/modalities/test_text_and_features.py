"""Words -> tokens, and numbers -> standardised numbers: against Keras and NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf.modalities import MODALITIES, FeaturesConfig, ImageConfig, TextConfig, restored


def test_tokens_are_those_of_keras():
    texts = ["The cat sat.", "a CAT, a dog!", "", "Ärger über öl", "one two three four five six"]
    words = ("a", "cat", "the", "öl", "one", "six")
    keras_layer = keras.layers.TextVectorization(output_sequence_length=4, vocabulary=list(words))
    text = TextConfig(words, 4)
    found = np.stack([text.cut({"text": tf.constant(t)}) for t in texts])
    np.testing.assert_array_equal(found, keras_layer(tf.constant(texts)))
    np.testing.assert_array_equal(found[1], [2, 3, 2, 1])  # 2 + the place in the vocabulary
    assert found.dtype == np.int32
    there = [bool(text.present({"text": tf.constant(t)})) for t in texts]
    assert there == [True, True, False, True, True]


def test_tokens_are_made_in_a_pipeline():
    text = TextConfig(("cat",), 2)
    dataset = tf.data.Dataset.from_tensor_slices(["a cat", "cat"])
    dataset = dataset.map(lambda t: text.cut({"text": t}))
    np.testing.assert_array_equal(list(dataset.as_numpy_iterator()), [[1, 2], [2, 0]])


def test_features_are_standardised_and_nan_is_the_mean():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=6), np.array([1, 2, 0.5, 0, 3, 1])
    config = FeaturesConfig((2, 3), tuple(mean), tuple(std))
    raw = rng.normal(size=(4, 2, 3)).astype(np.float32)
    raw[1, 0, 2] = np.nan
    safe = np.where(std == 0, 1, std).reshape(2, 3)
    wanted = (raw - mean.reshape(2, 3)) / safe * (std.reshape(2, 3) > 0)
    wanted[1, 0, 2] = 0
    np.testing.assert_allclose(config.features(tf.constant(raw)), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("steps", "kept"), [(1, [0]), (3, [0, 1, 2]), (4, [0, 1, 2]), (7, [2, 3, 4])]
)
def test_sequences_are_cut_to_their_middle_or_filled_up(steps, kept):
    config = FeaturesConfig((3, 2), (1.0, 0.0), (2.0, 1.0), sequence=True)
    values = np.arange(2 * steps, dtype=np.float32).reshape(steps, 2)
    raw = config.cut({"values": tf.constant(values.reshape(-1))}).numpy()
    np.testing.assert_array_equal(raw[: len(kept)], values[kept])
    assert np.isnan(raw[len(kept) :]).all()
    features = config.features(tf.constant(raw[None])).numpy()[0]
    np.testing.assert_allclose(features[: len(kept)], (values[kept] - [1, 0]) / [2, 1])
    assert not features[len(kept) :].any()


def test_a_clip_without_numbers_is_nan():
    for config in (FeaturesConfig((3,)), FeaturesConfig((2, 3), sequence=True)):
        nothing = {"values": tf.zeros([0])}
        assert not config.present(nothing)
        np.testing.assert_array_equal(config.cut(nothing), config.absent())
        assert np.isnan(config.absent()).all()


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("text", {"vocabulary": ("a",), "length": 0}, "length must be positive"),
        ("text", {"vocabulary": ()}, "vocabulary must hold words"),
        ("text", {"vocabulary": ("a", "a")}, "none of them twice"),
        ("image", {"size": 0}, "size and std must be positive"),
        ("features", {"dimensions": ()}, "dimensions must be positive"),
        ("features", {"dimensions": (3,), "sequence": True}, "a sequence has steps and features"),
        ("features", {"dimensions": (3,), "mean": (1.0,)}, "mean has 1 numbers for features"),
    ],
)
def test_impossible_numbers_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        MODALITIES[kind](**options)


def test_a_description_of_no_kind_is_refused():
    with pytest.raises(ValueError, match="no kind of modality 'smell'"):
        restored({"kind": "smell"})
    image = restored({"kind": "image", "size": 9, "mean": [0, 0, 0], "rules": {}})
    assert image == ImageConfig(9, (0, 0, 0))
