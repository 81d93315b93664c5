"""Class weights and sample weights weigh the loss as in Keras, and R not at all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from tests.amr_tf.methods.steps import METHODS, data, walked
from tests.amr_tf.models import classifier, encoder, largest_difference

CLASS_WEIGHT = {0: 0.2, 1: 1.0, 2: 5.0}


def plain():
    """The same model and training by Keras itself, without AMR."""
    parts = classifier(amr_weight=0.0)
    inputs = {m: keras.Input(shape, name=m) for m, shape in {"audio": (5,), "video": (7,)}.items()}
    encodings = [part(inputs[m]) for m, part in parts.encoders.items()]
    model = keras.Model(inputs, parts.head(encodings))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def given(n=41):
    """Inputs, class ids and one weight a sample, some of them 0."""
    x, y = data(n)
    weights = np.random.default_rng(3).choice([0.0, 0.5, 3.0], n).astype("float32")
    return x, y, weights


def options(kind, weights):
    return {"class_weight": CLASS_WEIGHT} if kind == "class" else {"sample_weight": weights}


@pytest.mark.parametrize("accumulate", [1, 3], ids=["whole", "parts"])
@pytest.mark.parametrize("kind", ["class", "sample"])
def test_fit_is_that_of_keras(kind, accumulate):
    """Weights and the logged loss after epochs with a last batch of another size."""
    x, y, weights = given()
    model, wanted = classifier(amr_weight=0.0, accumulate=accumulate), plain()
    fit = {"batch_size": 16, "epochs": 3, "verbose": 0, "shuffle": False, **options(kind, weights)}
    histories = [m.fit(x, y, **fit).history["loss"] for m in (model, wanted)]
    assert largest_difference(model, wanted) < 1e-6
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-5)
    unweighted = classifier(amr_weight=0.0)
    unweighted.fit(x, y, batch_size=16, epochs=3, verbose=0, shuffle=False)
    assert largest_difference(model, unweighted) > 1e-2


def test_evaluate_and_validation_are_those_of_keras():
    x, y, weights = given()
    model, wanted = classifier(), plain()
    found = model.evaluate(x, y, sample_weight=weights, batch_size=16, verbose=0, return_dict=True)
    loss = wanted.evaluate(x, y, sample_weight=weights, batch_size=16, verbose=0)
    np.testing.assert_allclose(found["loss"], loss, rtol=1e-5)
    accuracy = np.mean(model.predict(x, verbose=0).argmax(1) == y)
    np.testing.assert_allclose(found["accuracy"], accuracy, rtol=1e-6)  # the weights have no part
    logs = model.fit(x, y, verbose=0, epochs=1, validation_data=(x, y, weights)).history
    again = model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["val_loss"][0], again["loss"], rtol=1e-5)


def test_the_regulariser_counts_all_samples_alike():
    """With a task rate of 0 a step is R's alone, and weights change nothing."""
    x, y, weights = given(16)
    after = []
    for w in (None, weights):
        model = classifier(optimizer=keras.optimizers.SGD(0.0), amr_ratio=(1, 9))
        model.train_on_batch(x, y, sample_weight=w)
        after.append(model)
    assert largest_difference(*after) == 0
    assert largest_difference(after[0], classifier()) > 1e-4


@pytest.mark.parametrize("kind", ["class", "sample"])
def test_replicas_equal_one_device(kind, strategy):
    """41 samples in batches of 8: in the last step most replicas are empty."""
    x, y, weights = given()
    fit = {"batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False, **options(kind, weights)}

    def train():
        model = classifier(amr_ratio=(1, 9), batch_norm=True)
        return model, model.fit(x, y, **fit).history["loss"]

    single, losses = train()
    with strategy.scope():
        several, found = train()
    assert largest_difference(single, several) < 1e-5
    np.testing.assert_allclose(found, losses, rtol=1e-5)


@pytest.mark.parametrize("name", walked())
def test_all_of_a_methods_loss_is_weighted(name):
    """A sum over samples: the losses of two weightings add up, and weights of 0 leave nothing."""
    x, y, weights = given(12)

    def loss(w):
        still = keras.optimizers.SGD(0.0)
        model = classifier(METHODS[name](), optimizer=still, amr_weight=0.0, run_eagerly=True)
        return model.train_on_batch(x, y, sample_weight=w, return_dict=True)["loss"]

    np.testing.assert_allclose(loss(weights) + loss(2 - weights), 2 * loss(None), rtol=2e-5)
    assert loss(np.zeros(12, "float32")) == 0


def test_weights_of_a_dataset_and_measures_that_know_none():
    """The Evaluator counts all samples alike, as the docstring says."""
    x, y, weights = given(32)
    model = classifier()
    weighted = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(16)
    bare = weighted.map(lambda x, y, w: (x, y))
    found, wanted = (amr_tf.Evaluator(model)(d).summary() for d in (weighted, bare))
    assert found == wanted
    other = classifier()
    model.fit(weighted, verbose=0)
    other.fit(x, y, sample_weight=weights, batch_size=16, shuffle=False, verbose=0)
    assert largest_difference(model, other) == 0


def test_one_modality_with_class_weights():
    x, y, _ = given()
    model = amr_tf.MultimodalClassifier({"audio": encoder(5, 4)}, amr_tf.heads.concat([(4,)], 3))
    model.compile(keras.optimizers.SGD(0.1))
    losses = [
        model.fit({"audio": x["audio"]}, y, verbose=0, class_weight=w).history["loss"][0]
        for w in (CLASS_WEIGHT, dict.fromkeys(range(3), 0.0))
    ]
    assert losses[0] > 0
    assert losses[1] == 0
