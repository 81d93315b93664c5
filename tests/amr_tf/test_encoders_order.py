"""The small encoders that keep the order of frames and of a spectrogram's steps.

What all encoders of video do is tested of `towers` beside the others.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import saving
from amr_tf.encoders import build_encoder
from tests.amr_tf.test_encoders import batch, count

CLIP = (4, 20, 23, 3)
SOUND = (21, 33, 1)
BOTH = [("towers", "video", CLIP), ("spectrogram_cnn", "audio", SOUND)]


def build(name, modality, shape, **options):
    return build_encoder(name, modality, shape, **{"width": 4, **options})


def test_encodings_are_vectors_one_a_sound():
    encoder = build("spectrogram_cnn", "audio", SOUND)
    assert encoder.output_shape == (None, 4 * 16)
    encodings = encoder(batch(SOUND))
    assert encodings.shape == (3, 4 * 16)
    assert np.isfinite(encodings).all()


@pytest.mark.parametrize(("name", "modality", "shape"), BOTH)
def test_the_order_in_time_matters(name, modality, shape):
    """Where `small` gives a clip and the same clip backwards one encoding, these give two."""
    x = batch(shape)
    encoder = build(name, modality, shape)
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in encoder.layers)
    forth, back = encoder(x), encoder(x[:, ::-1])
    # another encoding by as much as another clip has
    assert np.linalg.norm(forth - back) > 0.3 * np.linalg.norm(forth[0] - forth[1])
    if modality == "video":
        averaging = build_encoder("small", modality, shape, width=4)
        np.testing.assert_allclose(averaging(x), averaging(x[:, ::-1]), atol=1e-5)


def test_towers_part_a_clip_into_its_mean_and_the_deviations_from_it():
    """By linearity: convolutions of the mean frame, and of each frame without the mean frame."""
    encoder = build("towers", "video", CLIP)
    x = batch(CLIP)
    names = ("conv1", "looks", "moves")
    found = keras.Model(encoder.input, [encoder.get_layer(name).output for name in names])(x)
    kernel = encoder.get_layer("conv1").kernel
    mean = x.mean(axis=1)
    deviations = (x - mean[:, None]).reshape(-1, *CLIP[1:])
    for part, images in zip(found, (x.reshape(-1, *CLIP[1:]), mean, deviations), strict=True):
        wanted = tf.nn.conv2d(images, kernel, 4, "SAME")
        np.testing.assert_allclose(part, wanted, rtol=1e-4, atol=1e-4)


def test_each_frame_has_channels_of_its_own_in_their_order():
    encoder = build("towers", "video", CLIP)
    x = batch(CLIP)
    names = ("looks_relu", "moves_relu", "stack")
    looks, moves, stack = keras.Model(
        encoder.input, [encoder.get_layer(name).output for name in names]
    )(x)
    moves = moves.numpy().reshape(3, CLIP[0], *looks.shape[1:])
    wanted = np.concatenate([looks, *moves.transpose(1, 0, 2, 3, 4)], axis=-1)
    np.testing.assert_array_equal(stack, wanted)


def test_the_parameters_are_those_of_the_layers_by_hand():
    def layer(inputs, outputs):  # a kernel without bias, and a normalisation's two vectors
        return inputs * outputs + 2 * outputs

    towers = 25 * 3 * 4 + 2 * 2 * 4  # looks and moves are normalised apart
    towers += layer(5 * 4, 16) + layer(9 * 16, 8) + layer(9 * 8, 16) + layer(2 * 2 * 16, 32)
    assert count(build("towers", "video", CLIP)) == towers
    sound = 2 * 33 + layer(25, 4) + layer(9 * 4, 8) + layer(9 * 8, 16) + layer(2 * 3 * 16, 64)
    assert count(build("spectrogram_cnn", "audio", SOUND)) == sound


def test_bins_of_a_spectrogram_are_standardised_each_by_itself():
    encoder = build("spectrogram_cnn", "audio", SOUND)
    scale = np.random.default_rng(1).uniform(1, 9, (1, 1, SOUND[1], 1)).astype(np.float32)
    x = batch(SOUND)
    bins = keras.Model(encoder.input, encoder.get_layer("bins_back").output)
    found = bins(x * scale - 20 * scale, training=True).numpy()
    wanted = (x - x.mean((0, 1))) / x.std((0, 1))
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.parametrize(("name", "modality", "shape"), BOTH)
def test_weights_and_dropout_are_a_function_of_the_seed(name, modality, shape):
    x = batch(shape)
    one, same, other = (build(name, modality, shape, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one(x, training=True), same(x, training=True))
    assert (one(x).numpy() != other(x).numpy()).any()
    assert (one(x, training=True).numpy() != one(x, training=True).numpy()).any()
    still = build(name, modality, shape, dropout=0.0)
    np.testing.assert_array_equal(still(x, training=True), still(x, training=True))


def test_saving_and_loading(tmp_path):
    encoder, x = build("spectrogram_cnn", "audio", SOUND), batch(SOUND)
    encoder(x, training=True)  # moves the averages of the normalisation
    encoder.save(tmp_path / "encoder.keras")
    loaded = saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(loaded(x), encoder(x))
    other = build("spectrogram_cnn", "audio", SOUND, seed=5, weights=tmp_path / "encoder.keras")
    np.testing.assert_array_equal(other(x), encoder(x))


@pytest.mark.parametrize(("name", "modality", "shape"), BOTH)
def test_xla_compiles_training(name, modality, shape):
    """One step of training, gradients with respect to the weights included."""
    x = tf.constant(batch(shape))

    def gradients(encoder):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(encoder(x, training=True)))
        return tape.gradient(loss, encoder.trainable_variables)

    plain = gradients(build(name, modality, shape))
    encoder = build(name, modality, shape)
    compiled = tf.function(lambda: gradients(encoder), jit_compile=True)()
    for found, wanted in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("towers", (20, 20, 3), "an encoder of video alone; expected clips of shape"),
        ("towers", (1, 20, 20, 3), "at least 2 frames, not"),
        ("towers", (4, None, 20, 3), r"not \(4, None, 20, 3\)"),
        ("spectrogram_cnn", (4, 20, 20, 3), r"expected spectrograms of shape \[T, F, 1\]"),
        ("spectrogram_cnn", (20, 20, 3), "an encoder of sound alone"),
        ("spectrogram_cnn", (None, 20, 1), "all known"),
    ],
)
def test_other_shapes_are_refused(name, shape, message):
    with pytest.raises(ValueError, match=message):
        build(name, "clips", shape)


@pytest.mark.parametrize(("name", "modality", "shape"), BOTH)
def test_any_size_goes_down_to_the_smallest(name, modality, shape):
    tiny = (2, 1, 1, 3) if modality == "video" else (1, 1, 1)
    assert np.isfinite(build(name, modality, tiny)(batch(tiny))).all()
    with pytest.raises(ValueError, match="rate must be in"):
        build(name, modality, shape, dropout=1.0)
