"""The bytes that a step keeps, counted by hand for a small graph."""

import math

import keras
import pytest
import tensorflow as tf

from benchmarks import keras_steps, memory
from benchmarks.sizes import Sizes

BATCH = 6


def graph_of(function, *shape):
    return tf.function(function).get_concrete_function(tf.TensorSpec(shape)).graph


def test_each_tensor_counts_once_and_weights_do_not():
    a, b = tf.Variable(tf.ones((4, 5))), tf.Variable(tf.ones((5, 3)))

    def step(x):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(x @ a)  # the backward pass needs x and hidden
            view = tf.identity(tf.reshape(hidden, (BATCH, 5)))
            loss = tf.reduce_sum(view @ b)  # hidden, by another name
        for v, g in zip((a, b), tape.gradient(loss, (a, b)), strict=True):
            v.assign_sub(0.1 * g)  # behind the backward pass

    kept = memory.of_graph(graph_of(step, BATCH, 4))
    assert {(k.kind, k.shape, k.size) for k in kept} == {
        ("Relu", (BATCH, 5), BATCH * 5 * 4),
        ("Placeholder", (BATCH, 4), BATCH * 4 * 4),
    }
    assert [k.size for k in kept] == sorted((k.size for k in kept), reverse=True)


def test_sums_of_gradients_belong_to_the_backward_pass():
    a = tf.Variable(tf.ones((4, 4)))

    def step(x):
        with tf.GradientTape() as tape:
            hidden = tf.nn.relu(x @ a)
            loss = tf.reduce_sum(hidden @ a + hidden)  # two gradients meet
        a.assign_sub(tape.gradient(loss, a))

    graph = graph_of(step, BATCH, 4)
    assert any(op.type in ("AddN", "AddV2") for op in graph.get_operations())
    assert {k.kind for k in memory.of_graph(graph)} == {"Relu", "Placeholder"}


@pytest.mark.parametrize(("precision", "bytes_each"), [("float32", 4), ("mixed_bfloat16", 2)])
def test_a_step_keeps_what_convolutions_make_for_normalisation(precision, bytes_each):
    task = Sizes("small", 4, pixels=16, frames=2, spectrogram=(20, 16), batch=BATCH, classes=4)
    found = memory.of_tensorflow(task, precision, weight=1.0)
    keras.mixed_precision.set_global_policy("float32")
    expected = 0
    for modality, images in (("audio", 1), ("video", task.frames)):
        for layer in keras_steps.encoder(task, modality).layers:
            if isinstance(layer, keras.layers.Conv2D):
                expected += images * math.prod(layer.output.shape[1:])
    kept = sum(one.size for one in found if one.kind == "Conv2D")
    assert kept == BATCH * expected * bytes_each
