"""One step of a method, and what it is compared with."""

import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads
from tests.amr_tf.models import classifier, data, encoder

CLASSES = 3


def step(model, x, y):
    """What one step of plain SGD subtracts: variable's path -> gradient (times the rate 0.1)."""
    before = {name: v.numpy() for name, v in variables(model).items()}
    model.train_step(({k: tf.constant(v) for k, v in x.items()}, tf.constant(y)))
    return {name: (before[name] - v.numpy()) / 0.1 for name, v in variables(model).items()}


def variables(model):
    """Part and index -> trainable variable, alike for models with and without further parts."""
    parts = {**{f"{m}_encoder": e for m, e in model.encoders.items()}, "head": model.head}
    for m in model.modalities:
        if hasattr(model, f"{m}_head"):
            parts[f"{m}_head"] = getattr(model, f"{m}_head")
    return {
        f"{part}/{i}": v
        for part, layer in parts.items()
        for i, v in enumerate(layer.trainable_variables)
    }


def of(deltas, part):
    """The gradients of one part."""
    return [d for name, d in deltas.items() if name.startswith(f"{part}/")]


def np_encodings(model, x):
    """Dense ReLU encoders in NumPy."""
    out = []
    for m, part in model.encoders.items():
        w, b = (v.numpy() for v in part.trainable_variables)
        out.append(np.maximum(x[m] @ w + b, 0))
    return out


def softmax(z):
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def true_probability(z, y):
    return softmax(z)[np.arange(len(y)), y]


def np_cross_entropy(z, y):
    return -np.log(true_probability(z, y))


def dense(head):
    """`(W, b)` of a linear head."""
    w, b = (v.numpy() for v in head.trainable_variables)
    return w, b


def teachers(seed=50):
    """Two unimodal models of the sizes of `classifier`; untrained ones do as well here."""
    found = {}
    for m, (features, units) in {"audio": (5, 4), "video": (7, 6)}.items():
        found[m] = amr_tf.MultimodalClassifier(
            {m: encoder(features, units, seed + features, f"{m}_encoder")},
            heads.concat([(units,)], CLASSES, seed=seed + 5),
        )
    return found


def held_out(n=32, seed=5):
    return tf.data.Dataset.from_tensor_slices(data(n, seed=seed)).batch(16)


def blending_data(n=64):
    dataset = tf.data.Dataset.from_tensor_slices(data(n)).batch(16)
    steps = n // 16
    return amr_tf.methods.HeldOut(
        train=lambda start: dataset.repeat().skip(start % steps),
        steps_per_epoch=steps,
        seen=dataset,
        unseen=held_out(),
    )


# strong enough to matter, weak enough not to magnify rounding
METHODS = {
    "agm": lambda: amr_tf.methods.AGM(),
    "cggm": lambda: amr_tf.methods.CGGM(),
    "cml": lambda: amr_tf.methods.CML(weight=1.0, seed=3),
    "dgl": lambda: amr_tf.methods.DGL(),
    "g2d": lambda: amr_tf.methods.G2D(teachers(), phases=(0,), feature_weight=5.0),
    "gge": lambda: amr_tf.methods.GGE([5, 1, 2]),
    "gradient_blending": lambda: blending(amr_tf.methods.GradientBlending("online", 2, 1)),
    "mmcosine": lambda: amr_tf.methods.MMCosine(scale=5.0),
    "inforeg": lambda: amr_tf.methods.InfoReg(threshold=0.0),
    "modality_valuation": lambda: amr_tf.methods.ModalityValuation(warm_up=0),
    "lfm": lambda: amr_tf.methods.LFM(epochs=4),
    "lfm_learned": lambda: blending(amr_tf.methods.LearnedLFM(rate=5.0)),
    "mla": lambda: amr_tf.methods.MLA(alpha=0.5),
    "mmpareto": lambda: amr_tf.methods.MMPareto(),
    "mses": lambda: blending(amr_tf.methods.MSES(patience=2)),
    "mslr": lambda: blending(amr_tf.methods.MSLR(window=1)),
    "reconboost": lambda: amr_tf.methods.ReconBoost(1, 1, weight=0.5, align=2.0),
    "relearning": lambda: blending(amr_tf.methods.Relearning(every=2)),
    "ogm": lambda: amr_tf.methods.OGM(0.5, "ablation"),
    "ogm_attribution": lambda: amr_tf.methods.OGM(0.5, "attribution"),
    "ogm_ge": lambda: amr_tf.methods.OGMGE(0.5, "ablation", seed=3),
    "opm": lambda: amr_tf.methods.OPM(start=0, seed=3),
    "pmr": lambda: amr_tf.methods.PMR(mu=0.1, momentum=0.5),
    "umt": lambda: amr_tf.methods.UMT(teachers(), weight=5.0),
    "umt_predictions": lambda: amr_tf.methods.UMT(teachers(), weight=5.0, target="predictions"),
}


# whose steps are made of the pieces of others': their walks through steps are slow tests
OF_PIECES = (
    "cggm",
    "g2d",
    "inforeg",
    "modality_valuation",
    "mslr",
    "ogm",
    "ogm_attribution",
    "relearning",
    "umt_predictions",
)
TAUGHT = ("umt", "g2d")  # what the names begin with of those that have teachers


def walked(names=METHODS, slow=()):
    """Methods as parameters of a walk; those that repeat what another shows are slow tests."""
    slow = {*slow, *OF_PIECES}
    return [pytest.param(n, marks=pytest.mark.slow if n in slow else []) for n in names]


def blending(method):
    method.held_out = blending_data()
    return method


__all__ = ["classifier", "data"]
