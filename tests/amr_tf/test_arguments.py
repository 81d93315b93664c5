"""No argument is without effect: it changes something, or is refused with what to do instead."""

import inspect

import keras
import numpy as np
import pytest

import amr_tf
from amr_tf import _compat, saving
from tests.amr_tf.models import classifier, data, largest_difference


def trained(**options):
    model = classifier(batch_norm=True, amr_ratio=options.pop("amr_ratio", (1, 9)), **options)
    x, y = data(32)
    model.history = model.fit(x, y, batch_size=16, verbose=0, shuffle=False)
    return model


def changes_weights(**options):
    return largest_difference(trained(), trained(**options)) > 1e-6


def changes_averages(**options):
    pairs = zip(
        trained().non_trainable_variables, trained(**options).non_trainable_variables, strict=True
    )
    return any(np.any(a.numpy() != b.numpy()) for a, b in pairs)


def undoes_nan(**options):
    x, y = data(16)
    x["audio"][0] = np.nan
    model = classifier(**options)
    model.train_on_batch(x, y)
    return all(np.isfinite(v.numpy()).all() for v in model.trainable_variables)


def is_logged(**options):
    (metrics,) = options.values()
    return {m.name for m in metrics} <= trained(**options).history.history.keys()


def has_attribute(**options):
    ((name, value),) = options.items()
    model = classifier(**options)
    return value in (getattr(model, name, None), getattr(model, f"_{name}", None))


def halves_the_calls(**options):
    calls = []
    counter = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: calls.append(batch)
    )
    classifier(**options).fit(*data(32), batch_size=8, verbose=0, callbacks=[counter])
    return len(calls) == 2


def leaves_losses_unscaled(**options):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        return _compat.loss_scale(classifier(**options).optimizer) is None
    finally:
        keras.mixed_precision.set_global_policy("float32")


def is_refused(**options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=rf"{name}.* has no effect: "):
        classifier(**options)
    classifier(**{name: type(value)()})  # nothing is asked for
    return True


OBEYED = {
    "optimizer": (changes_weights, lambda: keras.optimizers.SGD(0.5)),
    "amr_weight": (changes_weights, lambda: 3.0),
    "amr_ratio": (changes_weights, lambda: (9, 1)),
    "amr_optimizer": (changes_weights, lambda: keras.optimizers.SGD(0.01)),
    "amr_target": (changes_weights, lambda: "logit"),
    "amr_measure": (changes_weights, lambda: "shapley"),
    "amr_scope": (changes_weights, lambda: "all"),
    "accumulate": (changes_averages, lambda: 2),
    "skip_nonfinite": (undoes_nan, lambda: True),
    "metrics": (is_logged, lambda: [keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")]),
    "weighted_metrics": (is_logged, lambda: [keras.metrics.SparseCategoricalCrossentropy("nats")]),
    "jit_compile": (has_attribute, lambda: True),
    "run_eagerly": (has_attribute, lambda: True),
    "steps_per_execution": (halves_the_calls, lambda: 2),
    "auto_scale_loss": (leaves_losses_unscaled, lambda: False),
    "loss": (is_refused, lambda: "mse"),
    "loss_weights": (is_refused, lambda: [2.0]),
    "pss_evaluation_shards": (is_refused, lambda: 2),
}
ARGUMENTS = {
    name
    for compile in (amr_tf.MultimodalClassifier.compile, keras.Model.compile)
    for name in inspect.signature(compile).parameters
} - {"self", "kwargs"}


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_every_argument_of_compile_has_an_effect_or_is_refused(name):
    has_effect, value = OBEYED[name]
    assert has_effect(**{name: value()})


def test_an_argument_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="compile has no argument 'amr_wieght'"):
        classifier(amr_wieght=2.0)


def test_metrics_see_class_ids_and_probabilities():
    """Against NumPy; those of `weighted_metrics` are told of the weights."""
    x, y = data(40)
    weights = np.arange(40, dtype="float32")
    model = classifier(
        metrics=["accuracy", keras.metrics.SparseCategoricalCrossentropy("nats")],
        weighted_metrics=[keras.metrics.SparseCategoricalAccuracy("weighted")],
    )
    logits = model.predict(x, verbose=0)
    logs = model.evaluate(x, y, sample_weight=weights, batch_size=16, verbose=0, return_dict=True)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(logs["nats"], -np.log(p[np.arange(40), y]).mean(), rtol=1e-5)
    right = logits.argmax(1) == y
    np.testing.assert_allclose(logs["accuracy"], right.mean(), rtol=1e-6)
    np.testing.assert_allclose(logs["weighted"], (right * weights).sum() / weights.sum(), rtol=1e-6)


def test_metrics_are_saved_and_summed_over_replicas(tmp_path, strategy):
    x, y = data(41)
    with strategy.scope():
        metrics = [keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")]
        model = classifier(metrics=metrics)
    model.fit(x, y, batch_size=16, verbose=0)
    logs = model.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    again = loaded.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    np.testing.assert_allclose(again["top2"], logs["top2"], rtol=1e-6)
    with strategy.scope():
        saving.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["mse"], "metrics are objects that compare class ids"),
        ([keras.metrics.Mean("loss")], "the model has a metric 'loss' already"),
        ([keras.metrics.Mean("dominance_audio")], "the model has a metric 'dominance_audio'"),
    ],
)
def test_other_metrics_are_refused(metrics, message):
    with pytest.raises(ValueError, match=message):
        classifier(metrics=metrics)
