"""ReconBoost's phases, what they train, and its losses against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf.methods import ReconBoost
from tests.amr_tf.methods.steps import classifier, data, np_cross_entropy, np_encodings, softmax
from tests.amr_tf.models import dense_head, encoder, largest_difference, of_parts

X, Y = data(24)
BATCH = ({k: tf.constant(v) for k, v in X.items()}, tf.constant(Y))


def networks(model):
    """Modality -> values of its encoder and its branch."""
    branches = [layer for layer in model.head.layers if layer.name.startswith("logits_")]
    return {m: [*e.get_weights(), *branch.get_weights()]
            for (m, e), branch in zip(model.encoders.items(), branches, strict=True)}  # fmt: skip


def test_phases_take_turns():
    model = classifier(ReconBoost(2, 1))
    found = []
    for epoch in range(9):
        model.method.on_epoch_begin(model, epoch)
        found.append(model.method.phase)
    turns = ["audio"] * 2 + ["joint"] + ["video"] * 2 + ["joint"]
    assert found == [*turns, *turns[:3]]


def test_a_turn_moves_one_network_and_nothing_else():
    """Not by momentum and not by weight decay either; and a joint epoch moves both."""
    model = classifier(ReconBoost(1, 1), amr_weight=0,
                       optimizer=keras.optimizers.AdamW(0.01, weight_decay=0.1))  # fmt: skip
    before, moved = networks(model), []
    for epoch in range(4):
        model.fit(X, Y, batch_size=8, initial_epoch=epoch, epochs=epoch + 1, verbose=0)
        after = networks(model)
        moved.append([m for m in after if any((a != b).any() for a, b in
                      zip(after[m], before[m], strict=True))])  # fmt: skip
        before = after
    assert moved == [["audio"], ["audio", "video"], ["video"], ["audio", "video"]]


def np_loss(m, encodings, branches, weight, align):
    """The loss of modality m's turn, from its definition."""
    logits = [e @ w + b for e, (w, b) in zip(encodings, branches, strict=True)]
    others = softmax(sum(z for j, z in enumerate(logits) if j != m))[np.arange(24), Y]
    apart = ((softmax(logits[m]) - softmax(logits[m - 1])) ** 2).mean(1)
    return ((1 - weight * others) * np_cross_entropy(logits[m], Y) + align * apart).mean()


@pytest.mark.parametrize(("epoch", "m"), [(0, 0), (2, 1), (4, 0)])
def test_a_turns_step_is_the_gradient_of_its_loss(epoch, m):
    model = classifier(ReconBoost(1, 1, weight=0.6, align=3.0), amr_weight=0)
    align = 3.0 if epoch >= 2 else 0.0  # there is no stage before the first
    e = [x.astype("float64") for x in np_encodings(model, X)]
    at = [tuple(w.astype("float64") for w in v[2:]) for v in networks(model).values()]
    numeric = np.zeros_like(at[m][0])
    for index in np.ndindex(*numeric.shape):
        sides = []
        for sign in (1, -1):
            moved = [[w.copy() for w in pair] for pair in at]
            moved[m][0][index] += sign * 1e-6
            sides.append(np_loss(m, e, moved, 0.6, align))
        numeric[index] = (sides[0] - sides[1]) / 2e-6
    model.epoch.assign(epoch)
    model.method.on_epoch_begin(model, epoch)
    logs = model.train_step(BATCH)
    np.testing.assert_allclose(float(logs["loss"]), np_loss(m, e, at, 0.6, align), rtol=1e-5)
    name = model.modalities[m]
    np.testing.assert_allclose((at[m][0] - networks(model)[name][2]) / 0.1, numeric, atol=1e-5)


def test_without_turns_it_is_naive_fusion_with_a_sum_of_branches():
    encoders = {"audio": encoder(5, 4, 1, "audio_encoder"),
                "video": encoder(7, 6, 2, "video_encoder")}  # fmt: skip
    naive = of_parts(encoders, amr_tf.heads.sum_branches([(4,), (6,)], 3, seed=4))
    naive.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    model = classifier(ReconBoost(0, 2, seed=4), run_eagerly=True)
    for each in (naive, model):
        each.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    assert largest_difference(naive, model) == 0


def test_another_head_is_refused():
    encoders = {"audio": encoder(5, 4, 1), "video": encoder(7, 6, 2)}
    head = dense_head([4, 6], 3, dtype="float32")
    with pytest.raises(ValueError, match=r"needs the head amr_tf.heads.sum_branches"):
        amr_tf.MultimodalClassifier(encoders, head, ReconBoost())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stage_epochs": 0, "joint_epochs": 0}, "and not both zero, got 0 and 0"),
        ({"stage_epochs": -1}, "zero or positive, and not both zero, got -1 and 4"),
        ({"weight": 1.5}, r"weight lies in \[0, 1\], got 1.5"),
        ({"align": -1.0}, "align is zero or positive, got -1.0"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReconBoost(**arguments)
