"""Damaged shards: every record is read intact or counted."""

import gc
import pathlib
import shutil
import tempfile
import warnings

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf

from tests.tfrecords.reading.test_pipeline import (
    make,
    make_clip,
    same,
    serialise,
    take,
    write,
)
from tfrecords.description import DatasetInfo
from tfrecords.reading import salvage
from tfrecords.reading.records import RecordSet

SHARD = "train-00001.tfrecord"  # clips 5 to 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def directory(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "records")


def starts(content):
    """Where each record of a file begins; the last is the file's end."""
    found = [0]
    while found[-1] < len(content):
        length = int.from_bytes(content[found[-1] : found[-1] + 8], "little")
        found.append(found[-1] + length + 16)
    return found


def damage(path, change):
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content, starts(content)) or content)


def flip(record, offset):
    """Flips a bit of a record: of its length (0), the length's checksum (8), its content (12)."""

    def change(content, begin):
        content[begin[record] + offset] ^= 4

    return change


def undecodable(content, begin):
    clip = make_clip(6) | {"frames": [b"\xff\xd8 no jpeg"]}
    one = pathlib.Path(tempfile.mkstemp()[1])
    with tf.io.TFRecordWriter(str(one)) as writer:
        writer.write(serialise(clip))
    content[begin[1] : begin[2]] = one.read_bytes()
    one.unlink()


def without(tmp_path, skipped):
    """The set as it would have been built without some records of the shard."""
    lost = {5 + index for index in skipped}
    (tmp_path / "without").mkdir()
    return write(tmp_path / "without", lambda clip: None if clip["label"] in lost else clip)


