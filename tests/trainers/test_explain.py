"""The page that explains a clip."""

import wave

import numpy as np
import pytest

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
    done = command("explain", *where, *files, check=False)
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
