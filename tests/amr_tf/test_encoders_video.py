import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from amr_tf import saving
from amr_tf.encoders import ENCODERS, build_encoder, c3d, p3d
from tests.amr_tf.test_encoders import batch, count, gradient_step

CLIP = (3, 24, 24, 3)
NAMES = [name for name, plugin in ENCODERS.items() if plugin.kinds == ("video",)]
# graphs of many layers, for two replicas, take longest
DEEP = ("actions_transformations", "c3d", "p3d")
MARKED = [pytest.param(n, marks=[pytest.mark.slow] * (n in DEEP)) for n in NAMES]


def build(name, shape=CLIP, width=2, modality="video", **options):
    options.setdefault("depth", {"p3d": 17, "c3d": 5}.get(name))
    return build_encoder(name, modality, shape, width=width, **options)


def part(encoder, *layers):
    """The model up to some layers."""
    return keras.Model(encoder.input, [encoder.get_layer(layer).output for layer in layers])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frames", [2, 3, 10])
def test_encodings_are_vectors_one_a_clip(name, frames):
    encoder = build(name, (frames, *CLIP[1:]), width=6)
    assert encoder.name == "video_encoder"
    encodings = encoder(batch((frames, *CLIP[1:])))
    size = {"c3d": 32 * 6, "p3d": 32 * 6, "actions_transformations": 101, "towers": 8 * 6}
    assert encodings.shape == (3, size.get(name, 256))
    assert encoder.output_shape[1:] == encodings.shape[1:]
    assert np.isfinite(encodings).all()


@pytest.mark.parametrize("name", NAMES)
def test_sound_and_single_frames_are_refused(name):
    with pytest.raises(ValueError, match="audio_encoder: an encoder of video alone"):
        build_encoder(name, "audio", (30, 17, 1))
    for shape in ((1, 24, 24, 3), (None, 24, 24, 3)):
        with pytest.raises(ValueError, match=r"video_encoder: .*at least 2 frames, not"):
            build_encoder(name, "video", shape)


def test_depths_that_there_are_not_are_refused():
    for name, depth in (("c3d", 11), ("p3d", 50)):
        with pytest.raises(ValueError, match=f"has a depth of .*, not {depth}"):
            build(name, depth=depth)
    with pytest.raises(
        ValueError, match="video encoder slow_fusion has no option 'depth': it has width"
    ):
        build("slow_fusion", depth=3)


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights_are_a_function_of_seed_and_modality(name):
    def kernel(modality, seed):
        encoder = build(name, width=1, seed=seed, modality=modality)
        return encoder.weights[0].numpy()

    np.testing.assert_array_equal(kernel("video", 1), kernel("video", 1))
    assert (kernel("video", 1) != kernel("video", 2)).any()
    assert (kernel("depth", 1) != kernel("video", 1)).any()


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_loading(name, tmp_path):
    encoder = build(name)
    x = batch(CLIP)
    encoder(x, training=True)  # moves the averages of the normalisation
    encoder.save(tmp_path / "encoder.keras")
    expected = encoder(x)
    loaded = saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(loaded(x), expected)
    other = build(name, seed=5, weights=tmp_path / "encoder.keras")
    np.testing.assert_array_equal(other(x), expected)


@pytest.mark.parametrize("name", MARKED)
@pytest.mark.parametrize("strategy", [2], indirect=True)
def test_training_on_uneven_replicas_is_training_on_one_device(name, strategy):
    x = batch(CLIP, 4)
    whole = build(name)
    gradient_step(whole, tf.constant(x), 4)
    with strategy.scope():
        encoder = build(name)
    replicas = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(context.replica_id_in_sync_group)
    )

    def step(replica):
        gradient_step(encoder, tf.constant(x)[3 * replica : 3 + replica], 4)

    tf.function(lambda r: strategy.run(step, (r,)))(replicas)
    for mine, wanted in zip(encoder.get_weights(), whole.get_weights(), strict=True):
        # sums in another order: normalising four clips magnifies their rounding; a replica's own
        # moments would differ by 0.2 and more
        np.testing.assert_allclose(mine, wanted, rtol=1e-3, atol=1e-3)


# -- C3D ---------------------------------------------------------------------------------------


