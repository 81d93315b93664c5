"""What the epochs of a run are given."""

import dataclasses

import numpy as np
import pytest

from tests.trainers.config.test_run_config import parsed
from tests.trainers.conftest import pipeline
from trainers.running import assembly
from trainers.running.training import class_weights


@pytest.fixture
def uneven(records):
    """A run's configuration, and its data, as if its classes had 30, 10, no and 40 clips ..."""
    config = parsed(f"--data_dir={records}", "--batch_size=16", "--class_weights=balanced",
                    "--noflip")  # fmt: skip
    data = pipeline(config)
    counts = (30, 10, 0, 40, *[20] * (len(data.info.classes) - 4))
    train = dataclasses.replace(data.info.splits["train"], class_counts=counts)
    data.info = dataclasses.replace(data.info, splits={**data.info.splits, "train": train})
    return config, data


def test_balanced_weights_let_each_class_count_alike(uneven):
    config, data = uneven
    counts = np.array(data.info.splits["train"].class_counts)
    weights = np.array(list(class_weights(config, data).values()))
    there = counts > 0
    np.testing.assert_allclose((weights * counts)[there], counts.sum() / there.sum())
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    equal = dataclasses.replace(config, class_weights="equal")
    assert class_weights(equal, data) is None


def test_they_reach_the_loss(uneven):
    """One step of plain SGD: the gradient is that of the weighted mean."""
    config, data = uneven
    model = assembly.model(dataclasses.replace(config, momentum=0.0, weight_decay=0.0), data)
    weights = class_weights(config, data)
    inputs, labels = next(iter(data.train()))
    logits = model(inputs, training=True).numpy()
    losses = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(labels)), labels]
    wanted = np.mean(losses * [weights[int(label)] for label in labels])
    found = model.fit(data.train(), steps_per_epoch=1, verbose=0, class_weight=weights)
    assert found.history["loss"][0] == pytest.approx(wanted, rel=1e-4)
