"""Rows of the arrays of `.npz` files."""

import zipfile

import numpy as np
import pytest

from tfrecords.npz import NpzArray

ARRAYS = {
    "numbers": np.arange(24.0).reshape(4, 2, 3),
    "columns": np.asfortranarray(np.arange(24).reshape(4, 6)),
    "scalars": np.arange(5, dtype=">i4"),
    "texts": np.array(["a", "", "über"]),
    "bytes": np.array([b"a", b"bcd"]),
    "empty": np.zeros((3, 0), np.uint8),
    "none": np.zeros((0, 7), np.uint8),
    "a name, longer than most ü": np.arange(9, dtype=np.uint8),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_rows_are_those_of_numpy(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, **ARRAYS)
    for name, values in ARRAYS.items():
        found = NpzArray(path, name)
        assert (found.shape, found.dtype, len(found)) == (values.shape, values.dtype, len(values))
        for k, row in enumerate(values):
            np.testing.assert_array_equal(found[k], row)
            assert type(found[k]) is type(row)
        with pytest.raises(IndexError):
            found[len(values)]


def test_rows_of_what_is_stored_as_it_is_are_mapped_and_others_read_once(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", **ARRAYS)
    np.savez_compressed(tmp_path / "b.npz", **ARRAYS)
    mapped, read = (NpzArray(tmp_path / f"{name}.npz", "numbers") for name in "ab")
    np.testing.assert_array_equal(read[1], ARRAYS["numbers"][1])
    monkeypatch.setattr(np, "load", None)
    np.testing.assert_array_equal(read[2], ARRAYS["numbers"][2])
    row = mapped[3]
    np.testing.assert_array_equal(row, ARRAYS["numbers"][3])
    assert isinstance(row.base.base, np.memmap)  # of the row alone
    assert row.base.nbytes == 48
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 1


def test_what_cannot_be_read_is_one_clear_error(tmp_path):
    def said(name="x"):
        with pytest.raises(ValueError) as error:
            NpzArray(tmp_path / "a.npz", name)[0]
        return str(error.value)

    np.savez(tmp_path / "a.npz", x=np.arange(9), objects=np.array([None]))
    assert said("gone").startswith("`gone` cannot be read: ")
    assert said("objects") == "Object arrays are programs: make `objects` one of numbers or texts"
    (tmp_path / "a.npz").write_text("no archive")
    assert said() == "`x` cannot be read: File is not a zip file"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", "no array")
    assert "magic string is not correct" in said()
    np.save(tmp_path / "x.npy", np.arange(9))
    content = (tmp_path / "x.npy").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content[:-8])
    assert said() == "`x` is not as long as its shape (9,) says"
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", np.random.default_rng(0).bytes(0) + content)
    damaged = bytearray((tmp_path / "a.npz").read_bytes())
    damaged[60:70] = bytes(10)
    (tmp_path / "a.npz").write_bytes(damaged)
    assert said().startswith("`x` ")
    with pytest.raises(FileNotFoundError):
        NpzArray(tmp_path / "b.npz", "x")