def convolutions(kernels, channels):
    """Parameters of a chain of convolutions with biases."""
    pairs = itertools.pairwise(channels)
    return sum(kernels * before * after + after for before, after in pairs)


def with_classifier(encoder, classes):
    outputs = keras.layers.Dense(classes)(encoder.output)
    return count(keras.Model(encoder.input, outputs))


def test_c3d_has_the_published_parameters():
    """80 M parameters; in float32 320 MB, the size that Qiu et al. (2017) report is 321 MB."""
    full = c3d((16, 112, 112, 3), batch_norm=False)
    assert full.get_layer("pool5").output.shape[1:] == (1, 4, 4, 512)
    by_hand = convolutions(27, (3, 64, 128, 256, 256, 512, 512, 512, 512))
    by_hand += convolutions(1, (1 * 4 * 4 * 512, 4096, 4096, 487))
    assert with_classifier(full, 487) == by_hand == 79_991_015
    assert abs(4 * by_hand / 1e6 - 321) < 2


def test_the_c3d_of_the_search_has_the_published_parameters():
    """Section 3.1 of the paper: 17.5 million, for the 101 classes of UCF101."""
    small = c3d((16, 112, 112, 3), depth=5, batch_norm=False)
    by_hand = convolutions(27, (3, 64, 128, 256, 256, 256))
    by_hand += convolutions(1, (1 * 4 * 4 * 256, 2048, 2048, 101))
    assert with_classifier(small, 101) == by_hand == 17_444_965


def test_weights_of_c3d_for_another_frame_size_are_refused(tmp_path):
    build("c3d").save(tmp_path / "encoder.keras")
    with pytest.raises(ValueError, match="of another architecture or width"):
        build("c3d", (3, 64, 64, 3), weights=tmp_path / "encoder.keras")


# -- P3D ---------------------------------------------------------------------------------------


def p3d_by_hand(blocks, width=64):
    """Weights of convolutions and of normalisations, trained and moving, without classifier."""
    trained, moving = 3 * 49 * width + 2 * width, 2 * width
    before = width
    for stage, number in enumerate(blocks):
        w = width << stage
        for block in range(number):
            layers = [(before, w, 1), (w, w, 9), (w, 4 * w, 1)]
            layers += [(w, w, 3)] * (stage < 3) + [(before, 4 * w, 1)] * (block == 0)
            trained += sum(i * o * k + 2 * o for i, o, k in layers)
            moving += sum(2 * o for _, o, _ in layers)
            before = 4 * w
    return trained, moving


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [(63, (3, 4, 6, 3)), pytest.param(199, (3, 8, 36, 3), marks=pytest.mark.slow)],
)
def test_p3d_has_the_parameters_of_its_architecture(depth, blocks):
    encoder = p3d((16, 32, 32, 3), depth=depth)
    trained, moving = p3d_by_hand(blocks)
    assert (count(encoder), encoder.count_params()) == (trained, trained + moving)


def test_p3d_199_is_of_the_published_size():
    """261 MB with the 487 classes of Sports-1M; of 10^6 or 2^20 bytes the paper doesn't say."""
    size = 4 * (sum(p3d_by_hand((3, 8, 36, 3))) + 2049 * 487)
    assert size / 2**20 < 261 < size / 1e6
    assert abs(size / 1e6 / 261 - 1) < 0.03


def test_p3d_halves_time_before_each_stage_and_space_as_published():
    encoder = build("p3d", (16, 160, 160, 3))
    stages = [encoder.get_layer(f"res{i}_0_relu").output.shape[1:4] for i in (2, 3, 4, 5)]
    assert stages == [(8, 40, 40), (4, 20, 20), (2, 10, 10), (1, 5, 5)]


def test_p3d_blocks_are_a_b_and_c_in_turn():
    encoder = build("p3d", depth=63, width=1)
    x = batch(CLIP)
    for index, block in enumerate(("res2_0", "res2_1", "res2_2", "res3_0")):
        names = ("in_relu", "space_relu", "time_norm")
        into, space, time = part(encoder, *(f"{block}_{name}" for name in names))(x)
        seen_by_time = into if index == 1 else space
        again = encoder.get_layer(f"{block}_time_norm")(
            encoder.get_layer(f"{block}_time")(seen_by_time)
        )
        np.testing.assert_allclose(again, time, atol=1e-5)
        result = "time_relu" if index in (0, 3) else "space_time_relu"
        expected = time if index in (0, 3) else space + time
        (found,) = tf.nest.flatten(part(encoder, f"{block}_{result}")(x))
        np.testing.assert_allclose(found, np.maximum(expected, 0), atol=1e-5)


