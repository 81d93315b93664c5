"""What `fit` and `evaluate` call: the same steps, however many a call makes and whoever looks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import _compat
from amr_tf._functions import graph_of
from amr_tf.modalities import FeaturesConfig
from amr_tf.serving import ServedClassifier
from tests.amr_tf.models import (
    classifier,
    data,
    dense_head,
    encoder,
    largest_difference,
    of_parts,
)


def batches(n=61, size=17):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(size)


class CountedTraces(amr_tf.methods.Naive):
    """Naive fusion; a graph calls the loss once, when it is made."""

    traces = 0

    def loss(self, context):
        type(self).traces += 1
        return super().loss(context)


class Steps(keras.callbacks.Callback):
    """Keeps what it is told of each step."""

    def __init__(self):
        super().__init__()
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


class Aside(Steps):
    """Wants to know that a step is done, and nothing else of it."""

    reads_logs_of_steps = False


def test_several_steps_of_a_call_are_the_same_steps(strategy):
    """4 batches in calls of 3, on several replicas: the last call makes one."""
    one = classifier()
    expected = one.fit(batches(), verbose=0).history
    with strategy.scope():
        several = classifier(steps_per_execution=3)
    history = several.fit(batches(), verbose=0).history
    assert several.steps_done == one.steps_done == 4
    assert largest_difference(one, several) < 1e-6
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, atol=2e-6, err_msg=name)


def test_a_graph_is_made_once_whatever_the_batches_sizes():
    CountedTraces.traces = 0
    model = classifier(CountedTraces())
    model.fit(batches(), epochs=3, verbose=0)
    made = CountedTraces.traces
    model.fit(batches(40, 9), epochs=2, verbose=0)
    assert CountedTraces.traces == made
    assert made <= 2  # Keras 2.15's first trace of a function makes its variables


def test_logs_of_steps_are_read_only_for_those_who_read_them():
    """The epoch's are the same for all; else each step would wait for the device."""
    watched, unwatched = Steps(), Aside()
    histories = [
        classifier().fit(batches(), verbose=0, callbacks=[callback]).history
        for callback in (watched, unwatched)
    ]
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-6)
        # running means: those of the last step are the epoch's
        np.testing.assert_allclose(watched.logs[-1][name], values[0], rtol=1e-6)
    assert len(watched.logs) == len(unwatched.logs) == 4
    assert all(np.isnan(list(logs.values())).all() for logs in unwatched.logs)


def test_fit_and_evaluate_take_arguments_by_position():
    x, y = data(40)
    model = classifier()
    steps = Steps()
    model.fit(x, y, 8, 2, 0, [steps])
    assert len(steps.logs) == 10
    assert np.isfinite(list(steps.logs[-1].values())).all()
    assert np.isfinite(model.evaluate(x, y, 8, 0)).all()


def test_validation_within_fit_has_numbers():
    history = classifier().fit(batches(), validation_data=batches(), verbose=0).history
    assert {"val_loss", "val_accuracy", "val_dominance_audio"} <= set(history)
    assert np.isfinite([values[0] for values in history.values()]).all()


def test_one_batch_at_a_time_and_without_graphs():
    """`train_on_batch` and `run_eagerly` make the step that `fit` makes."""
    x, y = data(16)
    models = [classifier(), classifier(), classifier(run_eagerly=True)]
    models[0].fit(x, y, batch_size=16, verbose=0)
    logs = models[1].train_on_batch(x, y, return_dict=True)
    assert np.isfinite(list(logs.values())).all()
    models[2].fit(x, y, batch_size=16, verbose=0)
    assert largest_difference(models[0], models[1]) < 1e-6
    assert largest_difference(models[0], models[2]) < 1e-6
    tested = models[1].test_on_batch(x, y, return_dict=True)
    expected = models[0].evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    np.testing.assert_allclose(tested["loss"], expected["loss"], rtol=1e-5)


class Halved(keras.layers.Layer):
    """Halves numbers until their mean square is at most 1, in a Python loop over tensors."""

    def call(self, x):
        while tf.reduce_mean(x**2) > 1:
            x = x / 2
        return x


@pytest.mark.skipif(_compat.KERAS_3, reason="Keras 3 rewrites no layer")
def test_layers_with_python_s_control_flow_train_and_serve():
    """Keras 2 rewrites the layer by AutoGraph, though our own functions are left as written."""

    def made():
        audio = encoder(5, 4, 1)
        halved = keras.Model(audio.inputs, Halved()(3.0 * audio.output), name="audio_encoder")
        parts = {"audio": halved, "video": encoder(7, 6, 2, "video_encoder")}
        return of_parts(parts, dense_head([4, 6], 3, dtype="float32"))

    found, expected = made(), made()
    for model, eagerly in ((found, False), (expected, True)):
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=eagerly)
        model.fit(batches(), verbose=0)
    assert largest_difference(found, expected) < 1e-6
    x, _ = data(6)
    inputs = {"audio": FeaturesConfig((5,)), "video": FeaturesConfig((7,))}
    served = ServedClassifier(found, ("a", "b", "c"), inputs).signature("serving_default")
    answer = served(**{m: tf.constant(v) for m, v in x.items()})
    np.testing.assert_allclose(answer["probabilities"], tf.nn.softmax(found(x)), atol=1e-5)


def test_a_function_of_the_library_is_not_rewritten():
    with pytest.raises(TypeError, match="as a Python `bool`"):
        graph_of(lambda x: 1 if x > 0 else 0)(tf.constant(1.0))
