"""Arrays of an `.npz` file as a data set."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfrecords.building.test_build import command, failures, records
from tfrecords import schema
from tfrecords.building import builder
from tfrecords.building.options import BuildError, BuildOptions
from tfrecords.datasets import Arrays, SourceError
from tfrecords.description import DatasetInfo

LABELS = np.arange(12) % 3
SPLITS = np.array(["train"] * 6 + ["validation"] * 2 + ["test"] * 4)


def save(directory, **arrays):
    path = directory / "set.npz"
    np.savez(path, **arrays)
    return path


def listing(directory, **arrays):
    return Arrays().listing(save(directory, **arrays), 0.2, 0)


def build(path, **options):
    output = path.parent / "out"
    chosen = BuildOptions("arrays", str(path), str(output), workers=1, **options)
    info = builder.build(chosen, progress=False)
    found = {k: v for split in info.splits for k, v in records(output, split).items()}
    return info, found, failures(output)


def test_sound_pictures_and_features_reach_the_records(tmp_path, rng):
    sound = rng.integers(-9_000, 9_000, (12, 4_000)).astype(np.int16)
    real = rng.uniform(-1, 1, (12, 4_000)).astype(np.float32)
    frames = np.repeat(rng.integers(0, 255, (12, 3, 1, 1, 1)), 3, -1).astype(np.uint8)
    video = np.broadcast_to(frames, (12, 3, 24, 32, 3))
    pose = rng.normal(3, 2, (12, 2, 5))
    path = save(
        tmp_path,
        **{"label": LABELS, "split": SPLITS, "audio": sound, "right:audio": real},
        **{"video": video, "pose": pose},
    )
    info, found, failed = build(path)
    assert failed == {}
    assert list(info.modalities) == ["audio", "right", "video", "pose"]
    assert info.classes == ("0", "1", "2")
    assert info.splits["train"].clips == 6
    assert info.modalities["audio"].max_samples == 4_000
    assert info.modalities["video"].max_frames == 3
    for i in range(12):
        example = found[f"row-{i:02d}"]
        feature = example.context.feature
        assert feature[schema.LABEL_INDEX].int64_list.value[0] == LABELS[i]
        pcm = np.frombuffer(feature[schema.AUDIO].bytes_list.value[0], "<i2")
        np.testing.assert_array_equal(pcm, sound[i])
        lists = example.feature_lists.feature_list
        stored = [tf.io.decode_jpeg(f.bytes_list.value[0]) for f in lists[schema.FRAMES].feature]
        np.testing.assert_allclose([np.mean(f) for f in stored], frames[i, :, 0, 0, 0], atol=2)
    stored = info.modalities["pose"]
    assert stored.dimensions == (2, 5)
    key = schema.key(schema.FLOATS, "pose", "features")
    values = found["row-05"].context.feature[key].float_list.value
    np.testing.assert_allclose(values, pose[5].ravel(), rtol=1e-6)
    train = pose[:6].astype(np.float32).reshape(6, -1)
    np.testing.assert_allclose(stored.mean, train.mean(0), rtol=1e-5)
    np.testing.assert_allclose(stored.std, train.std(0), rtol=1e-4)


def test_rows_with_nan_are_counted(tmp_path):
    pose = np.ones((12, 4), np.float32)
    pose[2, 1] = np.nan
    pose[7, 0] = np.inf
    sound = np.zeros((12, 2_000), np.float32)
    sound[4, 3] = np.nan
    path = save(tmp_path, label=LABELS, split=SPLITS, pose=pose, audio=sound)
    info, found, failed = build(path)
    assert {name: reason for name, (reason, _) in failed.items()} == {
        "row-02": "not finite",
        "row-04": "not finite",
        "row-07": "not finite",
    }
    assert len(found) == 9
    assert info.modalities["pose"].std == (0.0,) * 4


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", "float64", "bool"])
def test_numbers_of_any_type_are_features(tmp_path, dtype):
    values = np.arange(12).reshape(12, 1).astype(dtype)
    info, found, failed = build(save(tmp_path, label=LABELS, split=SPLITS, x=values))
    assert (len(found), failed) == (12, {})
    np.testing.assert_allclose(info.modalities["x"].mean, [values[:6].astype(float).mean()])


def test_names_of_classes_splits_groups_and_ids(tmp_path):
    x = np.zeros((12, 2))
    ids = np.array([f"-ü {i}".encode() for i in range(12)])
    found = listing(
        tmp_path, label=LABELS, classes=np.array(["z", "a", "é", "none"]), id=ids, x=x,
        group=np.arange(12) // 2,
    )  # fmt: skip
    assert found.classes == ("z", "a", "é", "none")
    assert [clip.media_id for clip in found.clips] == [f"-ü {i}" for i in range(12)]
    assert [clip.labels[0] for clip in found.clips] == LABELS.tolist()
    splits = [clip.split for clip in found.clips]
    assert splits[::2] == splits[1::2]
    assert set(splits) == {"train", "validation", "test"}
    found = listing(tmp_path, label=LABELS * 5, split=SPLITS, x=x)
    assert found.classes == ("0", "5", "10")
    assert [clip.split for clip in found.clips] == SPLITS.tolist()
    found = listing(tmp_path, label=np.array(["b", "a"] * 6), x=x)
    assert found.classes == ("a", "b")


def test_rows_without_a_group_are_groups_of_their_own(tmp_path):
    group = np.array(["anna"] * 6 + [""] * 6)
    found = listing(tmp_path, label=LABELS, group=group, x=np.zeros(12))
    splits = [clip.split for clip in found.clips]
    assert len(set(splits[:6])) == 1
    assert len(set(splits[6:])) > 1


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    label = LABELS.copy()
    label[3] = -1
    split = SPLITS.copy()
    split[5] = "trial"
    ids = np.array([f"clip{i % 11}" for i in range(12)])
    classes = np.array(["a", "b", "c"])
    x = np.zeros(12)
    found = listing(tmp_path, label=label, split=split, id=ids, classes=classes, x=x)
    assert [(f.clip, f.reason) for f in found.failures] == [
        ("clip3", "no label"),
        ("clip5", "bad line"),
        ("clip0", "duplicate"),
    ]


def test_files_that_cannot_be_used_are_one_clear_error(tmp_path):
    def said(**arrays):
        with pytest.raises(SourceError) as error:
            listing(tmp_path, **{"label": LABELS, "x": np.zeros(12)} | arrays)
        return str(error.value).replace(str(tmp_path / "set.npz"), "SET")

    assert said(x=np.zeros(9)) == "SET: the array `x` is float64 [9], and there are 12 labels"
    assert said(x=np.float64(1)) == "SET: the array `x` is float64 [], and there are 12 labels"
    assert said(x=np.array(["a"] * 12)).endswith("is <U1 [12]: features are numbers")
    assert said(x=np.zeros(12, complex)).endswith("is complex128 [12]: features are numbers")
    assert said(x=np.array([None] * 12)).startswith(
        "--source=SET is not an .npz file of arrays: Objec"
    )
    for audio in (np.zeros(12), np.zeros((12, 9), np.int32), np.zeros((12, 9, 2))):
        assert "audio is [N, samples], int16 or real numbers in [-1, 1]" in said(audio=audio)
    for video in (np.zeros((12, 2, 8, 8, 3)), np.zeros((12, 2, 8, 8), np.uint8)):
        assert said(video=video).endswith(
            "video is [N, T, H, W, 3] uint8, or [N, T, H, W, 2] of an optical flow"
        )
    assert "of the kind 'odour': there are audio" in said(**{"smell:odour": np.zeros(12)})
    assert "'two words' is not a name of letters" in said(**{"two words": np.zeros(12)})
    assert said(label=LABELS / 2) == (
        "SET: `label` must be [N] of whole numbers or texts, not float64 [12]"
    )
    assert said(label=np.eye(12, dtype=int)).endswith("not int64 [12, 12]")
    assert said(group=np.arange(11)) == "SET: `group` has 11 values, and there are 12 labels"
    assert said(classes=np.array(["a", "b"])) == ("SET: there is a label 2, and `classes` names 2")
    assert said(classes=np.array(["a", "b", "a"])) == "SET: `classes` names a class twice"
    with pytest.raises(SourceError, match=r"holds no array `label` \(it holds x, y\)"):
        listing(tmp_path, x=np.zeros(3), y=np.zeros(3))
    with pytest.raises(SourceError, match="holds labels and no array of a modality"):
        listing(tmp_path, label=LABELS)
    with pytest.raises(SourceError, match="the list holds no usable clip"):
        listing(tmp_path, label=np.zeros(0, int), x=np.zeros(0))


def test_other_files_are_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("no arrays")
    (tmp_path / "empty.npz").touch()
    whole = save(tmp_path, label=LABELS, x=np.zeros((12, 500))).read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    for name in ("one.npy", "text.npz", "empty.npz", "cut.npz", "."):
        with pytest.raises(SourceError, match=r"is not an \.npz file of arrays"):
            Arrays().listing(tmp_path / name, 0.2, 0)
    with pytest.raises(SourceError, match=r"does not exist: give an \.npz file"):
        Arrays().listing(tmp_path / "nowhere.npz", 0.2, 0)


PLUGIN = """
import dataclasses
from tfrecords.datasets import Arrays, Dataset, option, register

