"""Models of the tasks: trained, shared out over replicas, saved, resumed; methods by task."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.methods import METHODS
from amr_tf.methods.base import ANY_TASK
from amr_tf.tasks import Multilabel, Regression
from tests.amr_tf import models

TASKS = ("multilabel", "regression")


def made(task, method=None, outputs=2, dtype="float32", **compiled):
    model = amr_tf.MultimodalClassifier(
        {"audio": models.encoder(5, 4, 1, "a", dtype=dtype),
         "video": models.encoder(7, 6, 2, "v", dtype=dtype)},
        models.dense_head([4, 6], outputs, seed=3, dtype=dtype),
        method,
        task=task,
    )  # fmt: skip
    model.compile(keras.optimizers.SGD(0.1), **compiled)
    return model


def data(task, n=64, dtype="float32"):
    """Inputs of which the sound tells the first output and the picture the second."""
    rng = np.random.default_rng(5)
    y = (
        (rng.random((n, 2)) < 0.5).astype(dtype)
        if task == "multilabel"
        else rng.normal(size=(n, 2))
    )
    x = {"audio": rng.normal(size=(n, 5)), "video": rng.normal(size=(n, 7))}
    x["audio"][:, 0] += 3 * y[:, 0]
    x["video"][:, 0] += 3 * y[:, 1]
    return {m: v.astype(dtype) for m, v in x.items()}, y.astype(dtype)


@pytest.mark.parametrize("task", TASKS)
def test_training_learns_and_holds_the_ratio(task):
    x, y = data(task)
    model = made(task, amr_weight=1.0, amr_ratio=(1, 1))
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    before = amr_tf.Evaluator(model)(dataset).summary()
    logs = model.fit(dataset, epochs=25, verbose=0).history
    found = amr_tf.Evaluator(model)(dataset).summary()
    assert logs["loss"][-1] < 0.6 * logs["loss"][0]
    assert abs(found["dominance"]["audio"] - 0.5) < 0.05
    main = model.task.metrics[0].name
    assert found[main] > max(0.85, before[main])
    kept = model.evaluate(dataset, return_dict=True, verbose=0)
    assert kept["loss"] == pytest.approx(found["loss"], rel=1e-5)
    step = model.task.step_metric
    assert kept[step] == pytest.approx(found[step], rel=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_replicas_are_one_device(task, strategy):
    """Three steps of uneven batches, one of them with a single sample."""
    x, y = data(task, 13, "float64")
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(6)

    def trained():
        model = made(task, dtype="float64", amr_weight=0.7, amr_ratio=(3, 1))
        logs = model.fit(batches, verbose=0).history
        return [v.numpy() for v in model.trainable_variables], logs

    alone, logs = trained()
    with strategy.scope():
        together, theirs = trained()
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    for name in ("loss", amr_tf.tasks.find_task(task).step_metric, "dominance_audio"):
        np.testing.assert_allclose(logs[name], theirs[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("task", [Multilabel((0.25, 0.75)), Regression((1.0, 2.0), (3.0, 4.0))])
def test_a_saved_model_goes_on_bit_for_bit(task, tmp_path, eagerly):
    x, y = data(task.name, 8)
    model = made(task, amr_weight=1.0)
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = amr_tf.load_model(tmp_path / "model.keras")
    assert loaded.task == task
    assert loaded.amr_target == task.targets[0]
    for each in (model, loaded):
        each.train_on_batch(x, y)
    for a, b in zip(model.trainable_variables, loaded.trainable_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_regression_gives_numbers_in_the_labels_unit(eagerly):
    x, y = data("regression", 8)
    model = made(Regression((10.0, -5.0), (2.0, 3.0)), amr_weight=0.0)
    outputs, _ = model.attribute(x)
    np.testing.assert_allclose(model(x), [10.0, -5.0] + np.array([2.0, 3.0]) * outputs, rtol=1e-6)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    found = amr_tf.Evaluator(model)(dataset)
    np.testing.assert_allclose(found.probabilities, model(x), rtol=1e-6)
    assert set(found.summary()["dominance_by_target"]) == {"output"}
    explained = amr_tf.explain(model, x)
    np.testing.assert_allclose(explained.probabilities, model(x), rtol=1e-6)


def test_one_number_a_sample_is_a_column(eagerly):
    x, y = data("regression", 8)
    found = [made("regression", outputs=1, amr_weight=0.0) for _ in range(2)]
    for model, labels in zip(found, (y[:, 0], y[:, :1]), strict=True):
        model.train_on_batch(x, labels)
    for a, b in zip(*(m.trainable_variables for m in found), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_metrics_of_a_user_see_labels_and_probabilities(eagerly):
    x, y = data("multilabel", 8)
    own = keras.metrics.BinaryAccuracy(name="pairs")
    model = made("multilabel", amr_weight=0.0, metrics=[own])
    found = model.evaluate(x, y, return_dict=True, verbose=0)
    outputs, _ = model.attribute(x)
    assert found["pairs"] == pytest.approx(((outputs.numpy() > 0) == y).mean())


def test_samples_without_a_label_are_no_misses(eagerly):
    x, _ = data("multilabel", 4)
    model = made("multilabel", amr_weight=0.0)
    outputs, _ = model.attribute(x)
    y = np.eye(2, dtype=np.float32)[outputs.numpy().argmax(axis=1)]
    y[0] = 0
    assert model.evaluate(x, y, return_dict=True, verbose=0)["hit"] == 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "method", [n for n, m in METHODS.items() if m.tasks == ANY_TASK and not m.requires
               and n != "unimodal"]
)  # fmt: skip
def test_methods_of_any_task_train(method, task, eagerly):
    x, y = data(task, 8)
    model = made(task, METHODS[method](), amr_weight=1.0)
    before = [v.numpy() for v in model.trainable_variables]
    assert np.isfinite(model.train_on_batch(x, y, return_dict=True)["loss"])
    assert any(
        (a != b.numpy()).any() for a, b in zip(before, model.trainable_variables, strict=True)
    )


@pytest.mark.parametrize("task", TASKS)
def test_methods_that_ask_held_out_losses_take_the_task_s(task, eagerly):
    x, y = data(task, 8)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    held_out = amr_tf.methods.HeldOut(lambda step: dataset.repeat().skip(step), 2, dataset, dataset)
    for method in (amr_tf.methods.MSES(patience=3), amr_tf.methods.GradientBlending("offline", 1)):
        method.held_out = held_out
        model = made(task, method, amr_weight=0.0)
        model.fit(dataset, verbose=0)
        if hasattr(model, "smoothed_losses"):
            encodings = model.encode(x)
            wanted = [
                model.task.losses(tf.constant(y), head([e])).numpy().mean()
                for head, e in zip((model.audio_head, model.video_head), encodings, strict=True)
            ]
            np.testing.assert_allclose(model.smoothed_losses, wanted, rtol=1e-5)
        else:
            np.testing.assert_allclose(np.sum(model.blend_weights), 1, rtol=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_a_method_of_another_task_is_refused_in_a_line(task):
    with pytest.raises(
        ValueError, match="OGM is defined only for multiclass, and the task is"
    ) as e:
        made(task, amr_tf.methods.OGM())
    assert "\n" not in str(e.value)
    with pytest.raises(ValueError, match="compares softmax predictions"):
        made(task, amr_tf.methods.UMT(target="predictions"))


def test_a_method_of_a_user_is_for_classes_unless_it_says_more():
    class Mine(amr_tf.methods.Method):
        pass

    with pytest.raises(ValueError, match="Mine is defined only for multiclass"):
        made("regression", Mine())


@pytest.mark.parametrize("task", TASKS)
def test_teachers_teach_encodings(task, eagerly):
    x, y = data(task, 8)

    def alone(name, features, units):
        encoder = models.encoder(features, units, 1, name)
        head = amr_tf.heads.concat([(units,)], 2)
        method = amr_tf.methods.Unimodal(name)
        return amr_tf.MultimodalClassifier({name: encoder}, head, method, task=task)

    teachers = {"audio": alone("audio", 5, 4), "video": alone("video", 7, 6)}
    model = made(task, amr_tf.methods.UMT(teachers, weight=1.0), amr_weight=0.0)
    loss = model.train_on_batch(x, y, return_dict=True)["loss"]
    naive = made(task, amr_weight=0.0)
    assert loss > naive.train_on_batch(x, y, return_dict=True)["loss"]
    encoders, head = amr_tf.methods.UME(teachers).parts(("audio", "video"), None)
    mean = amr_tf.MultimodalClassifier(encoders, head, amr_tf.methods.UME(teachers), task=task)
    each = [teachers[m].attribute({m: x[m]})[0] for m in ("audio", "video")]
    np.testing.assert_allclose(mean.attribute(x)[0], np.mean(each, axis=0), rtol=1e-5)


def test_weights_of_classes_are_refused():
    with pytest.raises(ValueError, match="give sample_weight"):
        made("multilabel").fit(*data("multilabel", 8), class_weight={0: 1.0, 1: 2.0}, verbose=0)


def test_steps_are_compiled(rng):
    """What looks at labels in a graph does not stop XLA."""
    for task in TASKS:
        x, y = data(task, 8)
        found = [made(task, amr_weight=1.0, jit_compile=xla) for xla in (False, True)]
        losses = [model.train_on_batch(x, y, return_dict=True)["loss"] for model in found]
        np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_the_ratio_moves_from_the_costliest_corruption(task):
    x, y = data(task, 16)
    clean = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    deaf = tf.data.Dataset.from_tensor_slices(({**x, "audio": 9 - x["audio"]}, y)).batch(8)
    model = made(task, amr_weight="auto", amr_ratio="worst_case")
    found = amr_tf.ratios.WorstCaseRatio({"audio": deaf, "video": clean})
    logs = model.fit(clean, epochs=1, verbose=0, callbacks=[found]).history
    wanted = [model.evaluate(each, return_dict=True, verbose=0)["loss"] for each in (deaf, clean)]
    np.testing.assert_allclose(found.losses, wanted, rtol=1e-5)
    costliest = ("audio", "video")[np.argmax(wanted)]
    assert logs[f"amr_ratio_{costliest}"][0] == pytest.approx(0.48)


def test_ratios_found_from_evidence_are_for_classes():
    model = made("regression", amr_weight="auto", amr_ratio="auto")
    with pytest.raises(ValueError, match="EvidenceRatio is defined only for multiclass"):
        amr_tf.ratios.EvidenceRatio(None).set_model(model)
