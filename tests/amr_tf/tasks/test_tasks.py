"""The formulas of each task against NumPy, SciPy, scikit-learn and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats
from sklearn import metrics

import amr_tf
from amr_tf.analysis import Bootstrap
from amr_tf.tasks import Multiclass, Multilabel, Regression
from tests.amr_tf import models


def some_labels(rng, n=40, classes=3):
    return (rng.random((n, classes)) < 0.4).astype(np.float64)


def test_losses_are_those_of_the_formulas(rng):
    z, y, numbers = rng.normal(size=(6, 3)), some_labels(rng, 6), rng.normal(size=(6, 3))
    p = special.expit(z)
    wanted = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(Multilabel().losses(tf.constant(y), tf.constant(z)), wanted)
    np.testing.assert_allclose(Multilabel().host_losses(y, z), wanted)
    task = Regression(mean=(1.0, 2.0, 3.0), scale=(0.5, 1.0, 2.0))
    predicted = np.array([1, 2, 3]) + np.array([0.5, 1, 2]) * z
    wanted = np.square((predicted - numbers) / [0.5, 1, 2]).mean(axis=1)
    np.testing.assert_allclose(task.losses(tf.constant(numbers), tf.constant(z)), wanted)
    np.testing.assert_allclose(task.host_losses(numbers, z), wanted)
    np.testing.assert_allclose(task.predictions(tf.constant(z)), predicted, rtol=1e-6)
    np.testing.assert_allclose(task.host_predictions(z), predicted)


def test_a_regression_learns_standardised_numbers():
    task = Regression.of([[1.0, 5.0], [3.0, 5.0]])
    assert task.mean == (2.0, 5.0)
    assert task.scale == (1.0, 1.0)  # of the second nothing varies


def test_the_loss_of_float16_outputs_is_taken_in_float32():
    z = tf.constant([[12.0, -12.0]], tf.float16)
    for task, y in ((Multilabel(), [[1.0, 0.0]]), (Regression(), [[12.0, -12.0]])):
        loss = task.losses(tf.constant(y), z)
        assert loss.dtype == tf.float32
        np.testing.assert_allclose(loss, 0, atol=1e-5)


def test_scores_are_the_logits_of_the_chosen_labels(rng):
    z = rng.normal(size=(4, 3))
    y = np.array([[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 1]], np.float32)
    task = Multilabel()
    np.testing.assert_allclose(task.target_score(tf.constant(z), "probability"), z.max(axis=1))
    wanted = [z[0, :2].mean(), z[1, 2], z[2].max(), z[3].mean()]
    found = task.target_score(tf.constant(z), "label", tf.constant(y))
    np.testing.assert_allclose(found, wanted)
    found = Regression().target_score(tf.constant(z), "output")
    np.testing.assert_allclose(found, z.mean(axis=1))


@pytest.mark.parametrize(
    ("task", "target"), [("multilabel", "probability"), ("multilabel", "label"),
                         ("regression", "output")],
)  # fmt: skip
def test_shares_and_their_gradient_by_finite_differences(rng, task, target):
    task = amr_tf.tasks.find_task(task)
    head = models.dense_head([4, 6], 3, hidden=5, seed=1)
    e = [tf.constant(rng.normal(size=(5, n))) for n in (4, 6)]
    y = tf.constant(some_labels(rng, 5))

    def score(values):
        return task.target_score(head(values), target, y).numpy()

    def shares():
        found = []
        for m, x in enumerate(e):
            alpha = np.zeros(x.shape)
            for d in range(x.shape[1]):
                step = np.zeros(x.shape)
                step[:, d] = 1e-6
                up, down = ([*e] for _ in range(2))
                up[m], down[m] = x + step, x - step
                alpha[:, d] = (score(up) - score(down)) / 2e-6 * x[:, d]
            found.append(np.linalg.norm(alpha, axis=1))
        return np.stack(found, axis=1) / np.sum(found, axis=0)[:, None]

    _, found = amr_tf.measure_shares(head, e, "gradient", target, y, task=task)
    np.testing.assert_allclose(found, shares(), atol=1e-7)
    kernel = head.trainable_variables[0]
    with tf.GradientTape() as tape:
        _, found = amr_tf.measure_shares(head, e, "gradient", target, y, task=task)
        first = tf.reduce_mean(found[:, 0])
    slope = tf.convert_to_tensor(tape.gradient(first, kernel)).numpy()[0, 0]
    values = kernel.numpy()
    moved = []
    for step in (1e-4, -1e-4):
        changed = values.copy()
        changed[0, 0] += step
        kernel.assign(changed)
        moved.append(shares()[:, 0].mean())
    np.testing.assert_allclose(slope, (moved[0] - moved[1]) / 2e-4, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("measure", ["integrated", "shapley"])
def test_contributions_of_linear_heads_are_the_products(rng, measure):
    """Of a linear score both measures give each modality its own part, `w^m e^m`."""
    head = models.dense_head([4, 6], 1, seed=2)
    e = [rng.normal(size=(5, n)) for n in (4, 6)]
    w = np.split(head.get_weights()[0][:, 0], [4])
    parts = [x * v for x, v in zip(e, w, strict=True)]
    if measure == "shapley":
        parts = [p.sum(axis=1, keepdims=True) for p in parts]
    norms = np.stack([np.linalg.norm(p, axis=1) for p in parts], axis=1)
    tensors = [tf.constant(x) for x in e]
    _, found = amr_tf.measure_shares(head, tensors, measure, "output", task=Regression())
    np.testing.assert_allclose(found, norms / norms.sum(axis=1, keepdims=True), rtol=1e-10)


def test_multilabel_metrics_are_scikit_learns(rng):
    y, z = some_labels(rng), rng.normal(size=(40, 3))
    y[:, 2] = 0  # a label that never occurs
    y[0] = 0  # a clip without a label
    p = special.expit(z)
    found = Multilabel().measured(y, z)
    each = [metrics.average_precision_score(y[:, c], p[:, c]) for c in range(2)]
    assert found["mAP"] == pytest.approx(np.mean(each))
    assert found["mAP_classes"] == 2
    assert found["micro_mAP"] == pytest.approx(
        metrics.average_precision_score(y, p, average="micro")
    )
    assert found["F1"] == pytest.approx(np.mean([metrics.f1_score(y[:, c], z[:, c] >= 0)
                                                 for c in range(2)]))  # fmt: skip
    some = y.any(axis=1)
    assert found["hit"] == pytest.approx(y[some, z[some].argmax(axis=1)].mean())
    columns = Multilabel().by_class(y, z)
    np.testing.assert_allclose(columns["average_precision"], [*each, np.nan])
    np.testing.assert_array_equal(Multilabel().members(y, 3), y > 0)


def test_nothing_is_nan_that_need_not_be_and_nothing_fails_without_any_label():
    y, z = np.zeros((4, 2)), np.zeros((4, 2))
    found = Multilabel().measured(y, z)
    assert found["loss"] == pytest.approx(np.log(2))
    assert found["mAP_classes"] == 0
    assert all(np.isnan(found[name]) for name in ("mAP", "micro_mAP", "hit", "F1"))
    assert Multilabel().tuned(y, z).thresholds == (0.5, 0.5)


def test_one_label_a_clip_gives_the_numbers_of_multiclass(rng):
    ids, z = rng.integers(0, 3, 40), rng.normal(size=(40, 3))
    one, several = Multiclass().measured(ids, z), Multilabel().measured(np.eye(3)[ids], z)
    assert several["hit"] == pytest.approx(one["accuracy"])


def test_thresholds_have_the_largest_f1_of_all(rng):
    y, z = some_labels(rng), rng.normal(size=(40, 3))
    z += y  # so that there is something to find
    task = Multilabel().tuned(y, z)
    p = special.expit(z)
    for c in range(3):
        every = [metrics.f1_score(y[:, c], p[:, c] >= t) for t in p[:, c]]
        chosen = metrics.f1_score(y[:, c], task.predicted(p)[:, c])
        assert chosen == pytest.approx(max(every))
    assert task.measured(y, z)["F1"] >= Multilabel().measured(y, z)["F1"]


def test_regression_metrics_are_scipys(rng):
    y = 1e4 + rng.normal(size=(30, 2))  # far from 0: squares would lose the variance
    z = rng.normal(size=(30, 2)) + (y - 1e4)
    task = Regression((1e4, 1e4), (1.0, 2.0))
    p = task.host_predictions(z)
    found = task.measured(y, z)
    pearson = [stats.pearsonr(y[:, k], p[:, k]).statistic for k in range(2)]
    lin = [2 * np.cov(y[:, k], p[:, k], bias=True)[0, 1]
           / (y[:, k].var() + p[:, k].var() + (y[:, k].mean() - p[:, k].mean()) ** 2)
           for k in range(2)]  # fmt: skip
    assert found["correlation"] == pytest.approx(np.mean(pearson))
    assert found["concordance"] == pytest.approx(np.mean(lin))
    assert found["MAE"] == pytest.approx(metrics.mean_absolute_error(y, p))
    assert task.measured(y, np.zeros_like(z))["correlation"] == 0  # of a constant
    assert np.isnan(task.measured(np.ones_like(y), z)["correlation"])


def test_draws_are_the_metrics_of_resampled_clips(rng):
    boots = Bootstrap(20, resamples=3)
    rows = [np.repeat(np.arange(20), w.astype(int)) for w in boots.weights.T]
    y, z = some_labels(rng, 20), rng.normal(size=(20, 3))
    for task, labels in ((Multilabel(), y), (Regression(), z + y), (Multiclass(), y.argmax(1))):
        for name in task.resampled:
            draws = task.draws(labels, z, boots, name)
            wanted = [task.measured(labels[r], z[r])[name] for r in rows]
            np.testing.assert_allclose(draws, wanted, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        ("multilabel", None, "there are no labels"),
        ("multilabel", [0, 1], r"are \[B, 3\], a 0 or 1 for each label, got int32 \(2,\)"),
        ("multilabel", [[0, 1]], r"are \[B, 3\]"),
        ("multilabel", [[0, 1, 2]], "neither 0 nor 1"),
        ("multilabel", [[0, 1, 0.5]], "neither 0 nor 1"),
        ("regression", None, "there are no labels"),
        ("regression", [1.0, 2.0], r"numbers \[B\] or \[B, 3\], got float32 \(2, 1\)"),
        ("regression", [[True, False, True]], "got bool"),
        ("regression", [[1.0, np.nan, 2.0]], "not a finite number"),
        ("multiclass", [[0, 1, 0]], "for several labels a sample task='multilabel'"),
    ],
)
def test_labels_of_another_form_are_refused(task, labels, message):
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=message):
        amr_tf.tasks.find_task(task).labels(labels, 3)


def test_numbers_are_taken_as_one_column_or_several():
    assert Regression().labels([1, 2]).shape == (2, 1)
    assert Regression().labels(np.ones((2, 3))).dtype == tf.float64
    assert Multilabel().labels([[0, 1]]).dtype == tf.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: amr_tf.tasks.find_task("ranking"), "no task 'ranking': there are multiclass"),
        (lambda: Regression(scale=0), "scale is positive"),
        (lambda: Regression(mean=np.nan), "finite"),
        (lambda: Multilabel([0.5, 2.0]), "thresholds are probabilities"),
        (lambda: Multilabel([0.5]).thresholds_of(2), "1 thresholds for 2 labels"),
        (lambda: Multilabel().check_target("logit"), "unknown attribution target 'logit' of multi"),
        (lambda: Multilabel().target_score(tf.zeros([1, 2]), "label"), r"give labels \[B, C\]"),
        (lambda: models.classifier().compile(amr_target="output"), "of multiclass: choose one of"),
        (lambda: amr_tf.tasks.register_task("x", dict), "is a subclass of amr_tf.tasks.Task"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(make, message):
    with pytest.raises((ValueError, TypeError), match=message) as error:
        make()
    assert "\n" not in str(error.value)


def test_a_user_s_task_has_its_own_loss(eagerly):
    @amr_tf.tasks.register_task("halves")
    class Halves(Regression):
        def losses(self, labels, outputs):
            return 0.5 * super().losses(labels, outputs)

    try:
        x, _ = models.data(8)
        parts = ({"audio": models.encoder(5, 4), "video": models.encoder(7, 6)},
                 models.dense_head([4, 6], 1, dtype="float32"))  # fmt: skip
        found = [amr_tf.MultimodalClassifier(*parts, task=t) for t in ("halves", "regression")]
        for model in found:
            model.compile(keras.optimizers.SGD(0.0), amr_weight=0.0)
        halved, whole = (m.evaluate(x, np.ones(8), return_dict=True, verbose=0) for m in found)
        assert halved["loss"] == pytest.approx(whole["loss"] / 2)
        assert found[0].task.name == "halves"
    finally:
        amr_tf.tasks.TASKS._plugins.pop("halves")
        amr_tf.tasks.TASKS._places.pop("halves")
