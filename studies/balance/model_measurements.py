"""The measurements of a trained model, on a split and in inference mode.

Shares and behaviour are the audio's; the video has the rest.
"""

import pathlib

import numpy as np
import tensorflow as tf
from scipy import special

import amr_tf
from amr_tf.analysis import ablation, calibration, probes
from amr_tf.analysis.encodings import in_batches, logits_of
from amr_tf.attribution import attribution_shares
from amr_tf.tasks import metrics
from studies import arrays, measuring
from studies.balance import data

Arrays = dict[str, np.ndarray]


def measure_model(
    work: pathlib.Path, level: str, model: amr_tf.MultimodalClassifier, split: str = "test"
) -> dict[str, float]:
    """Measures a trained model.

    Args:
        work: Path, the directory of the study's data.
        level: String, of `data.LEVELS`.
        model: MultimodalClassifier, the trained model.
        split: String, the split to measure it on.

    Returns:
        A dictionary, name -> number; accuracies are fractions.
    """
    inputs, labels = data.split(work, level, split)
    test = encode(model, inputs)
    logits = logits_of(model.head, list(test.values()))
    probabilities = special.softmax(logits, axis=1)
    found = {
        "accuracy": metrics.accuracy(labels, logits),
        "mAP": metrics.mean_average_precision(labels, probabilities)[0],
        "ECE": float(calibration.reliability(labels, probabilities).error()),
    }
    if len(test) == 1:
        return found
    train_inputs, train_labels = data.split(work, level, "train")
    train = encode(model, train_inputs)
    found |= _shares(model.head, test, logits)
    found["behaviour"] = float(measuring.behaviour(model.head, test, labels)[0])
    means = [train[name].mean(axis=0, keepdims=True) for name in test]
    subsets = ablation.subset_logits(model.head, list(test.values()), means)
    for m, (name, e) in enumerate(test.items()):
        found[f"norm_{name}"] = float(np.linalg.norm(e, axis=1).mean())
        others = frozenset(range(len(test))) - {m}
        found[f"without_{name}"] = metrics.accuracy(labels, subsets[others])
        probed = probes.probe_predictions(train[name], train_labels, e, 0.1, iterations=200)
        found[f"probe_{name}"] = float(np.mean(probed == labels))
        for severity in data.MEASURED_SEVERITIES if split == "test" else ():
            changed = data.load(work, level, arrays.corrupted_name(name, severity))
            changed = test | encode(model, {name: changed})
            changed_logits = logits_of(model.head, list(changed.values()))
            found[f"{name}_corrupted{severity}"] = metrics.accuracy(labels, changed_logits)
        found[f"common_{name}"] = common_part(_kernels(model.head, test)[m])
    return found


def encode(model: amr_tf.MultimodalClassifier, inputs: Arrays) -> Arrays:
    """Encodes arrays of a level in inference mode, see `measuring.encode`."""
    return measuring.encode(model, inputs, lambda x: tf.cast(x, tf.float32), lambda x: 256)


def centred(kernel: np.ndarray) -> np.ndarray:
    """A linear head's weights `[D, C]` without the part that is common to the classes.

    All logits of a sample then move alike: no prediction changes, nor do shares by the
    probability target. Shares by the logit target do.

    Args:
        kernel: Array `[D, C]`.

    Returns:
        Array `[D, C]`.
    """
    return kernel - kernel.mean(axis=1, keepdims=True)


def common_part(kernel: np.ndarray) -> float:
    """The part of a linear head's weights that is common to the classes.

    Args:
        kernel: Array `[D, C]`.

    Returns:
        A fraction of the weights' square.
    """
    return float(1 - np.square(centred(kernel)).sum() / np.square(kernel).sum())


def linear_shares(
    kernels: list[np.ndarray], encodings: list[np.ndarray], top: np.ndarray
) -> np.ndarray:
    """The shares of a linear head by the target `logit`, `alpha^m = W_k^m ⊙ e^m`.

    Args:
        kernels: List of M arrays `[D_m, C]`.
        encodings: List of M arrays `[N, D_m]`.
        top: Array `[N]`, the predicted classes.

    Returns:
        Array `[N, M]`.
    """
    pairs = zip(kernels, encodings, strict=True)
    return attribution_shares([tf.constant(w[:, top].T * e) for w, e in pairs]).numpy()


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


def _kernels(head, test: Arrays) -> list[np.ndarray]:
    """The linear head's weights, a part `[D_m, C]` a modality."""
    ends = np.cumsum([e.shape[1] for e in test.values()])[:-1]
    return np.split(head.get_weights()[0], ends)
