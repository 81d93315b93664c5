"""The public surface: everything in it exists and has a docstring whose example runs."""

import doctest
import functools
import inspect
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import _registry
from amr_tf.encoders import ENCODERS
from amr_tf.heads import HEADS
from amr_tf.methods import METHODS
from amr_tf.modalities import MODALITIES
from amr_tf.tasks import TASKS

PACKAGES = {
    name: value
    for name, value in vars(amr_tf).items()
    if name in amr_tf.__all__ and isinstance(value, types.ModuleType)
}


def public():
    """Qualified name -> object, each object once, under the shortest of its names."""
    found = {f"amr_tf.{name}": getattr(amr_tf, name) for name in amr_tf.__all__}
    for package, module in PACKAGES.items():
        found |= {f"amr_tf.{package}.{name}": getattr(module, name) for name in module.__all__}
    seen, once = set(), {}
    for name, value in found.items():
        key = id(type(value) if isinstance(value, _registry.Registry) else value)
        if key not in seen:
            once[name] = value
        seen.add(key)
    return once


PUBLIC = public()


@functools.cache
def surroundings():
    """What an example may use without saying where it comes from.

    Besides the packages `amr_tf`, `keras`, `np` and `tf`, a small problem of twelve samples,
    sound and picture of 5 and 7 numbers, three classes:

    * `encoders`, `head`: the parts of a model, modality -> encoder, and a linear head;
    * `model`: a compiled classifier of its own, `audio_model` and `video_model`: such of one
      modality;
    * `inputs`, `labels`, `encodings`: the arrays by modality, the class ids, two tensors `[12, 4]`;
    * `dataset`, `validation`: datasets of (inputs, class ids);
    * `subject`, `boots`: the model on that dataset, under one corruption, and resamples;
    * `directory`: an empty directory.
    """
    rng = np.random.default_rng(0)
    inputs = {
        "audio": tf.constant(rng.normal(size=(12, 5)), tf.float32),
        "video": tf.constant(rng.normal(size=(12, 7)), tf.float32),
    }
    labels = np.arange(12) % 3
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(4)

    def parts(names):
        made = {
            m: amr_tf.encoders.mlp((inputs[m].shape[1],), width=4, name=f"{m}_encoder")
            for m in names
        }
        return made, amr_tf.heads.concat([(4,)] * len(names), num_classes=3)

    def compiled(*names):
        model = amr_tf.MultimodalClassifier(*parts(names))
        model.compile(keras.optimizers.SGD(0.01))
        return model

    model = compiled("audio", "video")
    encoders, head = parts(("audio", "video"))
    noise = amr_tf.modalities.AudioConfig().corruptions()[0].of("audio")
    subject = amr_tf.analysis.Subject.of(
        model,
        dataset,
        dataset,
        classes=("a", "b", "c"),
        corrupted=[(noise, lambda severity: dataset)],
    )
    return {
        "__name__": "example",
        "amr_tf": amr_tf,
        "keras": keras,
        "np": np,
        "tf": tf,
        "encoders": encoders,
        "head": head,
        "model": model,
        "audio_model": compiled("audio"),
        "video_model": compiled("video"),
        "inputs": inputs,
        "labels": labels,
        "encodings": model.encode(inputs),
        "dataset": dataset,
        "validation": dataset,
        "subject": subject,
        "boots": amr_tf.analysis.Bootstrap(len(labels), resamples=50),
    }


@pytest.fixture(autouse=True)
def _nothing_stays_registered():
    """What examples register is forgotten after each."""
    kept = [
        (r, dict(r._plugins), dict(r._places))
        for r in (METHODS, ENCODERS, HEADS, MODALITIES, TASKS)
    ]
    trusted = set(_registry._trusted)
    yield
    for registry, plugins, places in kept:
        registry._plugins, registry._places = plugins, places
    _registry._trusted.clear()
    _registry._trusted.update(trusted)


@pytest.fixture(autouse=True)
def _eagerly():
    """Few batches are done before a step is traced; exported signatures are traced anyway."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_the_public_surface_is_what_the_design_names():
    assert set(amr_tf.__all__) >= {
        "AttributionRegularizer", "Evaluator", "MultimodalClassifier", "attribute",
        "attribution_shares", "explain", "load_model", "modality_attributions", "register_encoder",
        "register_head", "register_method",
        "analysis", "encoders", "heads", "methods", "modalities", "serving",
    }  # fmt: skip
    assert sorted(amr_tf.serving.__all__) == ["ServedClassifier", "export", "newest_version"]
    for module in (amr_tf, *PACKAGES.values()):
        assert len(set(module.__all__)) == len(module.__all__)
        assert not [name for name in module.__all__ if name.startswith("_")]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_a_docstring(name):
    value = PUBLIC[name]
    text = inspect.getdoc(value)
    assert text, f"{name} has no docstring"
    assert text.splitlines()[0].endswith((".", ":", "?")), f"{name}: the first line is no sentence"
    if inspect.isclass(value):
        assert value.__doc__, f"{name} has none of its own"
    if not isinstance(value, types.ModuleType):
        assert ">>>" in text, f"{name} has no example"
        assert "Example:" in text.split(">>>")[0], f"{name}: the example has no heading"


WITH_EXAMPLES = [name for name, value in PUBLIC.items() if ">>>" in (inspect.getdoc(value) or "")]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_an_example_runs_and_gives_what_it_says(name, tmp_path):
    """Each on its own; what it prints is compared, `...` standing for anything."""
    names = {**surroundings(), "directory": tmp_path}
    test = doctest.DocTestParser().get_doctest(
        inspect.getdoc(PUBLIC[name]), names, name, None, None
    )
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=told.append)
    assert not runner.failures, "".join(told)


def test_a_wrong_example_would_be_found(tmp_path):
    """The check checks."""
    test = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, None)
    runner = doctest.DocTestRunner()
    runner.run(test, out=lambda text: None)
    assert runner.failures == 1
