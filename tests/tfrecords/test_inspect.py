import io
import shutil

import numpy as np
import pytest
import rich.console
from PIL import Image

from tfrecords import inspect
from tfrecords.building import builder as build
from tfrecords.building.options import BuildOptions
from tfrecords.description import DatasetInfo


@pytest.fixture(scope="module")
def output(rendered, recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("inspected") / "set"
    build.build(BuildOptions(recipe, str(rendered), str(path), workers=1), False)
    return path


def test_a_whole_set_is_whole(output):
    assert list(inspect.verify(output, progress=False)) == []


@pytest.mark.parametrize(
    ("at", "message"),
    [(0.6, "its content is not what its checksum says"), (None, "record 5: the length of")],
)
def test_a_corrupt_record_is_named_by_shard_and_index(output, tmp_path, at, message):
    copy = shutil.copytree(output, tmp_path / "set")
    path = copy / "test-00000-of-00001.tfrecord"
    content = bytearray(path.read_bytes())
    if at is None:
        # The last record cut off at a record's border: read the lengths to find it.
        start = 0
        while (after := start + 16 + int.from_bytes(content[start : start + 8], "little")) < len(
            content
        ):
            start = after
        del content[start:]
    else:
        content[round(at * len(content))] ^= 255
    path.write_bytes(content)
    wrong = list(inspect.verify(copy, progress=False))
    assert wrong[0] == f"{path.name}: its checksum is not the one it was built with"
    assert message in " ".join(wrong[1:])
    if at is not None:
        index = int(wrong[1].split("record ")[1].split(":")[0])
        assert wrong[1].startswith(f"{path.name}, record {index}: ")
        assert 1 <= index <= 4


def test_the_description_counts_what_is_there(output):
    text = io.StringIO()
    console = rich.console.Console(file=text, width=120)
    inspect.describe(output, DatasetInfo.load(output), console)
    lines = text.getvalue().splitlines()
    assert any("accordion trilling, folk" in line for line in lines)
    sound = next(line for line in lines if "test" in line and "audio: seconds" in line)
    least, median, most = (float(cell) for cell in sound.split("│")[3:6])
    assert 1 <= least <= median <= most <= 2


def test_the_contact_sheet_shows_something(output, tmp_path):
    inspect.contact_sheet(output, tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert pixels.shape[0] > 1_000
    assert pixels[..., :3].std() > 20


def test_no_set_is_said_to_be_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no finished record set"):
        list(inspect.verify(tmp_path))
