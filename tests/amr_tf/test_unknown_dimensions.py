"""Encodings of any rank with any dimension unknown give what the same ones of known sizes give."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads, layers, saving
from amr_tf.modalities import FeaturesConfig
from amr_tf.serving import ServedClassifier
from tests.amr_tf.methods.steps import METHODS, TAUGHT, walked
from tests.amr_tf.models import largest_difference, of_parts

SHAPES = {"audio": (5, 3), "video": (4, 2, 3)}
# methods whose own heads, too, are to take what they are given; teachers are of other sizes
OTHERS = [name for name in METHODS if not name.startswith(TAUGHT)]


def encoder(name, shape, known, seed):
    """A dense layer a step; `known` says whether it knows how many there are."""
    inputs = keras.Input(shape if known else (None, *shape[1:]))
    init = keras.initializers.GlorotUniform(seed=seed)
    x = keras.layers.Dense(4, "relu", kernel_initializer=init)(inputs)
    return keras.Model(inputs, x, name=f"{name}_encoder")


def classifier(known, method=None, head=None, **options):
    parts = {m: encoder(m, shape, known, k) for k, (m, shape) in enumerate(SHAPES.items())}
    shapes = [(*(s if known else (None, *s[1:]))[:-1], 4) for s in SHAPES.values()]
    model = of_parts(parts, head or own_head(shapes), method)
    model.compile(keras.optimizers.SGD(0.1), amr_ratio=(1, 9), **options)
    return model


def own_head(shapes):
    """A linear head on means over steps, so that its weights know no number of them."""
    inputs = [keras.Input(shape) for shape in shapes]
    means = [
        layers.MeanOver(range(1, len(shape)))(x) for shape, x in zip(shapes, inputs, strict=True)
    ]
    init = keras.initializers.GlorotUniform(seed=9)
    x = keras.layers.Concatenate()(means) if len(means) > 1 else means[0]
    logits = keras.layers.Dense(3, kernel_initializer=init)(x)
    return keras.Model(inputs, logits, name="head")


def data(n=24):
    rng = np.random.default_rng(0)
    x = {m: rng.normal(size=(n, *shape)).astype("float32") for m, shape in SHAPES.items()}
    return x, rng.integers(0, 3, n)


def dataset(n=24):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(16)


@pytest.mark.parametrize("options", [{}, {"accumulate": 2}], ids=["whole", "parts"])
def test_training_and_measures_are_those_of_known_sizes(options):
    known, unknown = (classifier(known, **options) for known in (True, False))
    logs = [model.fit(dataset(), epochs=2, verbose=0).history for model in (known, unknown)]
    assert largest_difference(known, unknown) < 1e-6
    for name, values in logs[0].items():
        np.testing.assert_allclose(logs[1][name], values, rtol=1e-4, err_msg=name)
    found, wanted = (amr_tf.Evaluator(m)(dataset()) for m in (unknown, known))
    np.testing.assert_allclose(found.shares["logit"], wanted.shares["logit"], atol=1e-5)
    found, wanted = (amr_tf.explain(m, data()[0]).attributions for m in (unknown, known))
    np.testing.assert_allclose(found["video"], wanted["video"], atol=1e-5)
    values = amr_tf.analysis.Encoder(unknown)(dataset()).values["video"]
    assert values.shape == (24, 4, 2, 4)


def test_the_number_of_steps_may_change_from_batch_to_batch():
    x, y = data(8)
    model = classifier(False)
    model.fit(x, y, verbose=0)
    logs = model.train_on_batch({m: v[:, :2] for m, v in x.items()}, y, return_dict=True)
    assert np.isfinite(list(logs.values())).all()


@pytest.mark.parametrize(
    "name", walked(["naive", "dropout", "modality_dropout", *OTHERS], slow=("cml", "opm"))
)
def test_every_method_takes_them(name):
    made = {
        "naive": lambda: None,
        "dropout": lambda: amr_tf.methods.Dropout(0.3),
        "modality_dropout": lambda: amr_tf.methods.ModalityDropout(0.5, per_sample=True),
        **METHODS,
    }[name]()
    model = classifier(False, made)
    if made is not None and made.requires:
        made.held_out = amr_tf.methods.HeldOut(
            lambda step: dataset().repeat(), 2, seen=dataset(), unseen=dataset()
        )
    before = [v.numpy() for v in model.trainable_variables]
    logs = model.fit(dataset(), verbose=0).history
    assert all(np.isfinite(v).all() for v in logs.values())
    assert any(
        np.any(v.numpy() != b) for v, b in zip(model.trainable_variables, before, strict=True)
    )


def test_a_score_that_needs_known_sizes_says_so():
    with pytest.raises(ValueError, match="choose score='ablation' or score='attribution'"):
        classifier(False, amr_tf.methods.OGM())


def test_teachers_take_them():
    teachers = {}
    for k, (m, shape) in enumerate(SHAPES.items()):
        head = own_head([(None, *shape[1:-1], 4)])
        teachers[m] = amr_tf.MultimodalClassifier({m: encoder(m, shape, False, 7 + k)}, head)
    model = classifier(False, amr_tf.methods.UMT(teachers, weight=2.0))
    assert np.isfinite(model.fit(dataset(), verbose=0).history["loss"]).all()


@pytest.mark.parametrize("name", heads.HEADS)
def test_the_heads_here_average_over_what_is_unknown(name, tmp_path):
    """As given the averages in the first place; the model is saved and loaded."""
    shapes = [(None, 4), (None, 2, 4)]
    head = heads.build_head(name, shapes, 3, seed=1)
    flat = heads.build_head(name, [(4,), (8,)], 3, seed=1)
    e = [np.random.default_rng(0).normal(size=(6, 5, *s[1:])).astype("float32") for s in shapes]
    means = [x.mean(axis=1).reshape(6, -1) for x in e]
    np.testing.assert_allclose(head(e), flat(means), atol=1e-5)
    model = classifier(False, head=head)
    model.fit(dataset(), verbose=0)
    model.save(tmp_path / "model.keras")
    again = saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(data()[0]), again(data()[0]))


def test_replicas_equal_one_device(strategy):
    single = classifier(False, amr_tf.methods.Dropout(0.3))
    single.fit(dataset(25), verbose=0)
    with strategy.scope():
        several = classifier(False, amr_tf.methods.Dropout(0.3))
    several.fit(dataset(25), verbose=0)
    assert largest_difference(single, several) < 1e-5


def test_signatures_take_them():
    inputs = {m: FeaturesConfig(shape) for m, shape in SHAPES.items()}
    x = {m: v[:6] for m, v in data()[0].items()}
    answers = []
    for known in (True, False):
        served = ServedClassifier(classifier(known), ("a", "b", "c"), inputs)
        answers.append(served.signature("explain")(**{m: tf.constant(v) for m, v in x.items()}))
    assert answers[1]["attribution_video"].shape == (6, 4 * 2 * 4)
    for name, value in answers[0].items():
        if name != "label":
            np.testing.assert_allclose(answers[1][name], value, atol=1e-5, err_msg=name)