# -- slow and late fusion ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "responses"),
    [(10, [4, 2, 1]), (2, [1, 1, 1]), (3, [2, 1, 1]), (5, [4, 2, 1]), (11, [5, 3, 2])],
)
def test_slow_fusion_takes_in_all_frames_layer_by_layer(frames, responses):
    shape = (frames, *CLIP[1:])
    encoder = build("slow_fusion", shape, width=12)
    found = [encoder.get_layer(f"conv{i}").output.shape[1] for i in (1, 2, 3)]
    assert found == responses
    x = batch(shape, 1)
    for frame in range(frames):
        moved = x.copy()
        moved[:, frame] += 1
        assert (encoder(moved).numpy() != encoder(x).numpy()).any()


def test_fusion_over_time_has_the_published_layers():
    encoder = ENCODERS["slow_fusion"].build((10, 170, 170, 3), width=96 // 12)
    kernels = [tuple(encoder.get_layer(f"conv{i}").kernel.shape) for i in (1, 2, 3, 4, 5)]
    assert [kernel[:3] for kernel in kernels] == [
        (4, 11, 11),
        (2, 5, 5),
        (2, 3, 3),
        (1, 3, 3),
        (1, 3, 3),
    ]
    assert [12 * kernel[4] for kernel in kernels] == [96, 252, 384, 384, 252]
    assert encoder.get_layer("fc6").units == encoder.get_layer("fc7").units == 4096 // 12


def test_late_fusion_sees_the_first_and_the_last_frame_by_one_network():
    shape = (5, *CLIP[1:])
    encoder = build("late_fusion", shape, width=12)
    x = batch(shape)
    middle = x.copy()
    middle[:, 1:4] = 7
    np.testing.assert_array_equal(encoder(middle), encoder(x))
    (frames,) = tf.nest.flatten(part(encoder, "pool5")(x))
    (swapped,) = tf.nest.flatten(part(encoder, "pool5")(x[:, ::-1]))
    assert frames.shape[1] == 2
    np.testing.assert_allclose(swapped, frames[:, ::-1], atol=1e-5)
    assert (encoder(x[:, ::-1]).numpy() != encoder(x).numpy()).any()


# -- actions as transformations ----------------------------------------------------------------


@pytest.mark.parametrize(("frames", "half"), [(3, 2), (4, 2)])
def test_actions_transformations_are_those_of_the_formula(frames, half):
    shape = (frames, *CLIP[1:])
    encoder = ENCODERS["actions_transformations"].build(shape, width=2, transformations=5)
    x = batch(shape)
    images = next(layer for layer in encoder.layers if isinstance(layer, keras.Model))
    each = np.stack([images(x[:, t]) for t in range(frames)], 1).astype(np.float64)
    kernel, bias = encoder.get_layer("embed").get_weights()
    before, after = (e.mean(1) @ kernel + bias for e in (each[:, :half], each[:, frames - half :]))
    (maps,) = encoder.get_layer("transformations").get_weights()
    maps = maps.reshape(16, 5, 16)
    moved = np.einsum("bi,iko->bko", before, maps)
    lengths = np.linalg.norm(moved, axis=-1) * np.linalg.norm(after, axis=-1)[:, None]
    expected = np.einsum("bko,bo->bk", moved, after) / lengths
    np.testing.assert_allclose(encoder(x), expected, atol=1e-5)
    assert np.abs(expected).max() <= 1


def test_actions_transformations_of_an_empty_scene_are_finite():
    encoder = build("actions_transformations")
    weights = encoder.get_layer("embed").get_weights()
    encoder.get_layer("embed").set_weights([0 * w for w in weights])
    with tf.GradientTape() as tape:
        encodings = encoder(batch(CLIP), training=True)
        loss = tf.reduce_sum(encodings)
    np.testing.assert_array_equal(encodings, 0)
    for gradient in tape.gradient(loss, encoder.trainable_variables):
        assert gradient is None or np.isfinite(gradient).all()