@register("halves")
@dataclasses.dataclass(frozen=True)
class Halves(Dataset):
    help = "an .npz file; every other row is taken"
    validation_fraction = 0.25
    half: int = option(0, "0: the even rows, 1: the odd ones.")

    def listing(self, source, validation_fraction, seed):
        found = Arrays().listing(source, validation_fraction, seed)
        return dataclasses.replace(found, clips=found.clips[self.half::2])
"""


def test_the_command_builds_a_data_set_of_the_users_own(tmp_path, monkeypatch):
    path = save(tmp_path, label=LABELS, x=np.arange(24.0).reshape(12, 2))
    (tmp_path / "halves_plugin.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    flags = [f"--source={path}", f"--output={tmp_path / 'out'}", "--plugins=halves_plugin"]
    done = command("--dataset=halves", "--half=1", *flags, "--workers=1")
    _, errors = done.communicate(timeout=600)
    assert done.returncode == 0, errors
    info = DatasetInfo.load(tmp_path / "out")
    assert info.dataset == "halves"
    assert (info.options["validation_fraction"], info.options["half"]) == (0.25, 1)
    assert sum(split.clips for split in info.splits.values()) == 6


def test_other_rows_are_another_set_of_records(tmp_path, rng):
    """The same ids, labels and splits in another order of the array's rows."""
    ids = np.array([f"clip-{i:02d}" for i in range(12)])
    order = np.arange(12)[::-1]
    columns = {"label": LABELS, "split": SPLITS, "id": ids}
    path = save(tmp_path, view=rng.normal(size=(12, 4)), **columns)
    build(path)
    save(tmp_path, view=rng.normal(size=(12, 4)), **{k: v[order] for k, v in columns.items()})
    with pytest.raises(BuildError, match="other options"):
        build(path)
