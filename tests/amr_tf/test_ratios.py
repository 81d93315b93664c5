"""Ratios that training finds: where they move, what they refuse, that they are kept."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate, special

from amr_tf import saving
from amr_tf._moving_ratio import MovingRatio
from amr_tf.ratios import EvidenceRatio, WorstCaseRatio, evidence
from tests.amr_tf.models import classifier, data


def dataset(n=48, size=16, seed=0, **noise):
    x, y = data(n, seed=seed)
    rng = np.random.default_rng(7)
    for m, level in noise.items():
        x[m] = x[m] + level * rng.normal(size=x[m].shape).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


def np_floored(shares, least=0.05):
    """Shares of sum 1, none below the least, the others in proportion, found by bisection."""
    shares = np.asarray(shares, float) / np.sum(shares)
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if np.maximum(least, middle * shares).sum() < 1 else (low, middle)
        )
    return np.maximum(least, high * shares)


@pytest.mark.parametrize(
    "wanted", [(1, 1), (3, 1), (1, 99), (1, 0, 0), (90, 4, 6), (1, 2, 3, 0.01)]
)
def test_shares_have_a_floor_and_a_sum_of_one(wanted):
    ratio = MovingRatio(len(wanted))
    ratio.move(np.array(wanted))
    np.testing.assert_allclose(ratio.numbers, np_floored(wanted), atol=1e-6)


def test_evidence_of_gaussians_is_their_mutual_information():
    """Two classes at -1 and +1 with unit variance: I(x; y) by numerical integration."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    x = rng.normal(size=(3000, 1)) + 2 * labels[:, None] - 1
    t = np.linspace(-9, 9, 20001)
    density = np.exp(-((t - 1) ** 2) / 2) / np.sqrt(2 * np.pi)
    expected = np.log(2) + integrate.trapezoid(density * special.log_expit(2 * t), t)
    assert abs(evidence(x, labels) - expected) < 0.02
    assert abs(evidence(rng.normal(size=(3000, 1)), labels)) < 0.01


def test_evidence_of_what_was_learnt_by_heart_is_none():
    """Encodings of more features than clips, of chance: a fit to the clips themselves knows all."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 60)
    assert evidence(rng.normal(size=(60, 300)), labels) < 0


def test_evidence_needs_two_classes():
    assert np.isnan(evidence(np.zeros((5, 2)), np.array([0, 0, 0, 1, 1])))


def test_auto_goes_half_of_the_way_to_the_evidence():
    model = classifier(amr_weight="auto", amr_ratio="auto")
    found, seen = EvidenceRatio(dataset(120, seed=1)), []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(np.maximum(found.evidence, 0))
    )
    history = model.fit(dataset(), epochs=2, verbose=0, callbacks=[found, note]).history
    assert found.evidence[0] > found.evidence[1]  # sound carries the class more strongly
    expected = np.array([0.5, 0.5])
    for known in seen:
        expected = np_floored((expected + known / known.sum()) / 2)
    np.testing.assert_allclose(model.moving_ratio.numbers, expected, atol=1e-6)
    assert history["amr_ratio_audio"][-1] == pytest.approx(expected[0], abs=1e-6)
    wanted = model.regularizer.wanted().numpy()
    np.testing.assert_allclose(wanted, expected, atol=1e-6)
    assert model.regularizer.ratio == pytest.approx(tuple(expected), abs=1e-6)


def test_worst_case_moves_away_from_what_costs_most():
    model = classifier(amr_weight="auto", amr_ratio="worst_case")
    corrupted = {"audio": dataset(seed=1, audio=20.0), "video": dataset(seed=1, video=0.1)}
    found = WorstCaseRatio(corrupted)
    history = model.fit(dataset(), epochs=3, verbose=0, callbacks=[found]).history
    np.testing.assert_allclose(history["amr_ratio_audio"], [0.48, 0.46, 0.44], atol=1e-6)
    np.testing.assert_allclose(history["amr_ratio_video"], [0.52, 0.54, 0.56], atol=1e-6)
    assert found.losses[0] > found.losses[1]


def test_the_graph_sees_the_ratio_that_moved():
    """R of the next epoch is the distance from the new ratio: nothing of the old is compiled in."""
    x, y = data(16)
    model = classifier(amr_weight=1.0, amr_ratio="worst_case",
                       optimizer=keras.optimizers.SGD(0.0),
                       amr_optimizer=keras.optimizers.SGD(0.0))  # fmt: skip

    class Jump(WorstCaseRatio):
        def wanted(self, ratio):
            return np.array([0.9, 0.1])

    history = model.fit(x, y, batch_size=16, epochs=2, verbose=0,
                        callbacks=[Jump({"audio": None, "video": None})]).history  # fmt: skip
    share = history["dominance_audio"][0]
    np.testing.assert_allclose(
        history["regularizer"], [2 * abs(share - 0.5), 2 * abs(share - 0.9)], atol=1e-5
    )


def test_saved_and_resumed(tmp_path):
    def callbacks():
        return [WorstCaseRatio({"audio": dataset(audio=9.0), "video": dataset()})]

    whole, interrupted = (classifier(amr_weight="auto", amr_ratio="worst_case") for _ in range(2))
    whole.fit(dataset(), epochs=4, verbose=0, callbacks=callbacks())
    interrupted.fit(dataset(), epochs=2, verbose=0, callbacks=callbacks())
    interrupted.save(tmp_path / "model.keras")
    resumed = saving.load_model(tmp_path / "model.keras")
    assert resumed.amr_ratio == "worst_case"
    assert resumed.regularizer.ratio == interrupted.regularizer.ratio != (0.5, 0.5)
    resumed.fit(dataset(), initial_epoch=2, epochs=4, verbose=0, callbacks=callbacks())
    assert resumed.regularizer.ratio == whole.regularizer.ratio
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_replicas_move_it_alike(strategy):
    with strategy.scope():
        model = classifier(amr_weight="auto", amr_ratio="auto")
    model.fit(dataset(), epochs=1, verbose=0, callbacks=[EvidenceRatio(dataset(90, seed=1))])
    one = classifier(amr_weight="auto", amr_ratio="auto")
    one.fit(dataset(), epochs=1, verbose=0, callbacks=[EvidenceRatio(dataset(90, seed=1))])
    np.testing.assert_allclose(model.regularizer.ratio, one.regularizer.ratio, atol=1e-3)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="unknown amr_ratio 'best': numbers, or one of"):
        classifier(amr_ratio="best")
    with pytest.raises(ValueError, match="amr_ratio='auto' has no effect without AMR"):
        classifier(amr_ratio="auto", amr_weight=0)
    with pytest.raises(ValueError, match=r"give fit callbacks=\[amr_tf.ratios.EvidenceRatio"):
        classifier(amr_ratio="auto").fit(dataset(), verbose=0)
    with pytest.raises(ValueError, match="compiled with amr_ratio='auto'"):
        classifier().fit(dataset(), verbose=0, callbacks=[EvidenceRatio(dataset())])
    model = classifier(amr_ratio="worst_case")
    with pytest.raises(ValueError, match="corrupted clips for each of audio, video; got audio"):
        model.fit(dataset(), verbose=0, callbacks=[WorstCaseRatio({"audio": dataset()})])
    with pytest.raises(ValueError, match="a step between 0 and"):
        WorstCaseRatio({}, step=1)
