"""Labels of media files, from a run and from an export that lies elsewhere."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import wave

import numpy as np
import pytest
import tensorflow as tf

from amr_tf import attribution_shares
from tests.tfrecords import files
from tests.trainers.conftest import ROOT, command
from trainers import predict
from trainers.running import inputs
from trainers.running.finished_run import load_model


@pytest.fixture(scope="module")
def clips(records, tmp_path_factory):
    """Films of two lengths, a sound, and one film under an odd name."""
    directory = tmp_path_factory.mktemp("clips")
    films = sorted((records / "clips").rglob("*.mp4"))[:19]
    odd = directory / "=a,[b]\n\x1b[31m.mp4"
    shutil.copyfile(films[0], odd)
    sound = directory / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        samples = np.random.default_rng(0).integers(-9000, 9000, 16_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return [*films, sound, odd]


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bad")
    text = directory / "notes.mp4"
    text.write_text("not a film")
    return [text, directory / "gone.mp4"]


@pytest.fixture(scope="module")
def of_run(finished_run, clips, bad):
    """What was printed as JSON, bad files first and last."""
    files = [bad[0], *clips, bad[1]]
    return command(
        "predict", f"--model_dir={finished_run[0]}", "--format=json", *map(str, files), check=False
    )


def test_rows_are_the_keras_models_answers(finished_run, clips, of_run):
    """Clip by clip, cut as the pipeline cuts, by the model's call."""
    model_dir = finished_run[0]
    given, model = inputs.load(model_dir), load_model(model_dir, compile=False)
    taken, settings = given.modalities, given.settings
    classes = (model_dir / "classes.txt").read_text().splitlines()
    rows = json.loads(of_run.stdout)
    assert [row["clip"] for row in rows] == [str(clip) for clip in clips]
    for clip, row in zip(clips, rows, strict=True):
        found = files.decode(clip, settings=settings, require=())
        stored = {
            "audio": {"samples": tf.constant(found.waveform)},
            "video": {
                "frames": tf.constant(found.frames, tf.string, [len(found.frames)]),
                "size": tf.io.extract_jpeg_shape(found.frames[0])[:2] if found.frames else [0, 0],
            },
        }
        raw = {name: modality.cut(stored[name])[None] for name, modality in taken.items()}
        raw["presence"] = tf.constant([[1.0, float(bool(found.frames))]])
        logits, attributions = model.attribute(raw)
        probabilities = tf.nn.softmax(logits)[0].numpy()
        order = np.argsort(-probabilities)[:3]
        assert row["class_id"] == order[0]
        assert row["label"] == classes[order[0]]
        assert [top["label"] for top in row["top"]] == [classes[k] for k in order]
        given = [row["probability"], *(top["probability"] for top in row["top"])]
        expected = probabilities[[order[0], *order]]
        np.testing.assert_allclose(given, expected, atol=1e-5)
        shares = attribution_shares(attributions)[0]
        np.testing.assert_allclose(list(row["shares"].values()), shares, atol=1e-5)
        assert list(row["shares"]) == ["audio", "video"]
        assert row["missing"] == ([] if found.frames else ["video"])
    assert rows[-2]["shares"] == {"audio": 1.0, "video": 0.0}


def test_bad_files_get_a_line_each(bad, of_run):
    assert of_run.returncode == 1
    errors = of_run.stderr.splitlines()
    assert [e for e in errors if not e.startswith("predict: ")] == errors
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {bad[0]}: undecodable: ")
    assert errors[0].count(bad[0].name) == 1
    assert errors[1].startswith(f"error: {bad[1]}: missing: ")


def test_an_export_alone_gives_equal_answers(finished_run, clips, of_run, tmp_path):
    """Moved away from its run; as CSV."""
    shutil.copytree(finished_run[0] / "export", tmp_path / "export")
    expected = json.loads(of_run.stdout)
    done = command(
        "predict",
        f"--export_dir={tmp_path}/export",
        "--format=csv",
        "--top=1",
        *map(str, clips),
    )
    assert all(line.startswith("predict: ") for line in done.stderr.splitlines())  # progress
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(rows[0]) == [
        "clip", "start", "end", "windows", "class_id", "label", "probability", "share_audio",
        "share_video", "missing",
    ]  # fmt: skip
    for row, other in zip(rows, expected, strict=True):
        assert row["clip"] == other["clip"]
        assert (int(row["class_id"]), row["label"]) == (other["class_id"], other["label"])
        found = [float(row[name]) for name in ("probability", "share_audio", "share_video")]
        np.testing.assert_allclose(
            found, [other["probability"], *other["shares"].values()], atol=2e-6
        )
        assert row["missing"] == ";".join(other["missing"])


def test_table(finished_run, clips, of_run):
    row = json.loads(of_run.stdout)[-1]
    where = f"--model_dir={finished_run[0]}"
    done = command("predict", where, *map(str, clips[-2:]), eager=True)
    lines = [line.strip("│┃ ") for line in done.stdout.splitlines()]
    assert lines[1].endswith("missing")
    assert "audio/video" in lines[1]
    assert len(lines) == 4 + 2 * 3  # three labels each
    assert "100/0" in lines[3]
    assert lines[3].endswith("video")
    # the odd name is one line, in brackets and all, and colours nothing
    assert r"=a,[b]\n\x1b[31m.mp4" in lines[6]
    assert row["label"] in lines[6]
    assert f"{100 * row['probability']:.1f} %" in lines[6]
    assert "\x1b" not in done.stdout


def test_a_reader_that_has_enough_is_no_error(finished_run, clips):
    """As in `trainers.predict ... | head -1`."""
    arguments = [f"--model_dir={finished_run[0]}", "--format=csv", str(clips[0])]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "trainers.predict", *arguments],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_what_a_user_can_mend_is_one_line(finished_run):
    done = command("predict", f"--model_dir={finished_run[0]}", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: name media files")
    assert len(done.stderr.splitlines()) == 1


def test_which_model_is_one_of_two(tmp_path):
    for both in (("", ""), ("a", "b")):
        with pytest.raises(ValueError, match="give either --model_dir or --export_dir"):
            predict.load(*both)
    with pytest.raises(FileNotFoundError, match="holds no export: name a directory that"):
        predict.load("", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="--export_dir=nowhere: no such directory"):
        predict.load("", "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no run"):
        predict.load(str(tmp_path), "")


def test_an_export_without_its_description_is_refused(tmp_path):
    assets = tmp_path / "1" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "1" / "saved_model.pb").touch()
    (assets / "model.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is not a description of an export: .*again"):
        predict.load("", str(tmp_path))
