"""The measurements of a trained model, on the test clips and in inference mode."""

import pathlib
import warnings

import numpy as np
from scipy import special
from sklearn.exceptions import ConvergenceWarning

import amr_tf
from amr_tf.analysis import ablation, probes
from amr_tf.analysis.encodings import in_batches, logits_of
from amr_tf.modalities.corruption import SEVERITIES
from amr_tf.tasks import metrics
from studies import arrays, measuring
from studies.frontier import data
from studies.frontier.plan import FrontierRun

Arrays = dict[str, np.ndarray]

_TRAIN_CLIPS = 1_000  # that shares in training are measured on
_PROBED_CLIPS = 2_000  # that probes are fitted to
SHARES = {"share": "gradient", "shapley": "shapley"}


def measure_model(
    work: pathlib.Path, run: FrontierRun, model: amr_tf.MultimodalClassifier
) -> dict[str, float]:
    """Measures a trained model.

    Args:
        work: Path, the directory of the study.
        run: FrontierRun, by which the model was trained.
        model: MultimodalClassifier, the trained model.

    Returns:
        A dictionary, name -> number; accuracies and shares are fractions.
    """
    inputs, labels = data.split(work, run.set, run.inputs, "test")
    test = encode(model, inputs)
    logits = logits_of(model.head, list(test.values()))
    found = {
        "accuracy": metrics.accuracy(labels, logits),
        "mAP": metrics.mean_average_precision(labels, special.softmax(logits, axis=1))[0],
    }
    if len(test) == 1:
        return found
    train_inputs, train_labels = data.split(work, run.set, run.inputs, "train")
    train = encode(model, train_inputs)
    some = {m: e[:_TRAIN_CLIPS] for m, e in train.items()}
    found |= _shares(model.head, test, "") | _shares(model.head, some, "train_")
    wins = measuring.behaviour(model.head, test, labels)
    found |= {f"behaviour_{m}": float(win) for m, win in zip(test, wins, strict=True)}
    nothing = [np.zeros_like(e[:1]) for e in test.values()]
    subsets = ablation.subset_logits(model.head, list(test.values()), nothing)
    for m, (name, e) in enumerate(test.items()):
        others = frozenset(range(len(test))) - {m}
        found[f"without_{name}"] = metrics.accuracy(labels, subsets[others])
        found[f"probe_{name}"] = _probe(train[name], train_labels, e, labels)
        for severity in SEVERITIES:
            name_of = arrays.corrupted_name(name, severity)
            changed = {name: data.load(work, run.set, run.inputs, name_of)}
            changed_logits = logits_of(model.head, list((test | encode(model, changed)).values()))
            found[f"{name}_corrupted{severity}"] = metrics.accuracy(labels, changed_logits)
    if model.multipliers is not None:
        values = model.multipliers.values.numpy()
        found |= {f"multiplier_{m}": float(v) for m, v in zip(test, values, strict=True)}
    return found


def encode(model: amr_tf.MultimodalClassifier, inputs: Arrays) -> Arrays:
    """Encodes arrays of a set in inference mode, see `measuring.encode`."""
    return measuring.encode(model, inputs, data.as_input, lambda x: 1024 if x.ndim == 2 else 128)


def _shares(head, encodings: Arrays, prefix: str) -> dict[str, float]:
    found = {}
    for short, measure in SHARES.items():
        shares = in_batches(
            lambda *e, measure=measure: amr_tf.measure_shares(head, list(e), measure)[1],
            *encodings.values(),
        )
        for name, share in zip(encodings, shares.mean(axis=0), strict=True):
            found[f"{prefix}{short}_{name}"] = float(share)
    return found


def _probe(train: np.ndarray, labels: np.ndarray, test: np.ndarray, wanted: np.ndarray) -> float:
    """The accuracy of a linear probe of some training clips, after few steps of its solver."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = probes.probe_predictions(
            train[:_PROBED_CLIPS], labels[:_PROBED_CLIPS], test, 0.01, iterations=25
        )
    return float(np.mean(found == wanted))