DAMAGES = {
    "content": (flip(1, 40), (1,)),
    "its checksum": (flip(1, -1), (0,)),  # the byte before record 1
    "length": (flip(1, 0), (1, 2, 3)),
    "length's checksum": (flip(2, 9), (2, 3)),
    "far too long": (flip(3, 6), (3,)),
    "cut in a record": (lambda content, begin: content[: begin[2] + 30], (2, 3)),
    "cut in a length": (lambda content, begin: content[: begin[3] + 5], (3,)),
    "cut between records": (lambda content, begin: content[: begin[2]], (2, 3)),
    "undecodable": (undecodable, (1,)),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_set_is_the_set_without_the_records(directory, tmp_path, kind):
    change, skipped = DAMAGES[kind]
    damage(directory / SHARD, change)
    numbers = ", ".join(map(str, skipped))
    noun = "record" if len(skipped) == 1 else "records"
    line = f"^{len(skipped)} corrupt {noun} of 17 skipped: {SHARD} {numbers}$"
    with pytest.warns(UserWarning, match=line):
        records = RecordSet(directory, skip_corrupt=True)
    assert records.skipped == {SHARD: skipped}
    assert records.num_skipped == len(skipped)
    wanted = RecordSet(without(tmp_path, skipped))
    assert records.info == wanted.info
    shards = zip(*(map(pathlib.Path, r.shards("train")) for r in (records, wanted)), strict=True)
    assert all(one.read_bytes() == other.read_bytes() for one, other in shards)


@pytest.mark.parametrize("cache", ["no", "yes"])
def test_batches_are_those_of_the_set_without_the_records(directory, tmp_path, cache):
    damage(directory / SHARD, flip(2, 9))
    with pytest.warns(UserWarning, match="2 corrupt records"):
        pipeline = make(directory, skip_corrupt=True, batch_size=3, cache=cache)
    wanted = make(without(tmp_path, (2, 3)), batch_size=3, cache=cache)
    assert pipeline.steps_per_epoch == wanted.steps_per_epoch == 3
    assert pipeline.media_ids("train") == wanted.media_ids("train")
    stream = take(pipeline.train(), 7)
    assert same(stream, take(wanted.train(), 7))
    assert same(stream[5:], take(pipeline.train(5), 2))
    assert same(*(take(p.evaluate("train"), -1) for p in (pipeline, wanted)))


def test_only_damaged_shards_are_copied_and_nothing_of_the_set_changes(directory):
    damage(directory / SHARD, flip(1, 40))
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.warns(UserWarning, match="skipped"):
        records = RecordSet(directory, skip_corrupt=True)
    paths = [pathlib.Path(path) for path in records.shards("train")]
    assert [path.name for path in paths] == [f"train-0000{k}.tfrecord" for k in range(3)]
    assert [path.parent == directory for path in paths] == [True, False, True]
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert list(paths[1].parent.iterdir()) == [paths[1]]


def test_a_whole_set_is_read_where_it_is(directory):
    (directory / SHARD).with_name(f"{SHARD}.json").write_text(
        (directory / f"{SHARD}.json").read_text().replace('"sha256": "', '"sha256": "0')
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records = RecordSet(directory, skip_corrupt=True)
    assert records.shards("train") == RecordSet(directory).shards("train")
    assert (records.skipped, records.info) == ({}, DatasetInfo.load(directory))


def test_copies_go_when_the_process_ends(directory, monkeypatch):
    damage(directory / SHARD, flip(1, 40))
    at_exit = []
    monkeypatch.setattr("atexit.register", lambda *call, **options: at_exit.append((call, options)))
    with pytest.warns(UserWarning, match="skipped"):
        copy = pathlib.Path(RecordSet(directory, skip_corrupt=True).shards("train")[1])
    gc.collect()
    assert copy.exists()
    for (function, *arguments), options in at_exit:
        function(*arguments, **options)
    assert not copy.parent.exists()


def test_what_cannot_be_salvaged_is_refused(directory):
    (directory / SHARD).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{SHARD} is empty: delete it and run"):
        RecordSet(directory, skip_corrupt=True)
    (directory / SHARD).write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(ValueError, match=rf"{SHARD} holds no record that can be read: delete"):
        RecordSet(directory, skip_corrupt=True)
    (directory / f"{SHARD}.json").write_text("{")
    with pytest.raises(ValueError, match=rf"{SHARD}\.json cannot be read"):
        RecordSet(directory, skip_corrupt=True)
    (directory / SHARD).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{SHARD} is missing"):
        RecordSet(directory, skip_corrupt=True)


def test_the_message_names_ten_records_and_counts_the_others():
    text = salvage.summary({"a": tuple(range(8)), "b": (3, 5, 7), "c": (1,)}, 5250)
    assert text == (
        "12 corrupt records of 5,250 skipped: a 0, 1, 2, 3, 4, 5, 6, 7; b 3, 5 and 2 more"
    )


@hypothesis.given(
    damages=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4),
    kept=st.one_of(st.none(), st.integers(0, 10**6)),
)
@hypothesis.settings(deadline=None, max_examples=25)
def test_whatever_is_damaged_a_record_is_intact_or_counted(whole, damages, kept):
    content = bytearray((whole / SHARD).read_bytes())
    ends = starts(content)[1:]
    sound = [bytes(r) for r in tf.data.TFRecordDataset(str(whole / SHARD)).as_numpy_iterator()]
    changed = [kept % len(content)] if kept is not None else []
    for position, bits in damages:
        content[position % len(content)] ^= bits
        changed.append(position % len(content))
    if kept is not None:
        del content[kept % len(content) :]
    first = sum(end <= min(changed) for end in ends)  # the first record that is hit
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings(record=True):
        copy = shutil.copytree(whole, pathlib.Path(name, "records"))
        (copy / SHARD).write_bytes(content)
        try:
            records = RecordSet(copy, skip_corrupt=True)
        except ValueError:  # no record is left, so the first was hit
            assert first == 0
            return
        skipped = records.skipped.get(SHARD, ())
        assert all(first <= index < len(sound) for index in skipped)
        left = tf.data.TFRecordDataset(records.shards("train")[1]).as_numpy_iterator()
        assert list(left) == [r for index, r in enumerate(sound) if index not in skipped]
