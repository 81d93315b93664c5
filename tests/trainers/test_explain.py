"""The page that explains a clip."""

import json
import pathlib
import shutil
import wave

import numpy as np
import pytest

from tests.tfrecords import files
from tests.trainers.conftest import command


@pytest.fixture(scope="module")
def clip(records):
    return next((records / "clips").rglob("*.mp4"))


def test_pages_of_good_files_and_a_line_for_each_bad_one(finished_run, clip, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("not a film")
    sound = tmp_path / "<b>sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        samples = np.random.default_rng(0).integers(-9000, 9000, 16_000)
        file.writeframes(samples.astype("<i2").tobytes())
    files = [str(path) for path in (text, clip, tmp_path / "gone.mp4", sound)]
    where = (f"--model_dir={finished_run[0]}", f"--output_dir={tmp_path}/pages")
    done = command("explain", *where, *files, check=False, eager=True)
    assert done.returncode == 1
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {text}: undecodable")
    assert errors[1].startswith(f"error: {tmp_path}/gone.mp4: missing")
    page = (tmp_path / "pages" / clip.stem / "explanation.html").read_text()
    for title in (">Sound<", ">Picture<"):
        assert title in page
    assert page.count('src="data:image/png;base64,') == 2
    assert "Of that decision audio/video have" in page
    heard = (tmp_path / "pages" / "<b>sound" / "explanation.html").read_text()
    assert heard.count("data:image/png") == 1
    assert "The file has no video: it counts as absent." in heard
    assert "100/0 percent" in heard
    assert "<b>" not in heard


def test_what_is_missing_is_said(finished_run):
    done = command("explain", f"--model_dir={finished_run[0]}", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: name media files")


def test_no_page_overwrites_another(finished_run, clip, tmp_path):
    """Clips of one name, in one call and in the next; the same clip again takes its own page."""
    for name in ("happy", "angry", "sad"):
        (tmp_path / name).mkdir()
        shutil.copyfile(clip, tmp_path / name / "001.mp4")
    paths = [str(tmp_path / name / "001.mp4") for name in ("happy", "angry", "sad")]
    where = (f"--model_dir={finished_run[0]}", f"--output_dir={tmp_path}/pages")
    first = command("explain", *where, *paths[:2], eager=True).stdout.split()[1::2]
    second = command("explain", *where, paths[2], paths[0], eager=True).stdout.split()[1::2]
    assert [page.split("/")[-2] for page in first] == ["001", "001-2"]
    assert [page.split("/")[-2] for page in second] == ["001-3", "001"]
    for page, path in zip(first, paths, strict=False):
        assert path in pathlib.Path(page).read_text()


def test_a_long_file_is_shown_over_time(finished_run, tmp_path):
    long_clip = files.clip(tmp_path / "long.mp4", seconds=7)
    where = (f"--model_dir={finished_run[0]}", f"--output_dir={tmp_path}/pages")
    command("explain", *where, str(long_clip), eager=True)
    page = (tmp_path / "pages" / "long" / "explanation.html").read_text()
    assert ">Over time<" in page
    assert "mean of 4 windows" in page
    assert page.count('src="data:image/png;base64,') == 3
    numbers = json.loads((tmp_path / "pages" / "long" / "explanation.json").read_text())
    assert [window["start"] for window in numbers["windows"]][:3] == [0, 2, 4]
    for window in numbers["windows"]:
        assert sum(window["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert sum(window["shares"]) == pytest.approx(1, abs=1e-5)
