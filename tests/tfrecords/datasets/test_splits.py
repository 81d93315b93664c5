"""Splits that are drawn: whole groups, like classes, never empty, the same in any order of rows."""

import collections
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords.datasets import rows
from tfrecords.datasets.listing import SourceError
from tfrecords.datasets.splits import draw_splits

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
GROUPS = st.dictionaries(
    st.text("abcé-, ", min_size=1, max_size=5),
    st.lists(st.integers(0, 4), min_size=1, max_size=6),
    min_size=3,
    max_size=30,
)


@given(GROUPS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_no_split_is_empty_and_the_order_of_rows_does_not_count(groups, seed, order):
    splits = draw_splits(groups, SHARES, seed)
    assert splits.keys() == groups.keys()
    assert set(splits.values()) == set(SHARES)
    other = list(groups.items())
    order.shuffle(other)
    other = {group: order.sample(labels, len(labels)) for group, labels in other}
    assert draw_splits(other, SHARES, seed) == splits


@settings(max_examples=25)
@given(st.lists(st.integers(30, 120), min_size=1, max_size=5), st.integers(0, 3))
def test_classes_of_single_clips_get_their_shares(sizes, seed):
    groups = {f"{c}/{k}": [c] for c, size in enumerate(sizes) for k in range(size)}
    splits = draw_splits(groups, SHARES, seed)
    counts = collections.Counter((groups[g][0], split) for g, split in splits.items())
    for c, size in enumerate(sizes):
        for split, share in SHARES.items():
            assert abs(counts[c, split] - share * size) < 2.5


def test_tiny_classes_do_not_all_go_to_train():
    groups = {f"{c}/{k}": [c] for c in range(100) for k in range(2)}
    counts = collections.Counter(draw_splits(groups, SHARES, 0).values())
    assert abs(counts["test"] - 40) <= 3
    assert abs(counts["validation"] - 20) <= 3


def test_speakers_stay_whole_and_each_split_has_all_classes():
    groups = {f"speaker{k}": [0, 1, 2, 3] * 5 for k in range(20)}
    splits = draw_splits(groups, SHARES, 0)
    assert collections.Counter(splits.values()) == {"train": 14, "validation": 2, "test": 4}
    assert draw_splits(groups, SHARES, 1) != splits


def test_too_few_groups_are_one_clear_error():
    with pytest.raises(SourceError) as error:
        draw_splits({"anna": [0, 1], "ben": [0, 1]}, SHARES, 0)
    assert str(error.value) == (
        "2 groups of clips cannot be dealt to 3 splits (train, validation, test): no group may be "
        "in two of them. Give more clips, finer groups, or the split of each clip"
    )


def entries(*clips):
    """Clips from (split, group, label)."""
    return [
        rows.Entry(f"{k}", f"row {k}", (label,), {"audio": f"{k}.wav"}, split, group)
        for k, (split, group, label) in enumerate(clips)
    ]


def listed(*clips, validation_fraction=0.2, seed=0):
    return rows.listing(entries(*clips), {"audio": "audio"}, validation_fraction, seed)


def splits_of(listing):
    return collections.Counter(clip.split for clip in listing.clips)


def test_given_splits_are_kept_and_other_names_for_them_understood():
    clips = [("Training", "", "a"), ("VAL", "", "b"), ("dev", "", "a"), ("eval", "", "b")]
    listing = listed(*clips)
    names = [clip.split for clip in listing.clips]
    assert names == ["train", "validation", "validation", "test"]
    assert "drawn" not in listing.notes


def test_validation_is_cut_from_train_where_none_is_given():
    clips = [("train", f"speaker{k // 4}", "ab"[k % 2]) for k in range(40)]
    clips += [("test", "other", "a"), ("test", "other", "b")]
    listing = listed(*clips)
    assert splits_of(listing) == {"train": 32, "validation": 8, "test": 2}
    parts = collections.defaultdict(set)
    for clip, (_, group, _) in zip(listing.clips, clips, strict=True):
        parts[group].add(clip.split)
    assert all(len(found) == 1 for found in parts.values())
    assert "validation cut from train by group or file, seed 0" in listing.notes


def test_validation_is_cut_from_train_also_where_every_group_is_in_train_and_test():
    clips = [(("train", "test")[k % 2], f"speaker{k % 5}", "ab"[k % 2]) for k in range(40)]
    listing = listed(*clips)
    assert splits_of(listing) == {"train": 16, "validation": 4, "test": 20}
    assert "groups in two of the given splits: 5, 'speaker0' for one" in listing.notes


def test_a_test_split_that_is_given_is_complete():
    clips = [("test", "", "a")] * 5 + [("", "", "a")] * 20
    listing = listed(*clips)
    assert splits_of(listing) == {"train": 16, "validation": 4, "test": 5}
    assert "train, validation drawn by group or file, seed 0" in listing.notes


def test_rows_without_a_split_follow_their_group():
    clips = [("train", "anna", "a"), ("", "anna", "a"), ("test", "ben", "a"), ("", "ben", "a")]
    clips += [("validation", "carl", "a"), ("", "dora", "a")]
    listing = listed(*clips)
    names = [clip.split for clip in listing.clips]
    assert names == ["train", "train", "test", "test", "validation", "train"]


def test_one_row_without_a_split_is_no_reason_to_stop():
    clips = [("train", "", "a")] * 8 + [("validation", "", "a"), ("", "", "a")]
    assert splits_of(listed(*clips)) == {"train": 8, "validation": 1, "test": 1}


def test_splits_that_stay_empty_are_told():
    listing = listed(("test", "", "a"), ("test", "", "b"))
    assert splits_of(listing) == {"test": 2}
    assert "there is no train clip; there is no validation clip" in listing.notes


def test_one_training_group_cannot_be_cut():
    with pytest.raises(SourceError, match="1 group of clips cannot be dealt to 2 splits"):
        listed(("train", "anna", "a"), ("train", "anna", "b"), ("test", "", "a"))


def test_drawn_splits_do_not_depend_on_the_order_of_rows():
    clips = entries(*[("", f"g{k % 9}", "abc"[k % 3]) for k in range(60)])
    first = rows.listing(clips, {"audio": "audio"}, 0.2, 3)
    other = random.Random(0).sample(clips, len(clips))
    second = rows.listing(other, {"audio": "audio"}, 0.2, 3)
    assert {c.media_id: c.split for c in first.clips} == {c.media_id: c.split for c in second.clips}


def test_clips_of_one_file_stay_together():
    files = [{"audio": f"{'./' * (k % 2)}talk{k // 6}.wav"} for k in range(36)]
    clips = [rows.Entry(f"{k}", "", ("a",), file) for k, file in enumerate(files)]
    parts = collections.defaultdict(set)
    for k, clip in enumerate(rows.listing(clips, {"audio": "audio"}, 0.2, 0).clips):
        parts[k // 6].add(clip.split)
    assert all(len(found) == 1 for found in parts.values())


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["10", "9", "2"], "2 9 10"),
        (["1", "-1", "0"], "-1 0 1"),
        (["10", "9", "b"], "10 9 b"),
        (["é", "z", "a"], "a z é"),
        (["²", "1"], "1 ²"),
    ],
)
def test_class_names_are_sorted_numbers_by_value(names, order):
    assert rows.in_order(names) == tuple(order.split())
