"""XLA changes how steps are computed, not what."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context as eager_context

import amr_tf
from amr_tf import _compat, distribution
from amr_tf._functions import wants_xla
from amr_tf._pass import _of_one_size
from tests.amr_tf.methods.steps import METHODS as OTHERS
from tests.amr_tf.methods.steps import classifier, walked
from tests.amr_tf.models import data, largest_difference
from tests.amr_tf.test_distribution import METHODS as DROPPING

METHODS = {**DROPPING, **OTHERS}


def trained(method=None, batches=None, epochs=2, **options):
    """A model after two steps, and what it logged."""
    keras.utils.set_random_seed(0)
    # away from the ratio: near the kink of |.| rounding may flip a sign
    model = classifier(method, amr_ratio=(1, 9), **options)
    if batches is None:
        batches = tf.data.Dataset.from_tensor_slices(data(16)).batch(16, drop_remainder=True)
    if isinstance(model.method, amr_tf.methods.GradientBlending):
        model.method.on_epoch_begin = lambda *_: None  # its estimates are trainings of their own
    return model, model.fit(batches, epochs=epochs, verbose=0).history


def assert_alike(found, expected, difference=2e-6):
    assert largest_difference(found[0], expected[0]) < difference
    for name, values in expected[1].items():
        np.testing.assert_allclose(found[1][name], values, atol=10 * difference, err_msg=name)


@pytest.mark.parametrize("name", walked(METHODS, slow=("cml", "dgl", "mmcosine", "opm")))
def test_every_method_trains_alike(name):
    make = METHODS[name]
    assert_alike(trained(make(), jit_compile=True), trained(make(), run_eagerly=True))


def test_replicas_train_alike_in_clusters(strategy):
    """With dropout, whose masks are those of the global batch, and batch normalisation."""
    options = {"batch_norm": True, "hidden": 8}
    expected = trained(METHODS["dropout"](), run_eagerly=True, **options)
    with strategy.scope():
        found = trained(METHODS["dropout"](), jit_compile=True, **options)
    assert_alike(found, expected)


def test_clusters_are_compiled_and_the_sums_over_replicas_left_out(strategy):
    with strategy.scope():
        model = classifier(batch_norm=True, hidden=8, jit_compile=True)
    batches = tf.data.Dataset.from_tensor_slices(data(16)).batch(16, drop_remainder=True).repeat()
    iterator = iter(strategy.experimental_distribute_dataset(batches))
    train = model.make_train_function()
    eager_context.context().enable_run_metadata()
    try:
        train(iterator)
        graphs = eager_context.context().export_run_metadata().function_graphs
    finally:
        eager_context.context().disable_run_metadata()
    nodes = [node for graph in graphs for part in graph.partition_graphs for node in part.node]
    compiled = sum(node.op == "_XlaRun" for node in nodes)
    assert compiled > 10 * strategy.num_replicas_in_sync
    left = {node.op for node in nodes if node.attr["_XlaCompile"].b}
    assert left <= {"AddN", "Identity"}  # the sums over the replicas


@pytest.mark.parametrize(
    "options",
    [
        {"accumulate": 2},
        {"skip_nonfinite": True, "amr_target": "logit"},
        {"steps_per_execution": 2},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_else_a_step_can_do(options):
    """Batches of 16 and of 5, with NaN where `skip_nonfinite` undoes the step."""
    x, y = data(21)
    if "skip_nonfinite" in options:
        x["audio"][3, 2] = np.nan
    x["presence"] = np.ones([21, 2], "float32")
    x["presence"][4, 1] = x["presence"][18, 0] = 0
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    found, expected = (
        trained(batches=batches, epochs=1, jit_compile=xla, batch_norm=True, **options)
        for xla in (True, False)
    )
    assert_alike(found, expected)
    skipped = int(expected[0].nonfinite_steps.numpy())
    assert int(found[0].nonfinite_steps.numpy()) == skipped == ("skip_nonfinite" in options)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision(policy):
    """With loss scaling under float16; rounding differs, as fused operations round once."""
    keras.mixed_precision.set_global_policy(policy)
    try:
        found, expected = (trained(jit_compile=xla) for xla in (True, False))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert (_compat.loss_scale(found[0].optimizer) is not None) == (policy == "mixed_float16")
    assert_alike(found, expected, 5e-3)


def test_evaluation_fills_the_last_batch_and_leaves_the_filling_out():
    batches = tf.data.Dataset.from_tensor_slices(data(21)).batch(8)
    parts = list(_of_one_size(batches).as_numpy_iterator())
    assert [labels.shape for _, labels, _ in parts] == [(8,)] * 3
    assert [real.sum() for *_, real in parts] == [8, 8, 5]
    models = [classifier(jit_compile=xla) for xla in (True, False)]
    found, expected = (amr_tf.Evaluator(model)(batches) for model in models)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
    np.testing.assert_allclose(
        found.shares["probability"], expected.shares["probability"], atol=1e-5
    )
    logs = [m.evaluate(batches, verbose=0, return_dict=True) for m in models]
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], rtol=1e-5)
    x, _ = data(21)
    np.testing.assert_allclose(
        models[0].predict(x, batch_size=8, verbose=0), found.logits, atol=1e-5
    )


def test_auto_means_on_gpus(monkeypatch, strategy):
    assert not classifier().xla
    monkeypatch.setattr(distribution, "on_gpus", lambda strategy: True)
    assert classifier().xla
    assert not classifier(run_eagerly=True).xla
    assert not classifier(jit_compile=False).xla
    with strategy.scope():
        assert classifier().xla
    with pytest.raises(ValueError, match="jit_compile is True, False or 'auto', got 'yes'"):
        classifier(jit_compile="yes")


def test_what_counts_as_gpus(strategy):
    assert not distribution.on_gpus(tf.distribute.get_strategy())
    assert not distribution.on_gpus(strategy)
    assert not wants_xla("auto", tf.distribute.OneDeviceStrategy("CPU:0"))

    class OfGpus:
        class extended:
            worker_devices = ("/job:localhost/replica:0/task:0/device:GPU:0",)

    assert wants_xla("auto", OfGpus())


def test_the_choice_is_saved(tmp_path):
    for choice in (True, "auto"):
        classifier(jit_compile=choice).save(tmp_path / "model.keras")
        assert keras.models.load_model(tmp_path / "model.keras").xla_wanted == choice
