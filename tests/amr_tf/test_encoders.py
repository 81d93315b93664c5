import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import distribution
from amr_tf.encoders import ENCODERS, build_encoder

SPECTROGRAM = (30, 17, 1)
FRAMES = (2, 32, 32, 3)

IMAGE_ENCODERS = [
    name for name, plugin in ENCODERS.items() if "image" in plugin.kinds and "audio" in plugin.kinds
]


def count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def batch(shape, size=3, seed=0):
    return np.random.default_rng(seed).normal(size=(size, *shape)).astype(np.float32)


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
@pytest.mark.parametrize("shape", [SPECTROGRAM, FRAMES])
def test_encodings_are_vectors_one_a_clip(name, shape):
    encoder = build_encoder(name, "video", shape, width=8)
    assert encoder.name == "video_encoder"
    encodings = encoder(batch(shape))
    assert encodings.shape == (3, 8 * {"resnet18": 8, "small": 4}[name])
    assert encoder.output_shape[1:] == encodings.shape[1:]
    assert np.isfinite(encodings).all()


def test_resnet18_has_the_published_parameters():
    video = build_encoder("resnet18", "video", (3, 224, 224, 3))
    assert count(video) == 11_176_512
    assert video.output_shape == (None, 512)
    stem = video.get_layer("stem")
    assert stem.output.shape[1:3] == (112, 112)
    assert [video.get_layer(f"stage{i}_block1_relu").output.shape[1] for i in range(4)] == [
        56,
        28,
        14,
        7,
    ]


def test_resnet18_initial_convolutions_have_the_published_spread():
    kernel = build_encoder("resnet18", "audio", (32, 32, 1), width=16).get_layer("stage1_block1_a")
    np.testing.assert_allclose(np.std(kernel.kernel), np.sqrt(2 / (9 * 32)), rtol=0.05)


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_a_clip_is_the_mean_of_its_frames(name):
    clip = build_encoder(name, "video", FRAMES, width=4)
    frame = build_encoder(name, "video", FRAMES[1:], width=4)
    frame.set_weights(clip.get_weights())
    x = batch(FRAMES)
    each = np.stack([frame(x[:, i]) for i in range(FRAMES[0])])
    np.testing.assert_allclose(clip(x), each.mean(0), atol=1e-5)


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_initial_weights_are_a_function_of_seed_and_modality(name):
    def kernel(modality, seed):
        return build_encoder(name, modality, SPECTROGRAM, width=4, seed=seed).weights[0].numpy()

    np.testing.assert_array_equal(kernel("audio", 1), kernel("audio", 1))
    assert (kernel("audio", 1) != kernel("audio", 2)).any()
    assert (kernel("audio", 1) != kernel("video", 1)).any()


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_saving_and_loading(name, tmp_path):
    encoder = build_encoder(name, "video", FRAMES, width=4)
    x = batch(FRAMES)
    encoder(x, training=True)  # moves the averages of the normalisation
    encoder.save(tmp_path / "encoder.keras")
    encoder.save_weights(tmp_path / "encoder.weights.h5")
    expected = encoder(x)
    loaded = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(loaded(x), expected)
    for file in ("encoder.keras", "encoder.weights.h5"):
        other = build_encoder(name, "video", FRAMES, width=4, seed=5, weights=tmp_path / file)
        np.testing.assert_array_equal(other(x), expected)


def test_weights_fit_another_size_and_number_of_frames(tmp_path):
    encoder = build_encoder("small", "video", FRAMES, width=4)
    encoder.save(tmp_path / "encoder.keras")
    other = build_encoder(
        "small", "video", (3, 40, 40, 3), width=4, seed=5, weights=str(tmp_path / "encoder.keras")
    )
    for mine, wanted in zip(other.get_weights(), encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    encoder = build_encoder("small", "video", FRAMES, width=4)
    for file in ("encoder.keras", "encoder.weights.h5"):
        path = tmp_path / file
        encoder.save(path) if file.endswith(".keras") else encoder.save_weights(path)
        for options in ({"width": 8}, {"name": "resnet18"}):
            arguments = {"name": "small", "width": 4, "weights": path} | options
            with pytest.raises(ValueError, match=f"video_encoder: .*{file}"):
                build_encoder(modality="video", shape=FRAMES, **arguments)
    for file, content in (("broken.keras", b"no zip"), ("weights.pt", b"")):
        (tmp_path / file).write_bytes(content)
        with pytest.raises(ValueError, match="does not fit"):
            build_encoder("small", "video", FRAMES, weights=tmp_path / file)
    with pytest.raises(FileNotFoundError, match=r"missing\.keras does not exist"):
        build_encoder("small", "video", FRAMES, weights=tmp_path / "missing.keras")


def test_a_frozen_encoder_has_nothing_to_train_and_keeps_its_averages(tmp_path):
    encoder = build_encoder("small", "audio", SPECTROGRAM, width=4, frozen=True)
    x = batch(SPECTROGRAM)
    before = [w.copy() for w in encoder.get_weights()]
    np.testing.assert_array_equal(encoder(x, training=True), encoder(x))
    assert not encoder.trainable_weights
    for mine, wanted in zip(encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    encoder.save(tmp_path / "encoder.keras")
    assert not keras.saving.load_model(tmp_path / "encoder.keras").trainable_weights


def test_impossible_requests_are_refused():
    with pytest.raises(
        ValueError, match=r"no encoder 'vgg': there are small, resnet18, .*--plugins"
    ):
        build_encoder("vgg", "audio", SPECTROGRAM)
    with pytest.raises(ValueError, match="width must be positive"):
        build_encoder("small", "audio", SPECTROGRAM, width=0)
    with pytest.raises(ValueError, match="audio_encoder: expected samples of shape"):
        build_encoder("small", "audio", (16,))


def gradient_step(encoder, x, total):
    """One step of SGD on the encodings' squares, summed over the global batch."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(encoder(x, training=True))) / total
    gradients = distribution.sum_gradients(tape.gradient(loss, encoder.trainable_variables))
    for variable, gradient in zip(encoder.trainable_variables, gradients, strict=True):
        variable.assign_sub(0.1 * gradient)


def test_training_on_replicas_is_training_on_one_device(strategy):
    x = batch(FRAMES, 6)
    whole = build_encoder("small", "video", FRAMES, width=4)
    gradient_step(whole, tf.constant(x), 6)
    with strategy.scope():
        encoder = build_encoder("small", "video", FRAMES, width=4)
    count = strategy.num_replicas_in_sync
    ends = tf.constant([0, *range(7 - count, 7)])  # the first has more than the others
    replicas = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )

    def step(replica):
        gradient_step(encoder, tf.constant(x)[ends[replica] : ends[replica + 1]], 6)

    tf.function(lambda r: strategy.run(step, (r,)))(replicas)
    for mine, wanted in zip(encoder.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-5)
