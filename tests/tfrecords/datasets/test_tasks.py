"""Labels that are several a clip, or numbers: listed, refused, stored and read."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tfrecords import schema
from tfrecords.building.builder import build
from tfrecords.building.options import BuildOptions
from tfrecords.datasets import SourceError, find
from tfrecords.description import DatasetInfo
from tfrecords.reading.verification import Verifier
from tfrecords.tasks import mean_and_scale


def listing(tmp_path, labels, task, **options):
    rows = [f"clip{k}.npy,{label},train" for k, label in enumerate(labels)]
    (tmp_path / "clips.csv").write_text("\n".join(["features,label,split", *rows]) + "\n")
    return find("manifest")(task=task, **options).listing(tmp_path, 0.2, 0)


def test_several_labels_are_all_a_clip_s(tmp_path):
    found = listing(tmp_path, ["b|a", "", "c", "a|a"], "multilabel")
    assert found.classes == ("a", "b", "c")
    assert [clip.labels for clip in found.clips] == [(1, 0), (), (2,), (0,)]
    assert not found.failures
    assert found.task == "multilabel"


def test_without_being_told_the_first_label_is_the_class(tmp_path):
    found = listing(tmp_path, ["b|a", "", "c"], "multiclass")
    assert [clip.labels for clip in found.clips] == [(1, 0), (2,)]
    assert [failure.reason for failure in found.failures] == ["no label"]


def test_numbers_are_values(tmp_path):
    found = listing(tmp_path, ["1.5", "-2e3", "7"], "regression")
    assert [clip.values for clip in found.clips] == [(1.5,), (-2000.0,), (7.0,)]
    assert found.classes == ("value",)
    (tmp_path / "names.txt").write_text("height\nweight\n")
    found = listing(tmp_path, ["1|2", "3|4"], "regression", classes=str(tmp_path / "names.txt"))
    assert found.classes == ("height", "weight")
    assert found.clips[1].values == (3.0, 4.0)


@pytest.mark.parametrize(
    ("label", "detail"),
    [
        ("", "the label is empty"),
        ("tall", "the label 'tall' is not a finite number"),
        ("nan", "the label 'nan' is not a finite number"),
        ("inf", "the label 'inf' is not a finite number"),
        ("1|2", "2 numbers, where clips have 1"),
    ],
)
def test_what_is_no_number_is_counted_with_its_line(tmp_path, label, detail):
    found = listing(tmp_path, ["1", "2", label], "regression")
    assert len(found.clips) == 2
    assert found.failures[0].detail.endswith(f"line 4: {detail}")


def test_labels_of_no_clip_are_refused(tmp_path):
    with pytest.raises(SourceError, match="no clip of the list has a label"):
        listing(tmp_path, ["", ""], "multilabel")
    with pytest.raises(SourceError, match="--task=ranking is not one of multiclass, multilabel"):
        find("manifest")(task="ranking")


def arrays(tmp_path, label, task, **more):
    np.savez(tmp_path / "x.npz", label=label, left=np.zeros((4, 2), np.float32), **more)
    return find("arrays")(task=task).listing(tmp_path / "x.npz", 0.2, 0)


def test_arrays_of_labels_and_numbers(tmp_path):
    found = arrays(tmp_path, np.array([[1, 0], [0, 0], [1, 1], [0, 1]]), "multilabel",
                   classes=np.array(["z", "a"]))  # fmt: skip
    assert found.classes == ("z", "a")  # as given, in the order of the columns
    assert [clip.labels for clip in found.clips] == [(0,), (), (0, 1), (1,)]
    found = arrays(tmp_path, np.array([0.1, 2, 3, 4]), "regression")
    assert [clip.values for clip in found.clips] == [(0.1,), (2.0,), (3.0,), (4.0,)]


@pytest.mark.parametrize(
    ("label", "task", "message"),
    [
        (np.arange(4), "multilabel", r"\[N, C\] of 0 and 1 with --task=multilabel, not int64"),
        (np.full((4, 2), 2), "multilabel", r"\[N, C\] of 0 and 1"),
        (np.array(list("abcd")), "regression", r"\[N\] or \[N, K\] of numbers"),
        (np.zeros((4, 3)), "regression", "name the 3 columns of `label`, each once, and has 2"),
    ],
)
def test_arrays_of_another_form_are_refused(tmp_path, label, task, message):
    with pytest.raises(SourceError, match=message):
        arrays(tmp_path, label, task, classes=np.array(["a", "b"]))


def test_the_identity_of_sets_that_were_begun_before_stays(tmp_path):
    assert "task" not in find("manifest")().identity()
    assert find("manifest")(task="multilabel").identity()["task"] == "multilabel"


@pytest.fixture(scope="module", params=["multilabel", "regression"])
def built(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(0)
    label = np.array([[1, 0], [0, 0], [1, 1], [0, 1]] * 4)
    label = label if request.param == "multilabel" else label + rng.normal(size=(16, 2))
    split = np.array(["train", "train", "validation", "test"] * 4)
    np.savez(directory / "x.npz", label=label, split=split, left=rng.normal(size=(16, 3)))
    dataset = find("arrays")(task=request.param)
    options = BuildOptions(dataset, str(directory / "x.npz"), str(directory / "out"), workers=1)
    info = build(options, progress=False)
    return request.param, directory / "out", info, label, split


def test_records_give_back_what_was_stored(built):
    task, output, info, label, split = built
    assert DatasetInfo.load(output) == info
    shard = output / info.splits["train"].shards[0]
    found = {}
    for record in schema.records([shard]):
        clip = schema.parse(tf.constant(record), info.modalities, 2, info.task)
        assert clip["label"].dtype == tf.float32
        read = schema.read(record, info.modalities)
        found[read["media_id"]] = clip["label"].numpy()
        assert len(read["values"]) == (2 if task == "regression" else 0)
    rows = np.flatnonzero(split == "train")
    wanted = {f"row-{i:02}": label[i].astype(np.float32) for i in rows}
    assert found.keys() == wanted.keys()
    for name, each in wanted.items():
        np.testing.assert_allclose(found[name], each)
    if task == "regression":
        mean, scale = mean_and_scale(label[rows])
        np.testing.assert_allclose((info.mean, info.scale), (mean, scale))
        np.testing.assert_allclose(scale, label[rows].std(axis=0))
    checked = list(Verifier(info).check(shard, len(rows)))
    assert not any(each.problem for each in checked)
    total = np.bincount([c for each in checked for c in each.labels], minlength=2)
    assert tuple(total) == (info.splits["train"].class_counts if task == "multilabel" else (0, 0))


def test_labels_that_no_build_writes_are_refused(built):
    task, output, info, _, _ = built
    record = next(schema.records([output / info.splits["train"].shards[0]]))
    if task == "regression":
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not 1 finite numbers"):
            schema.parse(tf.constant(record), info.modalities, 1, task)
    with pytest.raises(ValueError, match="task"):
        DatasetInfo.from_json(json.dumps({**json.loads(info.to_json()), "task": "ranking"}))
    changed = dataclasses.replace(info, scale=(0.0, 1.0), mean=(0.0, 0.0))
    with pytest.raises(ValueError, match=r"mean|scale"):  # of classes there is no mean
        DatasetInfo.from_json(changed.to_json())
