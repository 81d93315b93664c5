"""What is measured of a trained model: on a split, in inference mode.

Shares and behaviour are the audio's; the video has the rest.
"""

import pathlib

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import amr_tf
from amr_tf.analysis import ablation, calibration, metrics
from amr_tf.analysis.evaluation import in_batches
from studies.balance import data

Arrays = dict[str, np.ndarray]


def measure(
    work: pathlib.Path, level: str, model: amr_tf.MultimodalClassifier, split: str = "test"
) -> dict[str, float]:
    """All numbers of a trained model; accuracies are fractions."""
    inputs, labels = data.split(work, level, split)
    test = encode(model, inputs)
    logits = ablation.head_logits(model.head, list(test.values()))
    probabilities = metrics.softmax(logits)
    found = {
        "accuracy": metrics.accuracy(labels, logits),
        "mAP": metrics.mean_average_precision(labels, probabilities)[0],
        "ECE": float(calibration.reliability(labels, probabilities).error()),
    }
    if len(test) == 1:
        return found
    train_inputs, train_labels = data.split(work, level, "train")
    train = encode(model, train_inputs)
    found |= _shares(model.head, test, logits) | _behaviour(model.head, test, labels)
    for m, (name, e) in enumerate(test.items()):
        found[f"norm_{name}"] = float(np.linalg.norm(e, axis=1).mean())
        away = test | {name: np.broadcast_to(train[name].mean(axis=0), e.shape)}
        found[f"without_{name}"] = _accuracy(model.head, away, labels)
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
        found[f"probe_{name}"] = float(probe.fit(train[name], train_labels).score(e, labels))
        for severity in data.SEVERITIES if split == "test" else ():
            changed = data.load(work, level, data.corrupted_name(name, severity))
            changed = test | encode(model, {name: changed})
            found[f"{name}_corrupted{severity}"] = _accuracy(model.head, changed, labels)
        found[f"common_{name}"] = common_part(_kernels(model.head, test)[m])
    return found


def encode(model: amr_tf.MultimodalClassifier, inputs: Arrays) -> Arrays:
    """Encodings `[N, D]` of the inputs, by modality, in inference mode."""
    return {
        m: in_batches(
            lambda x, m=m: model.encoders[m](tf.cast(x, tf.float32), training=False),
            inputs[m],
            size=256,
        )
        for m in model.modalities
        if m in inputs
    }


def centred(kernel: np.ndarray) -> np.ndarray:
    """A linear head's weights `[D, C]` without what they have in common over the classes.

    All logits of a sample then move alike: no prediction changes, nor do shares by the
    probability target. Shares by the logit target do.
    """
    return kernel - kernel.mean(axis=1, keepdims=True)


def common_part(kernel: np.ndarray) -> float:
    """How much of the weights `[D, C]` is common to the classes: a fraction of their square."""
    return float(1 - np.square(centred(kernel)).sum() / np.square(kernel).sum())


def linear_shares(kernels: list[np.ndarray], encodings: list[np.ndarray], top: np.ndarray):
    """Shares `[N, M]` by the logit target of a linear head, `alpha^m = W_k^m ⊙ e^m`.

    Args:
        kernels: M arrays `[D_m, C]`.
        encodings: M arrays `[N, D_m]`.
        top: Predicted classes `[N]`.
    """
    pairs = zip(kernels, encodings, strict=True)
    norms = np.stack([np.linalg.norm(w[:, top].T * e, axis=1) for w, e in pairs], axis=1)
    return norms / norms.sum(axis=1, keepdims=True)


def _shares(head, test: Arrays, logits: np.ndarray) -> dict[str, float]:
    encodings, found = list(test.values()), {}
    for target in ("probability", "logit"):
        shares = in_batches(
            lambda *e, t=target: amr_tf.modality_attributions(head, list(e), t), *encodings
        )
        found[f"share_{target}"] = float(shares[:, 0].mean())
    kernels = [centred(w) for w in _kernels(head, test)]
    shifted = sum(e @ w for e, w in zip(encodings, kernels, strict=True)) + head.get_weights()[1]
    top = logits.argmax(axis=1)
    found["share_centred"] = float(linear_shares(kernels, encodings, top)[:, 0].mean())
    found["changed_by_centring"] = float(np.mean(shifted.argmax(axis=1) != top))
    return found


def _behaviour(head, test: Arrays, labels: np.ndarray) -> dict[str, float]:
    """How often the audio wins where one modality is exchanged for another class's."""
    partner = ablation.partners(labels)
    followed, decided = [], []
    for m in range(len(test)):
        predicted = ablation.exchange_predictions(head, list(test.values()), m, partner)
        own, others = predicted == labels[partner], predicted == labels
        followed.append(own.mean())
        decided.append((own | others).mean())
    shares = ablation.behavioural_dominance(np.array(followed), np.array(decided))
    return {"behaviour": float(shares[0])}


def _accuracy(head, encodings: Arrays, labels: np.ndarray) -> float:
    return metrics.accuracy(labels, ablation.head_logits(head, list(encodings.values())))


def _kernels(head, test: Arrays) -> list[np.ndarray]:
    """The linear head's weights, a part `[D_m, C]` a modality."""
    ends = np.cumsum([e.shape[1] for e in test.values()])[:-1]
    return np.split(head.get_weights()[0], ends)
