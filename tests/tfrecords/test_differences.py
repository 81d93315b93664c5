"""What a user reads where a directory was begun with other options."""

from tfrecords.differences import differences


def test_each_option_that_differs_is_named_with_both_values():
    there = {"fps": 1.0, "seed": 0, "gone": "a"}
    now = {"seed": 1, "fps": 1, "new": ["x"]}
    assert differences(there, now) == (
        "seed (0 there, 1 now); new (None there, ['x'] now); gone (a there, None now)"
    )
    assert differences(there, dict(there)) == ""
