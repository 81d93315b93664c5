"""UMT's two distances against NumPy; UME as the mean of unimodal models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads
from amr_tf.methods import UME, UMT
from amr_tf.methods.ume import ensemble_head
from tests.amr_tf.methods.steps import (
    classifier,
    data,
    dense,
    np_cross_entropy,
    np_encodings,
    softmax,
    step,
    teachers,
)
from tests.amr_tf.models import encoder, head_weights, np_logits

X, Y = data(24)


def loss(model):
    step(model, X, Y)
    return float(model.step_metrics.loss.result())


def student_and_teachers(model, found):
    e = np_encodings(model, X)
    t = [np_encodings(teacher, X)[0] for teacher in found.values()]
    fused = np_logits(head_weights(model.head), e)
    return e, t, fused


def test_distance_of_encodings():
    found = teachers()
    model = classifier(UMT(found, weight=3.0))
    e, t, fused = student_and_teachers(model, found)
    squares = sum(((a - b) ** 2).mean() for a, b in zip(e, t, strict=True))
    np.testing.assert_allclose(
        loss(model), np_cross_entropy(fused, Y).mean() + 3 * squares, rtol=1e-4
    )


@pytest.mark.parametrize("hidden", [0, 5])
def test_divergence_of_predictions(hidden):
    temperature = 2.0
    found = teachers()
    model = classifier(UMT(found, 3.0, "predictions", temperature), hidden=hidden)
    e, t, fused = student_and_teachers(model, found)
    if hidden:
        weights = head_weights(model.head)
        mean = [np.broadcast_to(a.mean(0), a.shape) for a in e]
        z = [np_logits(weights, [e[0], mean[1]]), np_logits(weights, [mean[0], e[1]])]
    else:
        w, b = dense(model.head)
        z = [a @ v + b / 2 for a, v in zip(e, np.split(w, [4]), strict=True)]
    total = 0
    for student, encoding, teacher in zip(z, t, found.values(), strict=True):
        w, b = dense(teacher.head)
        p, q = softmax((encoding @ w + b) / temperature), softmax(student / temperature)
        total += temperature**2 * (p * np.log(p / q)).sum(1).mean()
    expected = np_cross_entropy(fused, Y).mean() + 3 * total
    np.testing.assert_allclose(loss(model), expected, rtol=1e-4)


def test_teachers_do_not_learn_and_are_not_exported(tmp_path):
    found = teachers()
    model = classifier(UMT(found))
    before = [
        w.copy() for m in ("audio", "video") for w in getattr(model, f"{m}_teacher").get_weights()
    ]
    step(model, X, Y)
    after = [w for m in ("audio", "video") for w in getattr(model, f"{m}_teacher").get_weights()]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    names = {id(v) for m in ("audio", "video") for v in getattr(model, f"{m}_teacher").weights}
    assert not names & {id(v) for v in model.trainable_variables}


def test_students_that_copy_their_teachers_have_no_distance():
    found = teachers()
    model = classifier(UMT(found, weight=1e6))
    for m, teacher in found.items():
        model.encoders[m].set_weights(teacher.encoders[m].get_weights())
    fused = np_logits(head_weights(model.head), np_encodings(model, X))
    np.testing.assert_allclose(loss(model), np_cross_entropy(fused, Y).mean(), rtol=1e-3)


def test_what_is_no_teacher_is_refused():
    found = teachers()
    with pytest.raises(ValueError, match=r"needs a trained unimodal model for video: .*--teachers"):
        classifier(UMT({"audio": found["audio"]}))
    with pytest.raises(
        ValueError, match=r"the audio teacher's encoding \(6,\) differ from the stu"
    ):
        classifier(UMT({"audio": found["video"], "video": found["audio"]}))
    with pytest.raises(ValueError, match="a teacher has one modality, this model has audio, video"):
        UMT({"audio": classifier()})
    wrong = amr_tf.MultimodalClassifier({"audio": encoder(5, 4)}, heads.concat([(4,)], 7))
    with pytest.raises(ValueError, match=r"the audio teacher's logits \(7,\) differ"):
        classifier(UMT({**found, "audio": wrong}))
    for bad in ({"weight": -1}, {"temperature": 0}, {"target": "both"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            UMT(**bad)


def test_ume_is_the_mean_of_the_unimodal_logits(tmp_path):
    found = teachers()
    head = ensemble_head({m: t.head for m, t in found.items()})
    model = amr_tf.MultimodalClassifier({m: t.encoders[m] for m, t in found.items()}, head, UME())
    model.compile(amr_weight=0)
    mean = np.mean([t({m: tf.constant(X[m])}).numpy() for m, t in found.items()], axis=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), mean, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), mean, rtol=1e-5, atol=1e-6)
    different = {"audio": found["audio"].head, "video": heads.concat([(6,)], 9)}
    with pytest.raises(ValueError, match="differ in their classes"):
        ensemble_head(different)
