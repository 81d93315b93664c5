"""The name of a measurement is made of its fields, in one place."""

import numpy as np
import pytest

from amr_tf.analysis.measurement import Measurement

DRAWS = np.array([0.5, 0.4, 0.6])


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        (("audio", "white noise", "accuracy", "%"), "audio / white noise / accuracy"),
        (("", "clean", "accuracy", "%"), "clean / accuracy"),
        (("video", "", "mean area", "%"), "video / mean area"),
        (("", "", "mean confidence", "%"), "mean confidence"),
    ],
)
def test_a_name_leaves_out_what_is_empty(fields, name):
    assert Measurement(*fields, DRAWS).name == name


def test_a_severity_is_part_of_the_name():
    found = Measurement("audio", "white noise", "accuracy", "%", DRAWS, severity=3)
    assert found.name == "audio / white noise, severity 3 / accuracy"


def test_value_and_interval():
    found = Measurement("", "", "accuracy", "%", DRAWS)
    assert found.value == found.interval.value == 0.5
    np.testing.assert_allclose([found.interval.low, found.interval.high], [0.405, 0.595])
