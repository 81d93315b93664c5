"""The subject of an evaluation, made of datasets and plain functions; what is measured of it."""

import ast
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.analysis import ablation, subject
from amr_tf.analysis.bootstrap import Bootstrap
from amr_tf.analysis.calibration import measure_calibration
from amr_tf.analysis.conflicts import measure_conflicts
from amr_tf.analysis.contributions import (
    GRAD_INPUT,
    measure_agreement,
    measure_contributions,
    measure_distribution,
)
from amr_tf.analysis.evaluation import Unmeasurable
from amr_tf.analysis.probes import measure_probes
from amr_tf.analysis.robustness import measure_robustness
from amr_tf.analysis.subject import Subject
from amr_tf.modalities.corruption import SEVERITIES, Corruption
from tests.amr_tf.models import classifier, data
from tests.amr_tf.test_model import relu_encodings

LOUD = Corruption("loud", (1, 2, 3, 4, 5), "of noise", lambda clip, level, rng: clip, "audio")


def dataset(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(8)


@pytest.fixture(scope="module")
def parts():
    """A model, its test clips of which the first lacks its sound, its training clips."""
    x, y = data(21)
    presence = np.ones((21, 2), "float32")
    presence[0, 0] = 0
    return classifier(), (x, presence, y), data(30, seed=1)


def noisy(x, y, severity):
    """The audio alone, with noise that grows."""
    noise = np.random.default_rng(0).normal(size=x["audio"].shape).astype("float32")
    return dataset({"audio": x["audio"] + 10 * severity * noise}, y)


def made(parts, **options):
    model, (x, presence, y), train = parts
    test = dataset({**x, "presence": presence}, y)
    return Subject.of(model, test, dataset(*train), classes=("a", "b", "c"), **options)


def test_it_holds_what_complete_clips_are_encoded_to(parts):
    model, (x, _, y), train = parts
    told = []
    found = made(
        parts,
        clip_names=[f"clip{i}" for i in range(21)],
        empty_inputs={"audio": tf.zeros([1, 5]), "video": tf.zeros([1, 7])},
        corrupted=iter([(LOUD, lambda severity: noisy(x, y, severity))]),
        advance=told.append,
    )
    assert found.modalities == ("audio", "video")
    assert found.clip_names == tuple(f"clip{i}" for i in range(1, 21))
    for e, expected in zip(found.encodings, relu_encodings(model, x), strict=True):
        np.testing.assert_allclose(e, expected[1:], atol=1e-5)
    logits = model(x, training=False).numpy()[1:]
    np.testing.assert_allclose(found.logits, logits, atol=1e-4)
    np.testing.assert_array_equal(found.train.labels, train[1])
    silence = model.encoders["audio"](tf.zeros([1, 5])).numpy()
    np.testing.assert_allclose(found.empty["audio"], silence, atol=1e-6)
    changed = next(iter(noisy(x, y, 5).unbatch().batch(21)))[0]["audio"]
    expected = model({**x, "audio": changed}, training=False).numpy()[1:].argmax(1)
    np.testing.assert_array_equal(found.corrupted[LOUD][4], expected)
    assert len(told) == subject.passes(corruptions=1)
    assert told[:3] == ["test", "train", "loud, severity 1"]


def test_empty_inputs_and_corruptions_may_be_left_out(parts):
    found = made(parts)
    assert list(ablation.replacements(found)) == [ablation.ZERO, ablation.MEAN]
    assert found.clip_names[0] == "1"
    curves = measure_robustness(found, Bootstrap(20, 10))
    assert [m.name for m in curves.measurements] == ["clean / accuracy"]


def test_a_split_without_complete_clips_is_refused(parts):
    model, (x, presence, y), train = parts
    incomplete = dataset({**x, "presence": 0 * presence}, y)
    with pytest.raises(Unmeasurable, match="no clip of validation or of train has all of audio, v"):
        Subject.of(model, incomplete, dataset(*train), ("a", "b", "c"), split="validation")


def test_all_measures_can_be_taken_by_the_library_alone(parts):
    _, (x, _, y), _ = parts
    found = made(parts, corrupted=[(LOUD, lambda severity: noisy(x, y, severity))])
    boots = Bootstrap(20, 30)
    accuracy = (found.logits.argmax(1) == found.test.labels).mean()
    conflicting = measure_conflicts(found, boots)
    shared = measure_contributions(found, boots, conflicting)
    curves = measure_robustness(found, boots)
    measurements = [
        *ablation.measure_missing(found, boots),
        *curves.measurements,
        *conflicting.rates,
        *conflicting.dominance,
        *shared.measurements,
        *measure_distribution(found, boots, shared).measurements,
        *measure_agreement(shared).measurements,
        *measure_probes(found, boots),
        measure_calibration(found, boots).error,
    ]
    assert all(m.draws.shape == (31,) for m in measurements)
    assert measurements[0].name == "all / accuracy"
    assert measurements[0].value == pytest.approx(accuracy)
    (curve,) = curves.curves
    assert (curve.modality, curve.corruption) == ("audio", "loud")
    assert [m.severity for m in curve.accuracy] == [0, *SEVERITIES]
    both = [shared.share(GRAD_INPUT, m).draws for m in found.modalities]
    np.testing.assert_allclose(sum(both), 1, atol=1e-5)


def test_the_library_imports_neither_commands_nor_their_tools():
    """What its files name: Keras itself imports more."""
    allowed = {"amr_tf", "keras", "numpy", "scipy", "sklearn", "tensorflow"}
    files = list(pathlib.Path(subject.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            else:
                continue
            roots = {name.partition(".")[0] for name in names}
            assert roots <= allowed | sys.stdlib_module_names, (file.name, names)
