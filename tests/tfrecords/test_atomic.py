import json
import os

import pytest

from tfrecords import atomic


def test_text_bytes_and_json_are_written_whole_and_leave_nothing_beside_them(tmp_path):
    atomic.write_text(tmp_path / "text", "größe\n")
    atomic.write_bytes(tmp_path / "bytes", b"\0\xff")
    atomic.write_json(tmp_path / "json", {"b": [1, None], "a": "x"}, indent=1, sort_keys=True)
    assert (tmp_path / "text").read_bytes() == "größe\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\0\xff"
    assert (tmp_path / "json").read_text() == '{\n "a": "x",\n "b": [\n  1,\n  null\n ]\n}\n'
    assert sorted(os.listdir(tmp_path)) == ["bytes", "json", "text"]


def test_what_stood_there_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with atomic.writing(path) as part:
        part.write_text("ne")
        assert path.read_text() == "old"
        assert part.parent == tmp_path
        assert part.name.startswith(".")
    assert path.read_text() == "ne"


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted():
        with atomic.writing(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ValueError):
        atomic.write_json(path, {"loss": float("nan")})
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with atomic.writing(path) as one:
        one.write_text("one")
        with atomic.writing(path) as two:
            two.write_text("two")
        assert path.read_text() == "two"
    assert path.read_text() == "one"


def test_a_named_part_is_used(tmp_path):
    with atomic.writing(tmp_path / "a.keras", tmp_path / ".part-a.keras") as part:
        assert part.name == ".part-a.keras"
        part.write_text(json.dumps(1))
    assert os.listdir(tmp_path) == ["a.keras"]
