"""Features: of one shape as ever, and sequences of different lengths."""

import types

import numpy as np
import pytest

from tests.tfrecords.stored import sets
from tfrecords import schema
from tfrecords.building.options import BuildError
from tfrecords.description import DatasetInfo
from tfrecords.stored import StoredFeatures


def write(directory, arrays, **more):
    """Saves arrays, and lists them."""
    text = "features,label,split\n"
    for k, (array, split) in enumerate(zip(arrays, sets.splits(len(arrays)), strict=True)):
        np.save(directory / f"{k}.npy", array)
        text += f"{k}.npy,{k % 2},{split}\n"
    return sets.listed(directory, text, **more)


@pytest.mark.parametrize("tail", [(3,), (2, 5)])
@pytest.mark.parametrize("clips_per_shard", [1, 2, 256])
def test_sequences_keep_their_lengths_and_have_moments_over_steps(
    tmp_path, rng, tail, clips_per_shard
):
    arrays = [rng.normal(5, 2, (t, *tail)).astype(np.float32) for t in (4, 4, 1, 7, 3, 9)]
    info, found, failed = write(tmp_path, arrays, clips_per_shard=clips_per_shard)
    assert failed == {}
    stored = info.modalities["features"]
    assert (stored.dimensions, stored.max_steps, stored.is_sequence) == ((None, *tail), 9, True)
    steps = np.concatenate([a.reshape(len(a), -1) for a in arrays[:4]]).astype(np.float64)
    np.testing.assert_allclose(stored.mean, steps.mean(0), rtol=1e-9)
    np.testing.assert_allclose(stored.std, steps.std(0), rtol=1e-7)
    assert stored.decoded_bytes == 4 * 9 * np.prod(tail)
    assert '"dimensions": [\n    null' in info.to_json()
    assert DatasetInfo.from_json(info.to_json()) == info
    parsed = sets.parsed(tmp_path / "out", info)
    for k, array in enumerate(arrays):
        np.testing.assert_array_equal(found[f"{k}.npy"]["features"], array)
        np.testing.assert_array_equal(parsed[f"{k}.npy"]["features"]["values"], array.ravel())


def test_arrays_that_all_have_one_shape_are_no_sequences(tmp_path, rng):
    arrays = [rng.normal(size=(4, 3)).astype(np.float32) for _ in range(5)]
    info, _, _ = write(tmp_path, arrays, clips_per_shard=2)
    stored = info.modalities["features"]
    assert (stored.dimensions, stored.max_steps) == ((4, 3), 0)
    train = np.stack(arrays[:3]).reshape(3, -1)
    np.testing.assert_allclose(stored.mean, train.mean(0), rtol=1e-6)
    np.testing.assert_allclose(stored.std, train.std(0), rtol=1e-5)


@pytest.mark.parametrize(
    "shapes",
    [[(2, 3), (4, 3), (4, 2)], [(3,), (4,), (5,)], [(3,), (3, 1), (3,)], [(3, 2), (2, 3), (1, 1)]],
)
def test_shapes_that_are_no_sequences_are_an_error(tmp_path, shapes):
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    with pytest.raises(BuildError, match=r"features features are of different shapes: \(") as error:
        write(tmp_path, arrays)
    assert "a sequence is [t, D], and D is the same in all clips" in str(error.value)


def test_a_modality_that_no_clip_has_is_an_error(tmp_path):
    for split in sets.splits(3):
        np.save(tmp_path / f"{split}.npy", np.ones(3))
    text = "pose:features,face:features,label,split\n"
    text += "".join(f"{s}.npy,,x,{s}\n" for s in sets.splits(3))
    with pytest.raises(BuildError, match="no clip has the features face"):
        sets.listed(tmp_path, text, require="any")


def test_files_that_are_no_arrays_of_numbers_are_counted(tmp_path):
    good = [np.ones((2, 3)), np.ones((1, 3)), np.ones((3, 3))]
    text = "features,label,split\n"
    for k, (array, split) in enumerate(zip(good, sets.splits(3), strict=True)):
        np.save(tmp_path / f"{k}.npy", array)
        text += f"{k}.npy,x,{split}\n"
    np.save(tmp_path / "none.npy", np.ones((0, 3)))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "nan.npy", np.array([[1, np.nan, 2]]))
    np.savez(tmp_path / "npz", np.ones(3))
    (tmp_path / "npz.npz").rename(tmp_path / "npz.npy")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "cut.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:-9])
    (tmp_path / "lfs.npy").write_text("version https://git-lfs.github.com/spec/v1\noid 1\n")
    for name in ("none", "words", "nan", "npz", "empty", "cut", "lfs", "gone"):
        text += f"{name}.npy,x,train\n"
    info, found, failed = sets.listed(tmp_path, text)
    assert len(found) == 3
    assert {name: reason for name, (reason, _) in failed.items()} == {
        "none.npy": "too short",
        "words.npy": "undecodable",
        "nan.npy": "not finite",
        "npz.npy": "undecodable",
        "empty.npy": "truncated",
        "cut.npy": "undecodable",
        "lfs.npy": "lfs pointer",
        "gone.npy": "missing",
    }
    assert failed["npz.npy"][1] == "npz.npy: not an .npy file of numbers: it is an .npz file"
    assert info.modalities["features"].max_steps == 3


def test_a_record_with_other_numbers_is_refused(tmp_path, rng):
    arrays = [rng.normal(size=(t, 3)) for t in (2, 3, 4)]
    info, _, _ = write(tmp_path, arrays)
    (record, *_) = sets.records(tmp_path / "out", info)
    for wrong in (StoredFeatures((None, 7), max_steps=9), StoredFeatures((None, 3), max_steps=1)):
        with pytest.raises(Exception, match="another number of features"):
            schema.parse(record, {"features": wrong})


def test_impossible_descriptions_are_refused():
    StoredFeatures((None, 3), (1.0,) * 3, (1.0,) * 3, 5).check()
    for wrong in (
        StoredFeatures((None, 3)),
        StoredFeatures((2, 3), max_steps=5),
        StoredFeatures((None, None), max_steps=5),
        StoredFeatures((3, None), max_steps=5),
        StoredFeatures((None, 0), max_steps=5),
        StoredFeatures((None, 3), (1.0,) * 15, (1.0,) * 15, 5),
        StoredFeatures((None, 3), max_steps=1 << 24),
    ):
        with pytest.raises(ValueError, match="not a description of a record set"):
            wrong.check()


def test_what_a_model_can_take():
    def model(dimensions, shape=None):
        return types.SimpleNamespace(dimensions=dimensions, shape=shape or dimensions)

    sequences = StoredFeatures((None, 3), max_steps=5)
    assert sequences.mismatch(model((None, 3), (8, 3))) == ""
    assert sequences.mismatch(model((8, 3))) == ""
    assert sequences.mismatch(model((8, 4))) == (
        "features of the shape (None, 3): the model takes (8, 4)"
    )
    assert sequences.mismatch(model((3,)))
    fixed = StoredFeatures((5, 3))
    assert fixed.mismatch(model((5, 3))) == ""
    assert fixed.mismatch(model((4, 3))) == "features of the shape (5, 3): the model takes (4, 3)"
